"""The sources that each split of a task is read from."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from fineprune.tasks.data.arrow import split_names
from fineprune.tasks.data.source import TableSource

Sources: TypeAlias = tuple[TableSource, ...]
"""Sources that are read one after the other, as one set."""


@dataclass(frozen=True)
class Splits:
    """The sources of a task.

    Attributes:
        train: none where the task is only evaluated.
        validation: evaluation sets by name, `""` where there is one.
        test: the same, for the test.
    """

    train: Sources = ()
    validation: Mapping[str, Sources] = field(default_factory=dict)
    test: Mapping[str, Sources] = field(default_factory=dict)


def with_default_splits(splits: Splits) -> Splits:
    """Fills in splits from the names that data sets give theirs.

    A data set without a split is read from the one named after its use. A task that is trained on
    one data set, and names no validation or test data, uses those of that data set, if it has any.

    Raises:
        DataError: the data set cannot be loaded.
    """
    validation, test = splits.validation, splits.test
    if len(splits.train) == 1 and not splits.train[0].is_file and not (validation and test):
        own = _own_splits(splits.train[0])
        validation, test = validation or own.validation, test or own.test
    return Splits(
        train=_in_split(splits.train, "train"),
        validation={name: _in_split(sources, "validation") for name, sources in validation.items()},
        test={name: _in_split(sources, "test") for name, sources in test.items()},
    )


def _own_splits(dataset: TableSource) -> Splits:
    own = {split: {"": (replace(dataset, split=split),)} for split in split_names(dataset)}
    return Splits(validation=own.get("validation", {}), test=own.get("test", {}))


def _in_split(sources: Sources, split: str) -> Sources:
    return tuple(
        source if source.is_file or source.split else replace(source, split=split)
        for source in sources
    )
