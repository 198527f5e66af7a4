"""What each task of the GLUE benchmark is.

Columns, label names and their order, and splits are those of the data set `nyu-mll/glue` on the
hub; metrics are those of the benchmark (Wang et al. 2019, "GLUE: A Multi-Task Benchmark and
Analysis Platform for Natural Language Understanding", table 1), the one named first is the
headline.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from fineprune.tasks.classification.targets import Classes, Quantity, Target
from fineprune.tasks.data import Sources, Splits, TableSource

HUB_NAME: Final = "nyu-mll/glue"
LABEL: Final = "label"


@dataclass(frozen=True)
class GlueTask:
    """One task of GLUE.

    Attributes:
        text: the column, or the two columns, that hold the text.
        labels: names of the classes in their order; none where the task is a regression.
        metrics: what its predictions are scored with.
        train: split to train on; none where the task is a diagnostic set only.
        validation: names of the evaluation sets, to splits.
        test: the same for the test sets, whose labels the hub hides.
    """

    text: tuple[str, ...]
    labels: tuple[str, ...]
    metrics: tuple[str, ...]
    train: str | None = "train"
    validation: Mapping[str, str] = field(default_factory=lambda: {"": "validation"})
    test: Mapping[str, str] = field(default_factory=lambda: {"": "test"})

    @property
    def target(self) -> Target:
        """What is predicted; labels in files may be names or, as on the hub, their places."""
        if not self.labels:
            return Quantity(self.metrics)
        return Classes(self.labels, self.metrics, by_index=True)


_SENTENCES = ("sentence1", "sentence2")
_INFERENCE = ("entailment", "neutral", "contradiction")

GLUE: Final[Mapping[str, GlueTask]] = {
    "cola": GlueTask(("sentence",), ("unacceptable", "acceptable"), ("matthews_correlation",)),
    "sst2": GlueTask(("sentence",), ("negative", "positive"), ("accuracy",)),
    "mrpc": GlueTask(_SENTENCES, ("not_equivalent", "equivalent"), ("accuracy", "f1")),
    "qqp": GlueTask(("question1", "question2"), ("not_duplicate", "duplicate"), ("accuracy", "f1")),
    "stsb": GlueTask(_SENTENCES, (), ("pearson", "spearman")),
    "mnli": GlueTask(
        ("premise", "hypothesis"),
        _INFERENCE,
        ("accuracy",),
        validation={"matched": "validation_matched", "mismatched": "validation_mismatched"},
        test={"matched": "test_matched", "mismatched": "test_mismatched"},
    ),
    "qnli": GlueTask(("question", "sentence"), ("entailment", "not_entailment"), ("accuracy",)),
    "rte": GlueTask(_SENTENCES, ("entailment", "not_entailment"), ("accuracy",)),
    "wnli": GlueTask(_SENTENCES, ("not_entailment", "entailment"), ("accuracy",)),
    # The diagnostic set: examined with a model that was trained on MNLI.
    "ax": GlueTask(
        ("premise", "hypothesis"),
        _INFERENCE,
        ("matthews_correlation",),
        train=None,
        validation={},
    ),
}


def glue_name(spelling: str) -> str:
    """The name as the table has it; the papers' spellings (`SST-2`, `CoLA`) are accepted.

    Raises:
        ValueError: GLUE has no such task.
    """
    name = spelling.lower().replace("-", "")
    if name not in GLUE:
        raise ValueError(f"{spelling!r} is not a task of GLUE; its tasks are {', '.join(GLUE)}")
    return name


def hub_splits(name: str) -> Splits:
    """The splits of a GLUE task on the hub."""
    task = GLUE[name]

    def sources(split: str) -> Sources:
        return (TableSource(path=HUB_NAME, config=name, split=split),)

    return Splits(
        train=sources(task.train) if task.train else (),
        validation={name: sources(split) for name, split in task.validation.items()},
        test={name: sources(split) for name, split in task.test.items()},
    )
