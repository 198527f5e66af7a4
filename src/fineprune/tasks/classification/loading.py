"""From settings to a task: every file is read and checked here."""

from itertools import chain

import numpy as np

from fineprune.errors import DataError
from fineprune.tasks.base import Split
from fineprune.tasks.classification.examples import Examples, labelled, perhaps_labelled
from fineprune.tasks.classification.glue import GLUE
from fineprune.tasks.classification.labels import class_names, with_whole_labels
from fineprune.tasks.classification.settings import ClassificationSettings
from fineprune.tasks.classification.targets import Classes, Quantity, Target
from fineprune.tasks.classification.task import Classification
from fineprune.tasks.data import (
    BrokenRow,
    Sources,
    Table,
    notes_on_dropped,
    read,
    refuse,
    with_default_splits,
)
from fineprune.wording import listed


def load_classification(settings: ClassificationSettings) -> Classification:
    """Reads and checks all data that the settings name.

    Raises:
        DataError: data are missing, malformed, or do not fit the settings.
    """
    broken: list[BrokenRow] = []
    on_broken = refuse if settings.broken_rows == "refuse" else broken.append
    columns = settings.columns
    notes_on_tables: list[str] = []

    def tables(sources: Sources, target: Target | None) -> list[Table]:
        found = [read(source, columns.all, on_broken) for source in sources]
        if not isinstance(target, Quantity):
            known = target.known if isinstance(target, Classes) else ()
            found = [with_whole_labels(table, columns.label, known) for table in found]
        notes_on_tables.extend(note for table in found for note in table.notes)
        return found

    splits = with_default_splits(settings.splits)
    target = _given_target(settings)
    train_tables = tables(splits.train, target)
    target = target or Classes(class_names(train_tables, columns.label))
    train = labelled(train_tables, columns, target, on_broken) if train_tables else None
    evaluation: dict[Split, dict[str, Examples]] = {
        "validation": {
            name: labelled(tables(sources, target), columns, target, on_broken)
            for name, sources in splits.validation.items()
        },
        "test": {
            name: perhaps_labelled(tables(sources, target), columns, target, on_broken)
            for name, sources in splits.test.items()
        },
    }
    notes = [*notes_on_tables, *notes_on_dropped(broken), *_notes_on_training(train, target)]
    for examples in chain([train] if train else [], *(s.values() for s in evaluation.values())):
        notes.extend(examples.notes)
    return Classification(target, settings.max_length, train, evaluation, tuple(notes))


def _given_target(settings: ClassificationSettings) -> Target | None:
    """What is predicted; none where the classes are to be learned from the training set."""
    if settings.glue is not None:
        return GLUE[settings.glue].target
    if settings.regression:
        return Quantity()
    return Classes(settings.labels) if settings.labels else None


def _notes_on_training(train: Examples | None, target: Target) -> tuple[str, ...]:
    """What looks wrong with the labels that are trained on.

    Raises:
        DataError: they are all the same.
    """
    if train is None or train.labels is None:
        return ()
    if np.ptp(train.labels) == 0:
        raise DataError(
            f"{train.source}: all {len(train)} examples have the same label, "
            "and at least two are needed to learn from"
        )
    absent = target.absent(train.labels)
    return (f"{train.source}: no example has the label {listed(absent)}",) if absent else ()
