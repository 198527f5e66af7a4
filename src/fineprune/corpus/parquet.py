"""Parquet files, both ways, and columns in Arrow."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, final

import numpy as np
import pyarrow
import pyarrow.parquet

from fineprune.corpus.answers import Answer
from fineprune.corpus.columns import Columns, Kind, Records, Vector
from fineprune.corpus.rows import Row, row_of
from fineprune.corpus.text_files import TextFile, require_column
from fineprune.corpus.writing import AnswerWriter
from fineprune.errors import DataError
from fineprune.wording import first_line

_ROWS: Final = 128  # read at a time: texts may be long
_BUFFER: Final = 1 << 20  # bytes of a column that are read at a time
_JOINED: Final = 16  # parts that become one row group

_SCALARS: Final[Mapping[Any, pyarrow.DataType]] = {
    "text": pyarrow.string(),
    "number": pyarrow.float64(),
    "integer": pyarrow.int64(),
}


@final
class ParquetTexts(TextFile):
    """Columns of text in a Parquet file."""

    @property
    def size(self) -> int:
        """Number of rows."""
        with _opened(self.path) as file:
            rows: int = file.metadata.num_rows
        return rows

    def rows(self) -> Iterator[Row]:
        """All rows."""
        with _opened(self.path) as file:
            for name in self.names:
                require_column(self.path, name, file.schema_arrow.names)
                _require_text(self.path, file.schema_arrow.field(name))
            try:
                for batch in file.iter_batches(_ROWS, columns=list(dict.fromkeys(self.names))):
                    yield from self._rows_of(batch)
            except (OSError, pyarrow.ArrowException) as error:
                raise _unreadable(self.path, error) from error

    def _rows_of(self, batch: pyarrow.RecordBatch) -> Iterator[Row]:
        columns = [values_of_arrow(batch[name]) for name in self.names]
        for values in zip(*columns, strict=True):
            self.position += 1
            yield row_of(self.position, self.names, values)


@final
class ParquetWriter(AnswerWriter):
    """A table of typed columns.

    Args:
        columns: of the answers.
    """

    def __init__(self, columns: Columns) -> None:
        self._schema = arrow_schema(columns)

    def write(self, path: Path, answers: Sequence[Answer]) -> None:
        """Writes one part."""
        pyarrow.parquet.write_table(arrow_table(answers, self._schema), path)

    def join(self, parts: Sequence[Path], path: Path) -> None:
        """Writes one file of all parts, in memory for a few of them."""
        with pyarrow.parquet.ParquetWriter(path, self._schema) as writer:
            for start in range(0, len(parts), _JOINED):
                tables = [_table(part) for part in parts[start : start + _JOINED]]
                writer.write_table(pyarrow.concat_tables(tables))


def arrow_schema(columns: Columns) -> pyarrow.Schema:
    """The types of columns in Arrow."""
    return pyarrow.schema([(name, _type(kind)) for name, kind in columns.items()])


def arrow_table(answers: Sequence[Answer], schema: pyarrow.Schema) -> pyarrow.Table:
    """Answers as columns."""
    columns = [_column([answer[one.name] for answer in answers], one.type) for one in schema]
    return pyarrow.table(columns, schema=schema)


def _type(kind: Kind) -> pyarrow.DataType:
    if isinstance(kind, Vector):
        return pyarrow.list_(pyarrow.float32(), kind.size)
    if isinstance(kind, Records):
        return pyarrow.list_(pyarrow.struct([(k, _SCALARS[v]) for k, v in kind.fields.items()]))
    return _SCALARS[kind]


def _column(values: list[Any], kind: pyarrow.DataType) -> pyarrow.Array:
    if not pyarrow.types.is_fixed_size_list(kind):
        return pyarrow.array(values, kind)
    size, missing = kind.list_size, [value is None for value in values]
    rows = [np.zeros(size, np.float32) if value is None else value for value in values]
    numbers = np.concatenate(rows) if rows else np.zeros(0, np.float32)
    return pyarrow.FixedSizeListArray.from_arrays(
        pyarrow.array(numbers), type=kind, mask=pyarrow.array(missing, pyarrow.bool_())
    )


def _opened(path: Path) -> pyarrow.parquet.ParquetFile:
    try:
        # Without `pre_buffer`, which takes whole row groups into memory.
        return pyarrow.parquet.ParquetFile(path, buffer_size=_BUFFER, pre_buffer=False)
    except FileNotFoundError as error:
        raise DataError(f"{path}: there is no such file") from error
    except (OSError, pyarrow.ArrowException) as error:
        raise _unreadable(path, error) from error


def _table(path: Path) -> pyarrow.Table:
    with pyarrow.parquet.ParquetFile(path) as file:
        return file.read()


def _require_text(path: Path, field: pyarrow.Field) -> None:
    kind = field.type.value_type if pyarrow.types.is_dictionary(field.type) else field.type
    types = pyarrow.types
    accepted = (types.is_string, types.is_large_string, types.is_string_view, types.is_null)
    if not any(accepts(kind) for accepts in accepted):
        raise DataError(f"{path}: column {field.name!r} is of type {field.type}; expected text")


def values_of_arrow(column: pyarrow.Array | pyarrow.ChunkedArray) -> list[Any]:
    """Python's values; for bytes that are no text, the error."""
    try:
        values: list[Any] = column.to_pylist()
    except UnicodeDecodeError:
        return [_value(scalar) for scalar in column]
    return values


def _value(scalar: pyarrow.Scalar) -> Any:
    try:
        return scalar.as_py()
    except UnicodeDecodeError as error:
        return error


def _unreadable(path: Path, error: Exception) -> DataError:
    reason = first_line(error).rstrip(".")
    return DataError(f"{path} cannot be read as Parquet: {reason}")
