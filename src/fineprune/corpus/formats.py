"""Files of texts and of answers, by the endings of their names."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePath
from typing import Final

from fineprune.corpus.columns import Columns
from fineprune.corpus.json_lines import JsonLinesWriter
from fineprune.corpus.text_files import Delimited, JsonLines, Lines, Quoting, TextFile
from fineprune.corpus.writing import AnswerWriter
from fineprune.errors import DataError
from fineprune.extras import needs

_DELIMITED: Final[Mapping[str, tuple[str, Quoting]]] = {
    ".csv": (",", "minimal"),
    ".tsv": ("\t", "none"),
}
_TEXTS: Final[Mapping[str, Callable[[Path, Sequence[str]], TextFile]]] = {
    ".jsonl": JsonLines,
    ".txt": Lines,
}
_PARQUET: Final = ".parquet"
INPUTS: Final = (_PARQUET, *_TEXTS, *_DELIMITED)
"""Endings of files of texts; those but the first may be followed by `.gz`."""
OUTPUTS: Final = (_PARQUET, ".jsonl")
"""Endings of files of answers."""


def open_texts(path: Path, names: Sequence[str], quoting: Quoting | None = None) -> TextFile:
    """A file of texts; it is read when rows are asked for.

    Args:
        path: of it.
        names: of the columns that hold texts.
        quoting: of delimited text, if not that of its format.

    Raises:
        DataError: it is of no format that is known.
        MissingExtraError: it is a Parquet file, and pyarrow is not installed.
    """
    ending = PurePath(path.name.lower().removesuffix(".gz")).suffix
    if path.name.lower().endswith(f"{_PARQUET}.gz") or ending not in INPUTS:
        raise DataError(
            f"{path} is of unknown format: its name has to end in {', '.join(INPUTS)}, "
            f"all but {_PARQUET} with .gz behind it if compressed"
        )
    if quoting is not None and ending not in _DELIMITED:
        raise DataError(f"quoting is for {' and '.join(_DELIMITED)} files, and {path} is not one")
    if ending == _PARQUET:
        with needs("parquet", f"reading {path}"):
            from fineprune.corpus.parquet import ParquetTexts
        return ParquetTexts(path, names)
    if ending in _DELIMITED:
        delimiter, usual = _DELIMITED[ending]
        return Delimited(path, names, delimiter=delimiter, quoting=quoting or usual)
    return _TEXTS[ending](path, names)


def writer_for(path: Path) -> Callable[[Columns], AnswerWriter]:
    """What makes a writer for a file of answers.

    Raises:
        DataError: it is of no format that is known.
        MissingExtraError: it is a Parquet file, and pyarrow is not installed.
    """
    ending = path.suffix.lower()
    if ending not in OUTPUTS:
        raise DataError(
            f"{path} is of unknown format: its name has to end in {' or '.join(OUTPUTS)}"
        )
    if ending != _PARQUET:
        return lambda columns: JsonLinesWriter()
    with needs("parquet", f"writing {path}"):
        from fineprune.corpus.parquet import ParquetWriter
    return ParquetWriter
