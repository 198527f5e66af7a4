"""Tiny tokenizers of the common kinds, made on the spot, and small data."""

import copy
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from tokenizers import (
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789.,;:!?'\"()-$"

TEXT = (
    "The Normans were the people who in the 10th and 11th centuries gave their name to Normandy, "
    "a region in France. They were descended from Norse raiders and pirates from Denmark."
)


def wrap(backend: Tokenizer, **options: Any) -> PreTrainedTokenizerBase:
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=backend, model_max_length=512, **options
    )


def make_character_tokenizer(
    characters: Iterable[str] = ALPHABET, cls_token: str | None = "[CLS]"
) -> PreTrainedTokenizerBase:
    """BERT's pipeline with a vocabulary of single characters, so that every span has tokens.

    The template puts `[CLS]` in front whatever `cls_token` says.
    """
    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    pieces = [piece for c in dict.fromkeys(characters) for piece in (c, f"##{c}")]
    vocabulary = {token: index for index, token in enumerate([*specials, *pieces])}
    backend = Tokenizer(
        models.WordPiece(vocabulary, unk_token="[UNK]", max_input_chars_per_word=1000)
    )
    backend.normalizer = normalizers.BertNormalizer(lowercase=True)
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return wrap(
        backend,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token=cls_token,
        sep_token="[SEP]",
        mask_token="[MASK]",
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
    )


def make_byte_tokenizer(*, trim_offsets: bool) -> PreTrainedTokenizerBase:
    """Byte-level BPE, two separators between the parts of a pair, no token types."""
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        special_tokens=["<s>", "<pad>", "</s>", "<unk>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    backend.train_from_iterator([TEXT], trainer)
    backend.post_processor = processors.RobertaProcessing(
        ("</s>", 2), ("<s>", 0), trim_offsets=trim_offsets
    )
    return wrap(
        backend,
        bos_token="<s>",
        eos_token="</s>",
        cls_token="<s>",
        sep_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        model_input_names=["input_ids", "attention_mask"],
    )


@pytest.fixture(scope="session")
def character_tokenizer() -> Callable[..., PreTrainedTokenizerBase]:
    return make_character_tokenizer


@pytest.fixture(scope="session")
def bert_like() -> PreTrainedTokenizerBase:
    return make_character_tokenizer()


@pytest.fixture(scope="session")
def roberta_like() -> PreTrainedTokenizerBase:
    return make_byte_tokenizer(trim_offsets=True)


@pytest.fixture(scope="session")
def deberta_like() -> PreTrainedTokenizerBase:
    """The span of a word's first token begins with the space before it."""
    return make_byte_tokenizer(trim_offsets=False)


@pytest.fixture(scope="session")
def xlnet_like(bert_like: PreTrainedTokenizerBase) -> PreTrainedTokenizerBase:
    """Pads on the left; CLS is the last token."""
    backend = Tokenizer.from_str(bert_like.backend_tokenizer.to_str())
    backend.post_processor = processors.TemplateProcessing(
        single="$A [SEP] [CLS]",
        pair="$A [SEP] $B:1 [SEP]:1 [CLS]:2",
        special_tokens=[("[SEP]", 3), ("[CLS]", 2)],
    )
    return wrap(
        backend,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        padding_side="left",
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
    )


@pytest.fixture(params=["bert_like", "roberta_like", "deberta_like", "xlnet_like"])
def tokenizer(request: pytest.FixtureRequest) -> PreTrainedTokenizerBase:
    made: PreTrainedTokenizerBase = request.getfixturevalue(request.param)
    return made


SQUAD: dict[str, Any] = {
    "version": "1.1",
    "data": [
        {
            "title": "Normans",
            "paragraphs": [
                {
                    "context": TEXT,
                    "qas": [
                        {
                            "id": "n1",
                            "question": "Where is Normandy?",
                            "answers": [
                                {"text": "France", "answer_start": TEXT.index("France")},
                                {"text": "in France", "answer_start": TEXT.index("in France")},
                            ],
                        },
                        {
                            "id": "n2",
                            "question": "From where did the pirates come?",
                            "answers": [{"text": "Denmark", "answer_start": TEXT.index("Denmark")}],
                        },
                    ],
                }
            ],
        },
        {
            "title": "Bees",
            "paragraphs": [
                {
                    "context": "Bees make honey.",
                    "qas": [
                        {
                            "id": "b1",
                            "question": "What do bees make?",
                            "answers": [{"text": "honey", "answer_start": 10}],
                        }
                    ],
                }
            ],
        },
    ],
}


@pytest.fixture
def squad() -> dict[str, Any]:
    """SQuAD 1.1 data of three questions, to change at will."""
    return copy.deepcopy(SQUAD)


@pytest.fixture
def write(tmp_path: Path) -> Callable[[object], str]:
    """Writes a JSON file and returns its path."""

    def write_json(content: object) -> str:
        path = tmp_path / "squad.json"
        path.write_text(json.dumps(content), encoding="utf-8")
        return str(path)

    return write_json
