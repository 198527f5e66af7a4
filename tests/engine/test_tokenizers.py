"""Tokens of the kinds that real models have: pieces of words, and bytes with the space before."""

import json
from collections.abc import Callable
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

from fineprune import Engine
from fineprune.corpus.answers import Answerer
from fineprune.corpus.rows import Row
from fineprune.engine.errors import UnsupportedModelError
from tests.engine.test_texts import assert_alike, of_transformers
from tests.engine.zoo import build, save_packed

CORPUS = [
    "Ada Lovelace lives in London, doesn't she?",
    "Grace Hopper worked in New York; naïve café, déjà vu.",
]
TEXTS = [CORPUS[0], "Zürich naïve; foxes jump!", "  leading space"]
LABELS = dict(enumerate(["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]))


def word_pieces() -> PreTrainedTokenizerBase:
    special = ["[UNK]", "[PAD]", "[CLS]", "[SEP]"]
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    trainer = trainers.WordPieceTrainer(vocab_size=90, special_tokens=special, show_progress=False)
    tokenizer.train_from_iterator(CORPUS, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    return wrapped(tokenizer, special)


def byte_pairs() -> PreTrainedTokenizerBase:
    special = ["<unk>", "<pad>", "<s>", "</s>"]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=340,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 3), ("<s>", 2))
    return wrapped(tokenizer, special)


def wrapped(tokenizer: Tokenizer, special: list[str]) -> PreTrainedTokenizerBase:
    unknown, padding, first, last = special
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer,
        unk_token=unknown,
        pad_token=padding,
        cls_token=first,
        sep_token=last,
        model_max_length=128,
    )


KINDS = pytest.mark.parametrize(
    ("architecture", "make"), [("bert", word_pieces), ("roberta", byte_pairs)]
)


@KINDS
@pytest.mark.parametrize("aggregation", ["none", "simple"])
def test_token_classification(
    architecture: str, make: Callable[[], PreTrainedTokenizerBase], aggregation: str, tmp_path: Path
) -> None:
    tokenizer = make()
    tokenizer.save_pretrained(tmp_path / "model")
    model = build(architecture, "token", vocab_size=400, id2label=LABELS, num_labels=len(LABELS))
    packed = save_packed(model, tmp_path / "model", "token")
    engine = Engine(packed.file, threads=1)
    pipe = of_transformers("token-classification", packed, tokenizer)
    for text in (*TEXTS, "日本 and 東京"):
        expected = pipe(text, aggregation_strategy=aggregation)
        assert_alike(engine(text, aggregation_strategy=aggregation), expected)


# What fuzzing found.


def with_changed_tokenizer(folder: Path, change: Callable[[dict[str, Any]], object]) -> Engine:
    tokenizer = word_pieces()
    tokenizer.model_input_names = ["input_ids", "token_type_ids", "attention_mask"]
    tokenizer.init_kwargs["model_input_names"] = tokenizer.model_input_names
    tokenizer.save_pretrained(folder)
    path = folder / "tokenizer.json"
    content = json.loads(path.read_text("utf-8"))
    change(content)
    path.write_text(json.dumps(content), encoding="utf-8")
    model = build("bert", "token", vocab_size=400)
    return Engine(save_packed(model, folder, "token").file, threads=1)


def panics(content: dict[str, Any]) -> None:
    content["model"] = {
        "type": "BPE",
        "continuing_subword_prefix": "a" * 20,
        "vocab": {"a": 0, "b": 1, "ab": 2},
        "merges": [["a", "b"]],
    }


@pytest.mark.parametrize(
    "change",
    [
        panics,  # which is no Exception in Python
        lambda content: content["model"].update(unk_token="[NONE]"),  # of a text that has some
    ],
)
def test_a_tokenizer_that_gives_up(
    change: Callable[[dict[str, Any]], object], tmp_path: Path
) -> None:
    engine = with_changed_tokenizer(tmp_path / "model", change)
    with pytest.raises(UnsupportedModelError, match=r"tokenizer\.json in the file: ") as caught:
        engine("日本")
    assert "\n" not in str(caught.value)


def test_a_corpus_goes_on_after_a_text_that_has_no_tokens(tmp_path: Path) -> None:
    engine = with_changed_tokenizer(
        tmp_path / "model", lambda content: content["model"].update(unk_token="[NONE]")
    )
    texts = ["ada", "日本", "ada", "ada 日本", ""]
    for options in ({}, {"aggregation_strategy": "simple"}):
        answerer = Answerer(engine, options={"ignore_labels": (), **options})
        found = answerer([Row(n, (text,)) for n, text in enumerate(texts, 1)])
        assert ["Missing [UNK]" in (one["error"] or "") for one in found[:4]] == [False, True] * 2
        [expected] = engine(["ada"], ignore_labels=(), **options)
        for one in found[:4:2]:
            assert [entity["word"] for entity in one["entities"]] == [
                entity["word"] for entity in expected
            ]


def test_a_tokenizer_that_gives_up_over_every_text_ends_a_corpus(tmp_path: Path) -> None:
    engine = with_changed_tokenizer(tmp_path / "model", panics)
    with pytest.raises(UnsupportedModelError, match=r"tokenizer\.json in the file: "):
        Answerer(engine)  # before the first row


def test_token_types_beyond_all_numbers(tmp_path: Path) -> None:
    def change(content: dict[str, Any]) -> None:
        for part in content["post_processor"]["single"]:
            next(iter(part.values()))["type_id"] = (1 << 32) - 1

    assert len(with_changed_tokenizer(tmp_path / "model", change)("ada", ignore_labels=())) > 0


def test_special_tokens_that_are_no_text(tmp_path: Path) -> None:
    word_pieces().save_pretrained(tmp_path / "model")
    path = tmp_path / "model/tokenizer_config.json"
    config = json.loads(path.read_text("utf-8"))
    broken = {name: "\ud800" for name in config if name.endswith("_token")}
    path.write_text(json.dumps(config | broken), encoding="utf-8")
    file = save_packed(build("bert", "token", vocab_size=400), tmp_path / "model", "token").file
    assert Engine(file, threads=1)("Ada lives", aggregation_strategy="first")
