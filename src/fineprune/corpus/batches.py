"""Batches of a table through an engine, whatever library holds them."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from fineprune.corpus.answers import Answer, Answerer
from fineprune.corpus.columns import Columns, Vector
from fineprune.corpus.rows import row_of
from fineprune.engine import Engine
from fineprune.engine.errors import InputError
from fineprune.engine.native import Precision
from fineprune.wording import listed


@final
class BatchPredictor:
    """Answers batches, each in columns beside those that it has.

    Made for `ray.data.Dataset.map_batches`, which keeps one in each of its actors. A batch is a
    dictionary of arrays, a DataFrame of pandas or a Table of pyarrow; its answers are the same.

    Args:
        model: a packed file that each machine can read, or the name of a repository on the hub.
        column: that holds texts, or questions.
        pair_column: that holds the second texts of pairs, or contexts.
        context: what all questions are about.
        prefix: before the names of the new columns, so that they differ from the old ones.
        threads: of the engine: as many CPUs as each actor is given.
        precision: of the engine.
        **options: of the task's own call, such as `top_k` or `prompt_name`.

    Attributes:
        columns: what a batch gains. A row that cannot be answered has its reason in `error`, and
            no value in the others: None, or NaN where all values are numbers.

    Raises:
        InputError: the model does not take such rows, or its task has no such option.
        FinepruneError: as `Engine.from_pretrained`.
    """

    def __init__(
        self,
        model: str | Path,
        *,
        column: str = "text",
        pair_column: str | None = None,
        context: str | None = None,
        prefix: str = "",
        threads: int | None = None,
        precision: Precision = "float32",
        **options: Any,
    ) -> None:
        engine = Engine.from_pretrained(model, threads=threads, precision=precision)
        self._names = (column,) if pair_column is None else (column, pair_column)
        self._answerer = Answerer(
            engine, pairs=pair_column is not None, context=context, options=options
        )
        self._prefix = prefix
        self.columns: Columns = {
            f"{prefix}{name}": kind for name, kind in self._answerer.columns.items()
        }

    def __call__(self, batch: Any) -> Any:
        """The batch with its answers.

        Raises:
            InputError: the batch lacks a column of texts, or has one that is to be added.
        """
        table = _table_of(batch)
        found = table.names
        for name in self._names:
            if name not in found:
                raise InputError(f"the batch has no column {name!r}, only {listed(found)}")
        taken = [name for name in self.columns if name in found]
        if taken:
            raise InputError(
                f"the batch has {listed(taken)} already; give a prefix to the answers' columns"
            )
        return table.with_columns(self.columns, self.answers([table[name] for name in self._names]))

    def answers(self, texts: Sequence[Iterable[Any]]) -> list[Answer]:
        """Answers by the names of `columns`, one for each row.

        Args:
            texts: the values of one column, or of two.
        """
        rows = [
            row_of(number, self._names, values)
            for number, values in enumerate(zip(*texts, strict=True), 1)
        ]
        return [
            {f"{self._prefix}{name}": value for name, value in answer.items()}
            for answer in self._answerer(rows)
        ]


class _Table(ABC):
    """A batch, as each library has it."""

    def __init__(self, batch: Any) -> None:
        self.batch = batch

    @property
    @abstractmethod
    def names(self) -> list[str]:
        """Of its columns."""

    @abstractmethod
    def __getitem__(self, name: str) -> Iterable[Any]:
        """Values of one column."""

    @abstractmethod
    def with_columns(self, columns: Columns, answers: Sequence[Answer]) -> Any:
        """The batch with answers beside what it has."""


@final
class _Arrays(_Table):
    """A dictionary of NumPy's arrays."""

    @property
    def names(self) -> list[str]:
        return list(self.batch)

    def __getitem__(self, name: str) -> Iterable[Any]:
        values: Iterable[Any] = self.batch[name]
        return values

    def with_columns(self, columns: Columns, answers: Sequence[Answer]) -> dict[str, Any]:
        return {**self.batch, **array_columns(columns, answers)}


@final
class _DataFrame(_Table):
    """Of pandas."""

    @property
    def names(self) -> list[str]:
        return list(self.batch.columns)

    def __getitem__(self, name: str) -> Iterable[Any]:
        return values_of_series(self.batch[name])

    def with_columns(self, columns: Columns, answers: Sequence[Answer]) -> Any:
        return self.batch.assign(**series_columns(columns, answers))


@final
class _ArrowTable(_Table):
    """Of pyarrow."""

    @property
    def names(self) -> list[str]:
        return list(self.batch.column_names)

    def __getitem__(self, name: str) -> Iterable[Any]:
        from fineprune.corpus.parquet import values_of_arrow

        return values_of_arrow(self.batch[name])

    def with_columns(self, columns: Columns, answers: Sequence[Answer]) -> Any:
        from fineprune.corpus.parquet import arrow_schema, arrow_table

        said, table = arrow_table(answers, arrow_schema(columns)), self.batch
        for field in said.schema:
            table = table.append_column(field, said[field.name])
        return table


def _table_of(batch: Any) -> _Table:
    if isinstance(batch, Mapping):
        return _Arrays(batch)
    for kind, library in ((_DataFrame, "pandas"), (_ArrowTable, "pyarrow")):
        if type(batch).__module__.partition(".")[0] == library:
            return kind(batch)
    raise InputError(
        f"a batch of type {type(batch).__name__}; expected a dictionary of arrays, a DataFrame of "
        "pandas or a Table of pyarrow"
    )


def values_of_series(series: Any) -> list[Any]:
    """Values of a series of pandas, None for whatever it has for missing ones."""
    pairs = zip(series, series.isna(), strict=True)
    return [None if missing else value for value, missing in pairs]


def array_columns(columns: Columns, answers: Sequence[Answer]) -> dict[str, NDArray[Any]]:
    """Answers as arrays: numbers as such, NaN where there is none; all else as objects."""
    return {name: _array([one[name] for one in answers], kind) for name, kind in columns.items()}


def series_columns(columns: Columns, answers: Sequence[Answer]) -> dict[str, Any]:
    """The same for pandas, to which an embedding in each row is an object, too."""
    arrays = {}
    for name, kind in columns.items():
        values = [one[name] for one in answers]
        arrays[name] = _objects(values) if isinstance(kind, Vector) else _array(values, kind)
    return arrays


def _array(values: Sequence[Any], kind: Any) -> NDArray[Any]:
    if isinstance(kind, Vector):
        missing = np.full(kind.size, np.nan, np.float32)
        rows = [missing if value is None else value for value in values]
        return np.stack(rows) if rows else np.zeros((0, kind.size), np.float32)
    if kind == "number":
        return np.array([np.nan if value is None else value for value in values], np.float64)
    return _objects(values)


def _objects(values: Sequence[Any]) -> NDArray[Any]:
    array = np.empty(len(values), object)
    for place, value in enumerate(values):
        array[place] = value
    return array
