"""Everything a run needs, tiny and random: an encoder, its tokenizer, teachers, and data."""

import json
import random
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import datasets
import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from tokenizers.processors import TemplateProcessing
from transformers import (
    BertConfig,
    BertForQuestionAnswering,
    BertForSequenceClassification,
    BertForTokenClassification,
    BertModel,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
)

Kind = Literal[
    "classification",
    "regression",
    "multi-label",
    "reranking",
    "token-classification",
    "question-answering",
]

KINDS: tuple[Kind, ...] = get_args(Kind)
LABELS = ("first", "second", "third")
TAGS = ("O", "B-first", "I-first", "B-second", "I-second")
WORDS = ("[UNK]", "[PAD]", "[CLS]", "[SEP]", *(f"w{i}" for i in range(36)))
TRAIN_EXAMPLES = 16
VALIDATION_EXAMPLES = 12


@dataclass(frozen=True)
class Workspace:
    """A folder with all of it.

    Attributes:
        folder: holds `encoder`, `calm-encoder` (the same without dropout), `teacher-KIND`, and
            for each kind of task a training and a validation set.
    """

    folder: Path

    def recipe(self, kind: Kind = "classification", **changes: Any) -> dict[str, Any]:
        """A recipe of 12 steps, 4 an epoch, with changes to it by dotted path (`__` for a dot)."""
        values: dict[str, Any] = {
            "model": str(self.folder / "encoder"),
            "task": self.task(kind),
            "training": {
                "epochs": 3,
                "batch_size": 4,
                "learning_rate": 1e-2,
                "score_learning_rate": 1.0,
                "log_every": 1,
                "report_to": [],
            },
        }
        for path, value in changes.items():
            *sections, key = path.split("__")
            section = values
            for name in sections:
                section = section.setdefault(name, {})
            section[key] = value
        return values

    def task(self, kind: Kind) -> dict[str, Any]:
        """The task section of a recipe."""
        sets = {
            split: str(self.folder / f"{kind}-{split}.{_ENDINGS.get(kind, 'tsv')}")
            for split in ("train", "validation")
        }
        return {**sets, **_TASKS[kind]}

    def teacher(self, kind: Kind = "classification") -> str:
        """A trained model of the task, or what passes for one."""
        return str(self.folder / f"teacher-{kind}")


_ENDINGS: Mapping[Kind, str] = {
    "multi-label": "jsonl",
    "reranking": "jsonl",
    "question-answering": "json",
    "token-classification": "conll",
}
_TASKS: Mapping[Kind, Mapping[str, Any]] = {
    "classification": {
        "kind": "text-classification",
        "text": "text",
        "label": "label",
        "max_length": 16,
    },
    "regression": {
        "kind": "text-classification",
        "text": "text",
        "label": "label",
        "regression": True,
        "max_length": 16,
    },
    "multi-label": {
        "kind": "text-classification",
        "text": "text",
        "label": "labels",
        "multi_label": True,
        "max_length": 16,
    },
    "reranking": {"kind": "reranking", "max_length": 16},
    # Validation has texts of 14 words: some are cut into windows.
    "token-classification": {"kind": "token-classification", "max_length": 12, "stride": 3},
    "question-answering": {"kind": "question-answering", "max_length": 24, "stride": 4},
}


@pytest.fixture(scope="session")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """A workspace, and a cache of data sets in it in place of the user's."""
    folder = tmp_path_factory.mktemp("workspace")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(datasets.config, "HF_DATASETS_CACHE", folder / "cache")
        yield make_workspace(folder)


def make_workspace(folder: Path) -> Workspace:
    """Writes all files of a workspace."""
    tokenizer = make_tokenizer()
    for name, dropout in (("encoder", 0.1), ("calm-encoder", 0.0)):
        torch.manual_seed(0)
        _save(BertModel(bert_config(dropout)), tokenizer, folder / name)
    torch.manual_seed(1)
    for kind in KINDS:
        _save(make_model(kind), tokenizer, folder / f"teacher-{kind}")
    _write_texts(folder, "classification", lambda place: LABELS[place])
    _write_texts(folder, "regression", lambda place: f"{place / 2}")
    _write_label_sets(folder)
    _write_tokens(folder)
    _write_rankings(folder)
    _write_questions(folder)
    return Workspace(folder)


def bert_config(dropout: float = 0.0, **changes: Any) -> BertConfig:
    """Two layers of 16 units."""
    sizes = {
        "vocab_size": len(WORDS),
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 24,
        "max_position_embeddings": 32,
        "pad_token_id": 1,
        "initializer_range": 0.2,
        "hidden_dropout_prob": dropout,
        "attention_probs_dropout_prob": dropout,
    }
    return BertConfig(**{**sizes, **changes})


