"""Where examples come from, as a recipe names it."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import PurePath
from typing import Annotated, ClassVar, Literal, Self, final

from pydantic import ConfigDict, Field, model_validator
from pydantic.dataclasses import dataclass

_STRICT = ConfigDict(extra="forbid")
_DELIMITED = (".tsv", ".csv")
CONLL = (".conll", ".bio", ".iob")
"""Endings of files with a token a line."""

_WITHOUT_NAMES = (*_DELIMITED, ".json", ".jsonl", *CONLL)
_NOT = "not "
_ROWS = r"^(not )?(-?\d+)?:(-?\d+)?(:[1-9]\d*)?$"

Quoting = Literal["none", "minimal"]


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class Source(ABC):
    """A file, a data set of the Hugging Face hub, or a local folder laid out like one.

    Attributes:
        path: a file, or else a folder or a name on the hub.
        config: which configuration of a data set (`"mnli"` of `"nyu-mll/glue"`).
        split: which split of a data set, in the notation of `datasets` (`"train[:90%]"`); without
            it, the split named after what it is used for.
        rows: which rows of a file, as Python slices a list: `":1000"` are the first thousand,
            `"::10"` is every tenth; with `not ` before it, all others. Without it, all.
    """

    formats: ClassVar[tuple[str, ...]]
    """Endings of the files that are read, lower case, without `.gz`."""

    path: str = Field(min_length=1)
    config: str | None = None
    split: str | None = None
    rows: Annotated[str, Field(pattern=_ROWS)] | None = None

    @property
    def suffix(self) -> str:
        """The ending of `path`, lower case, without `.gz`."""
        return PurePath(self.path.lower().removesuffix(".gz")).suffix

    @property
    def is_file(self) -> bool:
        """Whether `path` is the name of a file, and not of a data set."""
        return self.suffix in self.formats

    @property
    @abstractmethod
    def part(self) -> str | None:
        """What is read of a file, where that is not all of it."""

    @model_validator(mode="after")
    def _config_and_split_are_for_data_sets(self) -> Self:
        if self.is_file and (self.config is not None or self.split is not None):
            raise ValueError(f"config and split are for data sets, and {self.path!r} is a file")
        return self

    @model_validator(mode="after")
    def _rows_are_of_files(self) -> Self:
        if self.rows is not None and not self.is_file:
            raise ValueError(f"rows is for files, and {self.path!r} is none; see split")
        return self

    def choose(self, count: int) -> Sequence[int]:
        """Which of so many rows are read, counted from 0."""
        every = range(count)
        if self.rows is None:
            return every
        bounds = self.rows.removeprefix(_NOT).split(":")
        named = every[slice(*(int(bound) if bound else None for bound in bounds))]
        if not self.rows.startswith(_NOT):
            return named
        return [row for row in every if row not in named]

    def __str__(self) -> str:
        parts = [
            part
            for part in (self.part, self.config, self.split, self.rows and f"rows {self.rows}")
            if part is not None
        ]
        return f"{self.path}[{', '.join(parts)}]" if parts else self.path


@final
@dataclass(frozen=True, kw_only=True, config=_STRICT)
class TableSource(Source):
    """Rows under named columns: a file, a data set of the hub, or a folder laid out like one.

    Attributes:
        path: a file ending in `.tsv`, `.csv`, `.json`, `.jsonl` or `.parquet`, or one with a token
            a line, in `.conll`, `.bio` or `.iob` (the text formats may end in `.gz` after that);
            anything else is a folder or a name on the hub.
        field: in a JSON file that holds an object, the key of the array of rows.
        columns: names of the columns of a TSV or CSV file without a header, of JSON rows that are
            arrays, or of the fields of a file with a token a line.
        quoting: in a TSV or CSV file, what a double quote means. `minimal`: it encloses a field
            that contains separators, line breaks or quotes, which are doubled; spreadsheets and
            pandas write so, and it is the default of `.csv`. `none`: it is a character like any
            other; GLUE's files are written so, and it is the default of `.tsv`.
    """

    formats = (*_WITHOUT_NAMES, ".parquet")

    field: str | None = None
    columns: tuple[str, ...] | None = Field(default=None, min_length=1)
    quoting: Quoting | None = None

    @property
    def part(self) -> str | None:
        """The key of a JSON file's rows."""
        return self.field

    @model_validator(mode="after")
    def _options_fit_the_format(self) -> Self:
        if self.field is not None and self.suffix != ".json":
            raise ValueError(f"field is for .json files, and {self.path!r} is not one")
        if self.quoting is not None and self.suffix not in _DELIMITED:
            raise ValueError(
                f"quoting is for {' and '.join(_DELIMITED)} files, and {self.path!r} is not one"
            )
        if self.columns is not None and self.suffix not in _WITHOUT_NAMES:
            raise ValueError(
                f"columns is for files of rows ({', '.join(_WITHOUT_NAMES)}), "
                f"and {self.path!r} is not one"
            )
        if self.columns is not None and len(set(self.columns)) < len(self.columns):
            raise ValueError(f"columns has a name twice: {', '.join(self.columns)}")
        return self


@final
@dataclass(frozen=True, kw_only=True, config=_STRICT)
class SquadSource(Source):
    """Questions: a file in SQuAD format, a data set of the hub, or a folder laid out like one.

    Attributes:
        path: a file ending in `.json` (or `.json.gz`) in SQuAD format, or one ending in `.jsonl` or
            `.parquet` with rows of `question`, `context` and `answers` (`{text: [...],
            answer_start: [...]}`); anything else is a folder or a name on the hub.
        articles: which articles of a file, as Python slices a list: `"0:38"`, `"38:"`, `":-10"`;
            without it, all.
    """

    formats = (".json", ".jsonl", ".parquet")

    articles: Annotated[str, Field(pattern=r"^(-?\d+)?:(-?\d+)?$")] | None = None

    @property
    def part(self) -> str | None:
        """The articles, as written."""
        return self.articles

    def article_slice(self) -> slice:
        """The slice that `articles` spells."""
        bounds = (self.articles or ":").split(":")
        return slice(*(int(bound) if bound else None for bound in bounds))

    @model_validator(mode="after")
    def _articles_are_for_files(self) -> Self:
        if self.articles is not None and self.suffix != ".json":
            raise ValueError(f"articles is for .json files, and {self.path!r} is not one")
        return self
