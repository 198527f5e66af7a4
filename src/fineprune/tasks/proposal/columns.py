"""Which column holds what. Where it is not plain, one is taken, and the reason said."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final

from fineprune.errors import DataError
from fineprune.tasks.proposal.profiles import Profile
from fineprune.wording import listed, quoted

_TEXT_NAMES: Final = (
    "text", "sentence", "review", "content", "body", "comment", "message", "utterance", "query",
    "question", "document", "tweet", "description", "title",
)  # fmt: skip
_LABEL_NAMES: Final = (
    "label", "labels", "class", "target", "category", "intent", "sentiment", "emotion", "topic",
    "gold_label", "is_duplicate", "score", "similarity", "similarity_score", "rating", "stars", "y",
)  # fmt: skip
_MEASURE_NAMES: Final = ("score", "similarity", "similarity_score")
_ID_NAMES: Final = ("id", "idx", "index", "guid", "uid", "uuid", "qid", "pair_id", "row")
_PAIRS: Final = (
    ("premise", "hypothesis"),
    ("question", "sentence"),
    ("question", "passage"),
    ("question", "answer"),
    ("query", "passage"),
    ("query", "document"),
    ("anchor", "positive"),
    ("text", "text_pair"),
    ("claim", "evidence"),
)
_MOST_CLASSES: Final = 1000
_CLASSES_OF_NUMBERS: Final = 20  # more different whole numbers are a quantity
_ROWS_OF_A_CLASS: Final = 2.0  # fewer on average are no classes
_WORDS_OF_A_TEXT: Final = 2.5  # on average; names and classes have fewer


@dataclass(frozen=True)
class Choice:
    """The columns of a classification or regression.

    Attributes:
        text: one, or two for pairs.
        label: what is to be predicted.
        regression: whether labels are numbers to be predicted as such.
        text_reason: why these texts, one line.
        label_reason: why this label, and why so; one line.
    """

    text: tuple[str, ...]
    label: str
    regression: bool
    text_reason: str
    label_reason: str


def choose_columns(profiles: Sequence[Profile], source: str) -> Choice:
    """Takes columns for text and label.

    Args:
        profiles: all columns.
        source: name of the data in messages.

    Raises:
        DataError: no column can be the text, or none the label.
    """
    usable = [profile for profile in profiles if _name(profile) not in _ID_NAMES]
    texts = [profile for profile in usable if profile.is_text]
    label, others = _label(usable, texts, source)
    texts = [profile for profile in texts if profile is not label]
    if not texts:
        raise DataError(
            f"{source}: no column holds text beside the label {label.name!r}: "
            f"{_described(profiles)}"
        )
    pair = _pair(texts)
    chosen = pair or (_main_text(texts),)
    regression, why = _is_regression(label)
    also = [profile.name for profile in others if profile not in chosen]
    if also:
        why = f"{why}; {listed(also)} could be labels as well"
    return Choice(
        tuple(profile.name for profile in chosen),
        label.name,
        regression,
        _text_reason(chosen, texts),
        why,
    )


def _label(
    usable: Sequence[Profile], texts: Sequence[Profile], source: str
) -> tuple[Profile, list[Profile]]:
    """The label, and what could have been it as well."""
    candidates = [profile for profile in usable if _may_be_label(profile)]
    if len(texts) == 1:  # the one text is what is read
        candidates = [profile for profile in candidates if profile is not texts[0]]
    if not candidates:
        raise DataError(
            f"{source}: no column looks like a label, which is a few classes or numbers: "
            f"{_described(usable)}; write the recipe by hand, see docs/recipes.md"
        )
    ranked = sorted(candidates, key=_label_rank)
    return ranked[0], ranked[1:]


def _may_be_label(profile: Profile) -> bool:
    different = len(profile.counts)
    if different < 2:
        return False
    if profile.holds in ("numbers", "whole numbers"):
        return True
    if profile.holds != "text" or different > _MOST_CLASSES:
        return False
    return _name(profile) in _LABEL_NAMES or (
        len(profile.present) / different >= _ROWS_OF_A_CLASS
        and profile.words < 2 * _WORDS_OF_A_TEXT
    )


def _label_rank(profile: Profile) -> tuple[int, int, int]:
    """Known names first, then few different values, then the last column."""
    name = _name(profile)
    known = _LABEL_NAMES.index(name) if name in _LABEL_NAMES else len(_LABEL_NAMES)
    return known, len(profile.counts), -profile.place


def _is_regression(label: Profile) -> tuple[bool, str]:
    different = len(label.counts)
    if label.holds == "numbers":
        return True, f"numbers with fractions, {_range(label)}: a regression"
    if label.holds != "whole numbers":
        return False, f"{different} classes: {_balance(label)}"
    if _name(label) in _MEASURE_NAMES and different > 2:
        return True, f"whole numbers under the name of a measure, {_range(label)}: a regression"
    if different > _CLASSES_OF_NUMBERS and label.variety > 1 / _ROWS_OF_A_CLASS:
        return True, f"{different} different whole numbers, {_range(label)}: a regression"
    also = "; if they are a scale, regression: true predicts numbers" if different > 2 else ""
    return False, f"{different} classes: {_balance(label)}{also}"


def _balance(label: Profile) -> str:
    most = label.counts.most_common(5)
    total = sum(label.counts.values())
    shares = ", ".join(f"{quoted(name)} {count / total:.0%}" for name, count in most)
    rest = f", and {len(label.counts) - 5} more" if len(label.counts) > 5 else ""
    fewest = min(label.counts.values())
    uneven = most[0][1] >= 10 * fewest
    return f"{shares}{rest}" + (
        f"; uneven (the rarest has {fewest} rows): look at macro_f1, not at accuracy"
        if uneven
        else ""
    )


def _range(label: Profile) -> str:
    numbers = [float(value) for value in label.present]
    return f"{min(numbers):g} to {max(numbers):g}"


def _pair(texts: Sequence[Profile]) -> tuple[Profile, ...]:
    named = {_name(profile): profile for profile in texts}
    for first, second in _PAIRS:
        if first in named and second in named:
            return named[first], named[second]
    for one, other in combinations(texts, 2):
        if _differ_by_number(_name(one), _name(other)):
            return one, other
    return ()


def _differ_by_number(one: str, other: str) -> bool:
    """Whether names count: `text1`, `text2`; `text_a`, `text_b`."""
    return one[:-1] == other[:-1] and (one[-1:], other[-1:]) in (("1", "2"), ("0", "1"), ("a", "b"))


def _main_text(texts: Sequence[Profile]) -> Profile:
    """The longest text; among those of similar length, the one with the most telling name."""
    longest = max(profile.words for profile in texts)
    long = [profile for profile in texts if profile.words >= longest / 2]
    return min(long, key=lambda profile: (_text_rank(profile), -profile.words))


def _text_rank(profile: Profile) -> int:
    name = _name(profile)
    return _TEXT_NAMES.index(name) if name in _TEXT_NAMES else len(_TEXT_NAMES)


def _text_reason(chosen: Sequence[Profile], texts: Sequence[Profile]) -> str:
    words = " and ".join(f"{profile.words:.0f}" for profile in chosen)
    reason = f"{words} words on average"
    others = [profile.name for profile in texts if profile not in chosen]
    if len(chosen) > 1:
        return f"pairs, by the names of the columns; {reason}"
    if not others:
        return reason
    both = f"[{chosen[0].name}, {others[0]}]"
    return f"{reason}, the longest; {listed(others)} hold text as well: text: {both} reads two"


def _described(profiles: Sequence[Profile]) -> str:
    return ", ".join(f"{profile.name!r} ({profile.holds})" for profile in profiles) or "none"


def _name(profile: Profile) -> str:
    return profile.name.strip().lower().replace(" ", "_").replace("-", "_")
