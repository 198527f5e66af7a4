"""What is said of a model beside it: a card, as hubs expect it in `README.md`."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub import EvalResult, ModelCard, ModelCardData

from fineprune.packing import PackedModel, read_packed
from fineprune.packing.places import FILENAME, packed_file
from fineprune.packing.told import CONFIG, METRICS, RECIPE, content_of, json_object, yaml_mapping

CARD = "README.md"

_TASKS = {
    "ForSequenceClassification": ("text-classification", "AutoModelForSequenceClassification"),
    "ForTokenClassification": ("token-classification", "AutoModelForTokenClassification"),
    "ForQuestionAnswering": ("question-answering", "AutoModelForQuestionAnswering"),
    "Model": ("sentence-similarity", "AutoModel"),
}
_RERANKING = "reranking", "text-ranking"
"""What recipes and hubs call a task of models that look like classifiers."""

_HUB_NAME = re.compile(r"[\w.-]+(/[\w.-]+)?")
_LONGEST_CHAIN = 10  # of runs that each began with the one before

_BODY = """
# {name}

{what}. Its weights were pruned by fineprune.

## Figures

| | |
|---|---|
{figures}

## How to run it

{how}

## How it was made

{made}

## Limits

{limits}
"""

_PACKED = """Without PyTorch, on an ordinary CPU (`pip install fineprune`):

```python
from fineprune import Engine

engine = Engine.from_pretrained("{name}")
{call}
```

With PyTorch (`pip install "fineprune[train]"`): `fineprune.load` makes a module of the file."""

_CALLS = {
    "question-answering": 'engine(question="...", context="...")',
    "sentence-similarity": 'engine.encode(["..."])',
    "text-ranking": 'engine.rank("a query", ["a document", "another one"])',
}
"""How a packed model is asked, by the hub's name of what it does."""

_FOLDER = """
Or with transformers, after `import fineprune.huggingface`: `{auto}.from_pretrained("{name}")`."""

_PLAIN = """With PyTorch and transformers, as any other model:

```python
from transformers import {auto}, AutoTokenizer

model = {auto}.from_pretrained("{name}")
tokenizer = AutoTokenizer.from_pretrained("{name}")
```

Without PyTorch, small and fast: pack it first, on the command line.

```console
$ pip install fineprune
$ fineprune pack FOLDER {file}
$ fineprune predict {file} {question}
```"""


@dataclass(frozen=True)
class Facts:
    """What a card is made of.

    Attributes:
        name: of the model.
        config: the Hugging Face config.
        recipe: that it was trained with; empty if there is none.
        recorded: content of `metrics.json`; empty if there is none.
        provenance: kept and prunable weights, and bits if it is packed.
        size: bytes of its weights' file.
    """

    name: str
    config: Mapping[str, Any]
    recipe: Mapping[str, Any]
    recorded: Mapping[str, Any]
    provenance: Mapping[str, Any]
    size: int

    @property
    def architecture(self) -> str:
        """The model's class; empty if the config names none."""
        names = self.config.get("architectures")
        return str(names[0]) if isinstance(names, list) and names else ""

    @property
    def task(self) -> tuple[str, str]:
        """The hub's name of what it does, and the class that loads it; empty if not known."""
        known = (task for end, task in _TASKS.items() if self.architecture.endswith(end))
        name, auto = next(known, ("", "AutoModel"))
        task = self.recipe.get("task")
        kind = task.get("kind") if isinstance(task, dict) else None
        return (_RERANKING[1] if name and kind == _RERANKING[0] else name), auto

    @property
    def metrics(self) -> dict[str, float]:
        """The task's metrics."""
        found = self.recorded.get("metrics")
        values = found.items() if isinstance(found, dict) else ()
        return {str(name): value for name, value in values if isinstance(value, int | float)}


def model_card(packed: PackedModel, name: str, size: int, *, folder: bool = False) -> str:
    """The card of a packed model, as a Markdown file with its header.

    Args:
        packed: the model; its tensors are not needed.
        name: of the repository, or the folder.
        size: of the file in bytes.
        folder: whether config and tokenizer lie beside the file, so that transformers loads it.
    """
    facts = Facts(
        name=name,
        config=packed.config,
        recipe=yaml_mapping(packed.attachments.get(RECIPE)),
        recorded=json_object(packed.attachments.get(METRICS)),
        provenance=packed.provenance,
        size=size,
    )
    how = _PACKED.format(name=name, call=_CALLS.get(facts.task[0], 'engine("...")'))
    if folder:
        how += _FOLDER.format(name=name, auto=facts.task[1])
    return _card(facts, how, "fineprune", [*_rounded(facts), *_limits(facts)])


def write_card_of_packed(folder: Path, name: str) -> None:
    """Writes the card of the packed file in a folder beside it.

    Args:
        folder: with one packed file.
        name: that the folder will have.

    Raises:
        PackedFileError: the folder holds no packed file, or several, or a damaged one.
    """
    file = packed_file(folder)
    packed = read_packed(file, tensors=())
    card = model_card(packed, name, file.stat().st_size, folder=True)
    (folder / CARD).write_text(card, encoding="utf-8")


