"""Where the examples of a set come from, as a recipe names it."""

from typing import Annotated, Self

from pydantic import ConfigDict, Field, model_validator
from pydantic.dataclasses import dataclass


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Source:
    """A JSON file in SQuAD format, a data set of the hub, or a local folder laid out like one.

    Attributes:
        path: a file ending in `.json`, relative to the current directory; anything else is a
            folder or a name on the hub.
        articles: which articles of a file, as Python slices a list: `"0:38"`, `"38:"`, `":-10"`;
            without it, all.
        config: which configuration of a data set (`"xquad.en"` of `"google/xquad"`).
        split: which split of a data set; without it, the one named as what it is used for.
    """

    path: Annotated[str, Field(min_length=1)]
    articles: Annotated[str, Field(pattern=r"^(-?\d+)?:(-?\d+)?$")] | None = None
    config: str | None = None
    split: str | None = None

    @property
    def is_file(self) -> bool:
        """Whether the path is that of a file, not of a data set."""
        return self.path.lower().endswith(".json")

    def article_slice(self) -> slice:
        """The slice that `articles` spells."""
        bounds = (self.articles or ":").split(":")
        return slice(*(int(bound) if bound else None for bound in bounds))

    @model_validator(mode="after")
    def _options_fit(self) -> Self:
        if self.is_file and (self.config is not None or self.split is not None):
            raise ValueError(f"config and split are for data sets, and {self.path!r} is a file")
        if self.articles is not None and not self.is_file:
            raise ValueError(f"articles is for a .json file, and {self.path!r} is none")
        return self

    def __str__(self) -> str:
        parts = [part for part in (self.articles, self.config, self.split) if part is not None]
        return f"{self.path}[{', '.join(parts)}]" if parts else self.path
