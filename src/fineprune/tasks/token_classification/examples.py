"""From rows of tokens and tags, or of texts and spans, to texts with spans of characters."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from fineprune.tasks.classification.labels import UnusableValueError, is_missing, label_name
from fineprune.tasks.data import BrokenRow, OnBroken, Table
from fineprune.tasks.token_classification.tags import Span, spans_of_tags
from fineprune.wording import quoted


@dataclass(frozen=True, slots=True)
class Example:
    """A text and the entities in it.

    Attributes:
        text: it.
        entities: none of which overlap, in their order, in characters of the text.
    """

    text: str
    entities: tuple[Span, ...]


@dataclass(frozen=True)
class ExampleSet:
    """Checked examples of one set.

    Attributes:
        source: name of the set in messages: its sources.
        examples: in the order of the sources.
    """

    source: str
    examples: tuple[Example, ...] = field(repr=False)

    def __len__(self) -> int:
        return len(self.examples)


def examples_of(
    table: Table, columns: tuple[str, str], *, tokens: bool, on_broken: OnBroken
) -> Iterator[Example]:
    """The examples of a table, without its broken rows.

    Args:
        table: raw values.
        columns: names of the two columns.
        tokens: whether these are tokens and tags, and not texts and spans.
        on_broken: takes the rows that cannot be used.

    Raises:
        DataError: a column is missing.
    """
    convert = _of_tokens if tokens else _of_text
    advice = ": name the columns under task.tokens and task.tags, or task.text and task.spans"
    rows = zip(*(table.column(name, advice) for name in columns), strict=True)
    for number, row in zip(table.numbers, rows, strict=True):
        try:
            yield convert(*row)
        except UnusableValueError as reason:
            on_broken(BrokenRow(table.source, f"{table.unit} {number}", str(reason)))


def _of_tokens(tokens: object, tags: object) -> Example:
    words = _list(tokens, "tokens")
    names = [label_name(tag) for tag in _list(tags, "tags")]
    if len(words) != len(names):
        raise UnusableValueError(f"there are {len(words)} tokens and {len(names)} tags")
    for word in words:
        if not isinstance(word, str) or not word.strip():
            raise UnusableValueError(
                f"{quoted(word)} is no token; expected a text that is not blank"
            )
        _require_unicode(word)
    starts, text = [], ""
    for word in words:
        text = f"{text} " if text else ""
        starts.append(len(text))
        text += word
    try:
        spans = spans_of_tags(names)
    except ValueError as error:
        raise UnusableValueError(str(error)) from error
    entities = [
        Span(starts[one.start], starts[one.end - 1] + len(words[one.end - 1]), one.kind)
        for one in spans
    ]
    return Example(text, tuple(entities))


def _of_text(text: object, spans: object) -> Example:
    if not isinstance(text, str):
        raise UnusableValueError(f"the text is {quoted(text)}, of type {type(text).__name__}")
    _require_unicode(text)
    entities = sorted(_span(one, len(text)) for one in _list(spans, "spans"))
    for one, other in pairwise(entities):
        if other.start < one.end:
            raise UnusableValueError(
                f"two entities overlap, {one.start} to {one.end} and {other.start} to {other.end}; "
                "a word has one label"
            )
    return Example(text, tuple(entities))


def _span(value: object, length: int) -> Span:
    parts: Sequence[Any] = ()
    if isinstance(value, dict):
        parts = [value.get(key) for key in ("start", "end", "label")]
    elif isinstance(value, list | tuple):
        parts = value
    if len(parts) != 3 or not all(type(place) is int for place in parts[:2]):
        raise UnusableValueError(
            f"the span {quoted(value)} is none: expected {{start: 0, end: 5, label: PER}}, "
            "or [0, 5, PER]"
        )
    start, end, kind = parts
    if not 0 <= start < end <= length:
        raise UnusableValueError(
            f"the span {start} to {end} is not inside of the text, which has {length} characters"
        )
    return Span(start, end, label_name(kind))


def _list(value: object, what: str) -> Sequence[Any]:
    if isinstance(value, list | tuple):
        return value
    missing = is_missing(value) if not isinstance(value, dict) else False
    found = "missing" if missing else f"{quoted(value)}, of type {type(value).__name__}"
    raise UnusableValueError(f"the list of {what} is {found}")


def _require_unicode(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise UnusableValueError(f"{quoted(text)} is not Unicode: {error}") from error
