"""Tags of tokens, in any of the usual schemes, and the entities that they stand for."""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from fineprune.wording import listed, quoted

OUTSIDE: Final = "O"
_PREFIXES: Final = frozenset("BIMELSU")  # IOB1, IOB2, BIOES, BMES, BILOU
_BEGINNING: Final = frozenset("BSU")
_ENDING: Final = frozenset("ELSU")


class Span(NamedTuple):
    """An entity.

    Attributes:
        start: index of its first item: a token, or a character.
        end: index behind its last.
        kind: of entity.
    """

    start: int
    end: int
    kind: str


def spans_of_tags(tags: Sequence[str]) -> list[Span]:
    """The entities of a text whose tokens have these tags, counted in tokens.

    An entity begins at a tag that says so, and wherever the one before it was of another kind, of
    none, or the last of an entity, as conlleval reads them.

    >>> [tuple(span) for span in spans_of_tags(["B-PER", "I-PER", "O", "I-LOC", "B-LOC"])]
    [(0, 2, 'PER'), (3, 4, 'LOC'), (4, 5, 'LOC')]

    Raises:
        ValueError: a tag is of no such scheme.
    """
    spans: list[Span] = []
    before, open_kind = OUTSIDE, ""
    for place, tag in enumerate(tags):
        prefix, kind = split_tag(tag)
        if prefix == OUTSIDE:
            open_kind = ""
        elif kind == open_kind and prefix not in _BEGINNING and before not in _ENDING:
            spans[-1] = spans[-1]._replace(end=place + 1)
        else:
            spans.append(Span(place, place + 1, kind))
            open_kind = kind
        before = prefix
    return spans


def split_tag(tag: str) -> tuple[str, str]:
    """Prefix and kind; `("O", "")` outside of entities.

    Raises:
        ValueError: the tag is none of an entity.
    """
    if tag == OUTSIDE:
        return OUTSIDE, ""
    prefix, dash, kind = tag.partition("-")
    if prefix not in _PREFIXES or not dash or not kind:
        raise ValueError(
            f"the tag {quoted(tag)} is none of an entity: expected O, or B- or I- before its kind"
        )
    return prefix, kind


def tags_of_kinds(kinds: Iterable[str]) -> tuple[str, ...]:
    """What a model predicts that finds entities of these kinds.

    >>> tags_of_kinds(["LOC", "PER"])
    ('O', 'B-LOC', 'I-LOC', 'B-PER', 'I-PER')
    """
    return (OUTSIDE, *(f"{prefix}-{kind}" for kind in kinds for prefix in "BI"))


def require_tags(names: Sequence[str]) -> None:
    """Checks that names are those of IOB2: `O`, and `B-` and `I-` for each kind.

    Raises:
        ValueError: they are not.
    """
    kinds = dict.fromkeys(split_tag(name)[1] for name in names if name != OUTSIDE)
    expected = tags_of_kinds(kinds)
    if sorted(names) != sorted(expected) or not kinds:
        raise ValueError(
            f"labels are {listed(names)}; expected O, and B- and I- for each kind of entity"
        )
