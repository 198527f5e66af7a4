"""One source of examples, as a recipe names it."""

from pathlib import PurePath
from typing import Self

from pydantic import ConfigDict, Field, model_validator
from pydantic.dataclasses import dataclass

FILE_SUFFIXES = (".tsv", ".csv", ".json", ".jsonl", ".parquet")
_ROW_SUFFIXES = (".tsv", ".csv", ".json", ".jsonl")


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))
class Source:
    """A file, a data set of the Hugging Face hub, or a local folder that is laid out like one.

    Attributes:
        path: a file ending in `.tsv`, `.csv`, `.json`, `.jsonl` or `.parquet` (the text formats
            may end in `.gz` after that); anything else is a folder or a name on the hub.
        field: of a JSON file that holds an object, the key under which the rows stand.
        columns: names of the columns of a TSV or CSV file without a header, or of JSON rows that
            are arrays.
        config: which configuration of a data set (`"mnli"` of `"nyu-mll/glue"`).
        split: which split of a data set, in the notation of `datasets` (`"train[:90%]"`); without
            it, the split named as what it is used for.
    """

    path: str = Field(min_length=1)
    field: str | None = None
    columns: tuple[str, ...] | None = Field(default=None, min_length=1)
    config: str | None = None
    split: str | None = None

    @property
    def suffix(self) -> str:
        """The extension that tells the format, lower case, without `.gz`."""
        return PurePath(self.path.lower().removesuffix(".gz")).suffix

    @property
    def is_file(self) -> bool:
        """Whether the name is that of a file, not that of a data set."""
        return self.suffix in FILE_SUFFIXES

    @model_validator(mode="after")
    def _options_fit_the_format(self) -> Self:
        if self.field is not None and self.suffix != ".json":
            raise ValueError(f"field is for a .json file, and {self.path!r} is none")
        if self.columns is not None and self.suffix not in _ROW_SUFFIXES:
            raise ValueError(
                f"columns is for files of rows ({', '.join(_ROW_SUFFIXES)}), "
                f"and {self.path!r} is none"
            )
        if self.columns is not None and len(set(self.columns)) < len(self.columns):
            raise ValueError(f"columns names one twice: {', '.join(self.columns)}")
        if self.is_file and (self.config is not None or self.split is not None):
            raise ValueError(f"config and split are for data sets, and {self.path!r} is a file")
        return self

    def __str__(self) -> str:
        parts = [part for part in (self.field, self.config, self.split) if part is not None]
        return f"{self.path}[{', '.join(parts)}]" if parts else self.path
