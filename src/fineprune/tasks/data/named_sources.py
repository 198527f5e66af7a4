"""Sources as recipes write them: one or several, and by the names of sets."""

from collections.abc import Mapping
from dataclasses import fields
from os import PathLike, fspath
from typing import Annotated, Any, Final, TypeAlias

from pydantic import BeforeValidator, Field

from fineprune.tasks.data.source import TableSource
from fineprune.tasks.data.splits import Sources

_SOURCE_KEYS: Final = frozenset(entry.name for entry in fields(TableSource))


def _sources(value: Any) -> Any:
    """One source or several, each a name or a mapping, to a list of mappings."""
    if isinstance(value, str | PathLike | Mapping | TableSource):
        value = [value]
    if not isinstance(value, list | tuple):
        return value
    return [{"path": fspath(v)} if isinstance(v, str | PathLike) else v for v in value]


def _named_sources(value: Any) -> Any:
    """Sources of one set, or a mapping from names of sets to theirs, to such a mapping."""
    if isinstance(value, Mapping) and not _SOURCE_KEYS & value.keys():
        return {name: _sources(sources) for name, sources in value.items()}
    return {"": _sources(value)}


OneOrMoreSources: TypeAlias = Annotated[Sources, BeforeValidator(_sources)]
"""A name or a mapping, or a list of these."""

NamedSources: TypeAlias = Annotated[
    Mapping[str, Annotated[Sources, Field(min_length=1)]], BeforeValidator(_named_sources)
]
"""The same, or a mapping from names of sets to these."""