def make_model(kind: Kind = "classification", dropout: float = 0.0) -> PreTrainedModel:
    """A random model with the head of a task."""
    if kind == "question-answering":
        return BertForQuestionAnswering(bert_config(dropout))
    if kind == "token-classification":
        tags = dict(enumerate(TAGS))
        label2id = {v: k for k, v in tags.items()}
        return BertForTokenClassification(bert_config(dropout, id2label=tags, label2id=label2id))
    if kind == "reranking":
        one = bert_config(dropout, num_labels=1, problem_type="multi_label_classification")
        return BertForSequenceClassification(one)
    if kind == "regression":
        config = bert_config(dropout, num_labels=1, problem_type="regression")
    else:
        names = dict(enumerate(LABELS))
        config = bert_config(dropout, id2label=names, label2id={v: k for k, v in names.items()})
        if kind == "multi-label":
            config.problem_type = "multi_label_classification"
    return BertForSequenceClassification(config)


def make_tokenizer(
    words: Iterable[str] = WORDS, *, most_tokens: int = 32
) -> PreTrainedTokenizerBase:
    """Word `i` is token `i`; a text is `[CLS] a [SEP]`, a pair `[CLS] a [SEP] b [SEP]`."""
    places = {word: i for i, word in enumerate(words)}
    model = Tokenizer(WordLevel(places, unk_token="[UNK]"))
    model.pre_tokenizer = WhitespaceSplit()
    model.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(token, places[token]) for token in ("[CLS]", "[SEP]")],
    )
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=model,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        model_max_length=most_tokens,
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
    )


def _save(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _write_texts(folder: Path, kind: Kind, label: Any) -> None:
    # Each class has words of its own, so that there is something to learn.
    draw = random.Random(2)
    for split, count in (("train", TRAIN_EXAMPLES), ("validation", VALIDATION_EXAMPLES)):
        lines = ["text\tlabel"]
        for i in range(count):
            place = i % len(LABELS)
            words = [f"w{draw.randrange(12 * place, 12 * place + 12)}" for _ in range(3 + i % 6)]
            lines.append(f"{' '.join(words)}\t{label(place)}")
        (folder / f"{kind}-{split}.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _write_label_sets(folder: Path) -> None:
    # A text has the label of each class whose words are in it; some have none.
    draw = random.Random(4)
    for split, count in (("train", TRAIN_EXAMPLES), ("validation", VALIDATION_EXAMPLES)):
        lines = []
        for i in range(count):
            places = [place for place in range(len(LABELS)) if (i + 1) >> place & 1]
            words = ["[UNK]", *(f"w{12 * p + draw.randrange(12)}" for p in 2 * places)]
            row = {"text": " ".join(words), "labels": [LABELS[place] for place in places]}
            lines.append(json.dumps(row))
        (folder / f"multi-label-{split}.jsonl").write_text("\n".join(lines) + "\n", "utf-8")


def _write_tokens(folder: Path) -> None:
    # Words from w12 on are entities of one kind, those from w24 on of another.
    draw = random.Random(5)
    for split, count in (("train", TRAIN_EXAMPLES), ("validation", VALIDATION_EXAMPLES)):
        texts = []
        for i in range(count):
            length = 3 + i % (8 if split == "train" else 18)
            kinds = [draw.choice(["", "", "first", "second"]) for _ in range(length)]
            kinds[0] = LABELS[i % 2]
            lines, before = [], ""
            for kind in kinds:
                word = draw.randrange(12) + 12 * ["", "first", "second"].index(kind)
                tag = f"{'I' if kind == before else 'B'}-{kind}" if kind else "O"
                lines.append(f"w{word}\t{tag}")
                before = kind
            texts.append("\n".join(lines) + "\n")
        path = folder / f"token-classification-{split}.conll"
        path.write_text("\n".join(texts), encoding="utf-8")


def _write_rankings(folder: Path) -> None:
    # Of the three documents of a query, the one that has its word is relevant.
    draw = random.Random(6)
    for split, count in (("train", TRAIN_EXAMPLES), ("validation", VALIDATION_EXAMPLES)):
        lines = []
        for i in range(count):
            words = [f"w{draw.randrange(36)}" for _ in range(2 + i % 4)]
            row = {"query": f"w{i // 3}", "document": " ".join(words), "label": int(i % 3 == 0)}
            if row["label"]:
                row["document"] = f"{row['query']} {row['document']}"
            lines.append(json.dumps(row))
        (folder / f"reranking-{split}.jsonl").write_text("\n".join(lines) + "\n", "utf-8")


def _write_questions(folder: Path) -> None:
    draw = random.Random(3)
    for split, count in (("train", TRAIN_EXAMPLES), ("validation", VALIDATION_EXAMPLES)):
        paragraphs = []
        for i in range(count):
            words = [f"w{draw.randrange(36)}" for _ in range(10)]
            answer = words[i % 10]
            start = len(" ".join([*words[: i % 10], ""]))
            question = {
                "id": f"{split}-{i}",
                "question": f"{answer} w1",
                "answers": [{"text": answer, "answer_start": start}],
            }
            paragraphs.append({"context": " ".join(words), "qas": [question]})
        content = {"version": "1.1", "data": [{"title": "all", "paragraphs": paragraphs}]}
        (folder / f"question-answering-{split}.json").write_text(json.dumps(content))
