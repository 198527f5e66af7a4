"""The table of GLUE tasks."""

import pytest

from fineprune.tasks.classification.glue import GLUE, glue_name, hub_splits
from fineprune.tasks.classification.targets import Classes, Quantity
from fineprune.tasks.data import TableSource


def test_every_task_is_there() -> None:
    assert set(GLUE) == {
        *("cola", "sst2", "mrpc", "qqp", "stsb", "mnli", "qnli", "rte", "wnli", "ax")
    }


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("cola", ("unacceptable", "acceptable")),
        ("sst2", ("negative", "positive")),
        ("mrpc", ("not_equivalent", "equivalent")),
        ("qqp", ("not_duplicate", "duplicate")),
        ("mnli", ("entailment", "neutral", "contradiction")),
        ("ax", ("entailment", "neutral", "contradiction")),
        ("qnli", ("entailment", "not_entailment")),
        ("rte", ("entailment", "not_entailment")),
        ("wnli", ("not_entailment", "entailment")),
    ],
)
def test_labels_are_in_the_order_of_the_hub(name: str, labels: tuple[str, ...]) -> None:
    target = GLUE[name].target
    assert isinstance(target, Classes)
    assert target.names == labels
    for place, label in enumerate(labels):
        assert target.encode(label) == target.encode(place) == target.encode(str(place)) == place


def test_stsb_is_a_regression() -> None:
    assert GLUE["stsb"].target == Quantity(("pearson", "spearman"))


@pytest.mark.parametrize(
    ("name", "metrics"),
    [
        ("cola", ("matthews_correlation",)),
        ("ax", ("matthews_correlation",)),
        ("mrpc", ("accuracy", "f1")),
        ("qqp", ("accuracy", "f1")),
        *((name, ("accuracy",)) for name in ("sst2", "mnli", "qnli", "rte", "wnli")),
    ],
)
def test_metrics(name: str, metrics: tuple[str, ...]) -> None:
    assert GLUE[name].metrics == metrics


@pytest.mark.parametrize(
    ("spelling", "name"), [("SST-2", "sst2"), ("CoLA", "cola"), ("STS-B", "stsb"), ("ax", "ax")]
)
def test_spellings(spelling: str, name: str) -> None:
    assert glue_name(spelling) == name


@pytest.mark.parametrize("name", ["mnli-mm", "sst", "", "imdb"])
def test_names_that_are_none(name: str) -> None:
    with pytest.raises(ValueError, match="cola, sst2, mrpc, qqp, stsb, mnli, qnli, rte, wnli, ax"):
        glue_name(name)


def test_the_splits_of_mnli() -> None:
    splits = hub_splits("mnli")

    def source(split: str) -> tuple[TableSource, ...]:
        return (TableSource(path="nyu-mll/glue", config="mnli", split=split),)

    assert splits.train == source("train")
    assert splits.validation == {
        "matched": source("validation_matched"),
        "mismatched": source("validation_mismatched"),
    }
    assert splits.test == {
        "matched": source("test_matched"),
        "mismatched": source("test_mismatched"),
    }


def test_the_diagnostic_set_is_for_testing_only() -> None:
    splits = hub_splits("ax")
    assert splits.train == ()
    assert splits.validation == {}
    assert splits.test == {"": (TableSource(path="nyu-mll/glue", config="ax", split="test"),)}