def write_card_of_plain(folder: Path, name: str, kept: int, prunable: int) -> None:
    """Writes the card of a finalized model into its folder.

    Args:
        folder: config, weights, and what its run recorded.
        name: that the folder will have.
        kept: weights that are not zero.
        prunable: weights that could have been pruned.
    """
    facts = Facts(
        name=name,
        config=json_object(content_of(folder / CONFIG)),
        recipe=yaml_mapping(content_of(folder / RECIPE)),
        recorded=json_object(content_of(folder / METRICS)),
        provenance={"kept": kept, "prunable": prunable},
        size=sum(path.stat().st_size for path in folder.glob("*.safetensors")),
    )
    question = '"A question" --context "..."' if "question" in facts.task[0] else '"A text."'
    how = _PLAIN.format(name=name, auto=facts.task[1], file=FILENAME, question=question)
    zeros = (
        "It is as large, and in PyTorch as slow, as a dense model: zeros are stored, and "
        "multiplied with, like all other weights."
    )
    card = _card(facts, how, "transformers", [zeros, *_limits(facts)])
    (folder / CARD).write_text(card, encoding="utf-8")


def _card(facts: Facts, how: str, library: str, limits: list[str]) -> str:
    results = list(_results(facts))
    data = ModelCardData(
        model_name=facts.name if results else None,
        library_name=library,
        tags=["fineprune", "pruning"],
        pipeline_tag=facts.task[0] or None,
        base_model=base_model(facts.recipe),
        eval_results=results or None,
    )
    body = _BODY.format(
        name=facts.name,
        what=f"A {facts.architecture}" if facts.architecture else "A transformer encoder",
        figures="\n".join(f"| {name} | {value} |" for name, value in _figures(facts)),
        how=how,
        made="\n".join(f"- {line}" for line in _made(facts)),
        limits="\n".join(f"- {line}" for line in limits),
    )
    return str(ModelCard(f"---\n{data.to_yaml()}\n---\n{body}"))


def _results(facts: Facts) -> Iterator[EvalResult]:
    """Metrics, in the form that hubs show."""
    if not facts.task[0]:
        return
    for name, value in facts.metrics.items():
        yield EvalResult(
            task_type=facts.task[0],
            dataset_type="local",
            dataset_name="validation data of its recipe",
            dataset_split="validation",
            metric_type=name,
            metric_value=value,
        )


def _figures(facts: Facts) -> Iterator[tuple[str, str]]:
    kept, prunable = (facts.provenance.get(name) for name in ("kept", "prunable"))
    if isinstance(kept, int) and isinstance(prunable, int) and prunable > 0:
        yield "weights kept", f"{kept / prunable:.2%} ({kept:,} of {prunable:,})"
    yield "file", f"{facts.size:,} bytes"
    if (bits := facts.provenance.get("bits")) is not None:
        yield "bits of layers / embeddings", f"{bits} / {facts.provenance.get('embedding_bits')}"
    examples = facts.recorded.get("examples")
    of = f", {examples:,} examples" if isinstance(examples, int) else ""
    for name, value in facts.metrics.items():
        yield f"{name} (validation{of})", f"{value:.4g}"


def _made(facts: Facts) -> Iterator[str]:
    """What the recipe tells; paths on somebody's machine are named as they are."""
    if not facts.recipe:
        yield "No recipe came with it."
        return
    yield f"Trained from `{facts.recipe.get('model')}`."
    if teacher := facts.recipe.get("teacher"):
        yield f"Its teacher was `{teacher}`."
    pruning = facts.recipe.get("pruning")
    method = pruning.get("method") if isinstance(pruning, dict) else None
    if isinstance(method, dict):
        settings = ", ".join(f"{key} {value}" for key, value in method.items() if key != "name")
        yield f"Pruned by {method.get('name')}: {settings}."
    training = facts.recipe.get("training")
    if isinstance(training, dict) and isinstance(training.get("epochs"), int | float):
        yield f"{training['epochs']:g} epochs, learning rate {training.get('learning_rate')}."


def _rounded(facts: Facts) -> Iterator[str]:
    if facts.metrics:
        yield (
            "The metrics are those of the weights before they were rounded for this file; "
            "`fineprune evaluate` measures the file."
        )


def _limits(facts: Facts) -> Iterator[str]:
    task = facts.recipe.get("task")
    longest = task.get("max_length") if isinstance(task, dict) else None
    if isinstance(longest, int):
        yield f"It was trained on texts of at most {longest} tokens."
    yield "What its base model has learned of people and languages, biases included, is in it."
    yield "It was measured on data like those it was trained on; on others it may do worse."


def base_model(recipe: Mapping[str, Any]) -> str | None:
    """The model on a hub that a recipe's runs go back to; None where that is not certain.

    Runs that lie on this machine are followed. A name that is the teacher's as well is most
    likely that of a run on another machine.

    Args:
        recipe: of the last run.
    """
    model = recipe.get("model")
    for _ in range(_LONGEST_CHAIN):
        earlier = yaml_mapping(content_of(Path(str(model)) / RECIPE))
        if not earlier:
            break
        recipe, model = earlier, earlier.get("model")
    is_name = isinstance(model, str) and _HUB_NAME.fullmatch(model) and not Path(model).exists()
    return str(model) if is_name and model != recipe.get("teacher") else None
