"""Tiny models of each architecture and head with a tokenizer of each kind, packed and unpacked."""

import copy
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer, decoders, normalizers, pre_tokenizers, processors, trainers
from tokenizers import models as backends
from transformers import PreTrainedTokenizerBase

from fineprune import Engine, pack, read_packed, unpack
from fineprune.text.fast import FastTokenizer
from tests.conformance.texts import CORPUS
from tests.engine.zoo import CLASSES, initial

POSITIONS = 48
_VOCABULARY = 420

_BERT = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
_ROBERTA = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")


def _word_pieces() -> Tokenizer:
    made = Tokenizer(backends.WordPiece(unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer(lowercase=True)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.decoder = decoders.WordPiece()
    trainer = trainers.WordPieceTrainer(
        vocab_size=_VOCABULARY - 20, special_tokens=list(_BERT), show_progress=False
    )
    made.train_from_iterator(CORPUS, trainer)
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    return made


def _byte_pairs() -> Tokenizer:
    made = Tokenizer(backends.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=_VOCABULARY - 20,
        special_tokens=list(_ROBERTA),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    made.train_from_iterator(CORPUS, trainer)
    made.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    return made


def _unigram() -> Tokenizer:
    made = Tokenizer(backends.Unigram())
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.WhitespaceSplit(),
            pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always"),
        ]
    )
    made.decoder = decoders.Metaspace(replacement="▁", prepend_scheme="always")
    trainer = trainers.UnigramTrainer(
        vocab_size=300, special_tokens=list(_ROBERTA), unk_token="<unk>", show_progress=False
    )
    made.train_from_iterator(CORPUS, trainer)
    made.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>",
        pair="<s> $A </s> </s> $B </s>",
        special_tokens=[("<s>", 0), ("</s>", 2)],
    )
    return made


@dataclass(frozen=True)
class Kind:
    """A kind of tokenizer.

    Attributes:
        make: trains one.
        special: its special tokens: padding, unknown, first, last, masked.
        of: the class of transformers that such tokenizers have.
    """

    make: Callable[[], Tokenizer]
    special: tuple[str, str, str, str, str]
    of: str


KINDS: Mapping[str, Kind] = {
    "wordpiece": Kind(_word_pieces, _BERT, "BertTokenizer"),
    "byte-level": Kind(
        _byte_pairs, ("<pad>", "<unk>", "<s>", "</s>", "<mask>"), "RobertaTokenizer"
    ),
    "unigram": Kind(_unigram, ("<pad>", "<unk>", "<s>", "</s>", "<mask>"), "XLMRobertaTokenizer"),
}

_FILES: dict[str, str] = {}


def tokenizer_files(kind: str, **settings: Any) -> dict[str, str]:
    """`tokenizer.json` and its configuration, in which the settings stand (none for null)."""
    if kind not in _FILES:
        _FILES[kind] = KINDS[kind].make().to_str()
    padding, unknown, first, last, mask = KINDS[kind].special
    config: dict[str, Any] = {
        "tokenizer_class": KINDS[kind].of,
        "pad_token": padding,
        "unk_token": unknown,
        "cls_token": first,
        "sep_token": last,
        "mask_token": mask,
        **settings,
    }
    if KINDS[kind].special[2] == "<s>":
        config |= {"bos_token": first, "eos_token": last}
    written = {key: value for key, value in config.items() if value is not None}
    return {"tokenizer.json": _FILES[kind], "tokenizer_config.json": json.dumps(written)}


LABELS = {0: "O", 1: "B-PER", 2: "I-PER"}


@dataclass(frozen=True)
class Pair:
    """A packed model, and what it unpacks to.

    Attributes:
        file: packed.
        folder: unpacked.
        head: one of `HEADS`.
    """

    file: Path
    folder: Path
    head: str

    @cached_property
    def engine(self) -> Engine:
        return Engine(self.file, threads=1)

    @cached_property
    def fast(self) -> FastTokenizer:
        """What the engine reads texts with."""
        packed = read_packed(self.file, tensors=())
        return FastTokenizer.read(packed.attachments, packed.config["model_type"])

    @cached_property
    def model(self) -> Any:
        return CLASSES[self.head].from_pretrained(self.folder).eval()

    @cached_property
    def exact_model(self) -> Any:
        """The same in double precision."""
        return copy.deepcopy(self.model).double()

    @cached_property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        found: PreTrainedTokenizerBase = transformers.AutoTokenizer.from_pretrained(self.folder)
        return found

    @property
    def longest(self) -> int:
        return min(self.tokenizer.model_max_length, POSITIONS)


def make_pair(
    folder: Path,
    architecture: str,
    head: str,
    kind: str,
    files: Mapping[str, str] | None = None,
    config: Mapping[str, Any] | None = None,
    **settings: Any,
) -> Pair:
    """A random model, packed and unpacked.

    Args:
        folder: to work in.
        architecture: one of `ARCHITECTURES`.
        head: one of `HEADS`.
        kind: of the tokenizer.
        files: further ones beside the model.
        config: of the model, beside what all of these have.
        **settings: of the tokenizer.
    """
    sizes = {"vocab_size": _VOCABULARY, "max_position_embeddings": POSITIONS}
    labels = {} if head == "question" else {"id2label": LABELS}
    model = initial(architecture, head, **{**sizes, **labels, **(config or {})})
    # So that every token tells: another one gives other logits and embeddings.
    for name, parameter in model.named_parameters():
        is_scale = name.lower().endswith("norm.weight")
        torch.nn.init.normal_(parameter, mean=float(is_scale), std=1.0 if "word" in name else 0.3)
    source = folder / "source"
    model.save_pretrained(source)
    for name, content in {**tokenizer_files(kind, **settings), **(files or {})}.items():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(content, encoding="utf-8")
    pack(source, folder / "packed")
    unpack(folder / "packed", folder / "plain")
    return Pair(folder / "packed", folder / "plain", head)
