"""Tokens of the kinds that real models have: pieces of words, and bytes with the space before."""

from collections.abc import Callable
from pathlib import Path

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
