"""From settings to a task: every file is read and checked here."""

from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from typing import TypeAlias

import numpy as np

from fineprune.errors import DataError
from fineprune.tasks.base import Split
from fineprune.tasks.classification.examples import Columns, Examples, labelled, perhaps_labelled
from fineprune.tasks.classification.glue import GLUE
from fineprune.tasks.classification.labels import (
    class_names,
    names_of_label_sets,
    with_joined_labels,
    with_whole_labels,
    without_fraction,
)
from fineprune.tasks.classification.settings import ClassificationSettings
from fineprune.tasks.classification.targets import Classes, LabelSet, Quantity, Target
from fineprune.tasks.classification.task import Classification
from fineprune.tasks.data import (
    BrokenRow,
    OnBroken,
    Sources,
    Table,
    notes_on_dropped,
    read,
    refuse,
    with_default_splits,
)
from fineprune.wording import listed

_MakeExamples: TypeAlias = Callable[[Sequence[Table], Columns, Target, OnBroken], Examples]


def load_classification(
    settings: ClassificationSettings, *, only: Split | None = None, labels: Sequence[str] = ()
) -> Classification:
    """Reads and checks the data that the settings name.

    Args:
        settings: the `task:` section of a recipe.
        only: the one split to read; None for all that there are, and the training set.
        labels: names of the classes, where the settings do not name them and `only` is given.

    Raises:
        DataError: data are missing, malformed, or do not fit the settings.
    """
    reader = _Reader(settings)
    splits = with_default_splits(settings.splits)
    target = _given_target(settings)
    if target is None and only is not None and labels:
        target = _target_of(settings, labels)
    train = None
    if only is None or target is None:
        tables = reader.tables(splits.train, target)
        target = target or _target_of(settings, _names_in(tables, settings))
        if only is None and tables:
            train = labelled(tables, settings.columns, target, reader.on_broken)
    sources: Mapping[Split, tuple[Mapping[str, Sources], _MakeExamples]] = {
        "validation": (splits.validation, labelled),
        "test": (splits.test, perhaps_labelled),
    }
    evaluation: dict[Split, dict[str, Examples]] = {
        split: reader.sets(named, target, examples)
        for split, (named, examples) in sources.items()
        if only in (None, split)
    }
    notes = [*reader.notes(), *_notes_on_training(train, target)]
    for examples in chain([train] if train else [], *(s.values() for s in evaluation.values())):
        notes.extend(examples.notes)
    return Classification(target, settings.max_length, train, evaluation, tuple(notes))


class _Reader:
    """Reads sources as the settings say, and keeps what there is to say of them."""

    def __init__(self, settings: ClassificationSettings) -> None:
        self.columns = settings.columns
        self._several = settings.multi_label
        self._broken: list[BrokenRow] = []
        self._notes: list[str] = []
        self.on_broken = refuse if settings.broken_rows == "refuse" else self._broken.append

    def tables(self, sources: Sources, target: Target | None) -> list[Table]:
        """One table a source, for a target that may yet have to be learned from them."""
        found = [read(source, self.columns.all, self.on_broken) for source in sources]
        if len(self.columns.labels) > 1:
            joined = self.columns.labels, self.columns.label
            found = [with_joined_labels(table, *joined) for table in found]
        elif not (self._several or isinstance(target, Quantity)):
            known = target.known if isinstance(target, Classes) else ()
            found = [with_whole_labels(table, self.columns.label, known) for table in found]
        self._notes += [note for table in found for note in table.notes]
        return found

    def sets(
        self, named: Mapping[str, Sources], target: Target, examples: _MakeExamples
    ) -> dict[str, Examples]:
        """Sets to evaluate on, by name."""
        return {
            name: examples(self.tables(sources, target), self.columns, target, self.on_broken)
            for name, sources in named.items()
        }

    def notes(self) -> list[str]:
        """What looks wrong in the files, each once, and which rows were left out."""
        return [*dict.fromkeys(self._notes), *notes_on_dropped(self._broken)]


def _given_target(settings: ClassificationSettings) -> Target | None:
    """What is predicted; none where the classes are to be learned from the training set."""
    if settings.glue is not None:
        return GLUE[settings.glue].target
    if settings.regression:
        return Quantity()
    return _target_of(settings, settings.labels) if settings.labels else None


def _target_of(settings: ClassificationSettings, names: Sequence[str]) -> Target:
    """What is predicted, with these names of classes."""
    if settings.multi_label:
        return LabelSet(tuple(names), settings.threshold or LabelSet.threshold)
    return Classes(tuple(names))


def _names_in(tables: Sequence[Table], settings: ClassificationSettings) -> tuple[str, ...]:
    if settings.multi_label:
        return names_of_label_sets(tables, settings.columns.labels)
    return class_names(tables, settings.columns.label)


def _notes_on_training(train: Examples | None, target: Target) -> tuple[str, ...]:
    """What looks wrong with the labels that are trained on.

    Raises:
        DataError: they are all the same.
    """
    if train is None or train.labels is None:
        return ()
    if not np.ptp(train.labels, axis=0).any():
        raise DataError(
            f"{train.source}: all {len(train)} examples have the same label, "
            "and at least two are needed to learn from"
        )
    notes = []
    if absent := target.absent(train.labels):
        notes.append(f"{train.source}: no example has the label {listed(absent)}")
    names = set(target.names) if isinstance(target, Classes) else set()
    for name in sorted(names):
        if (whole := without_fraction(name)) != name and whole in names:
            notes.append(f"{train.source}: {name!r} and {whole!r} are different labels")
    return tuple(notes)
