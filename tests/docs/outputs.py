"""Compares what a page shows with what was printed."""

import re
from collections.abc import Sequence

LEFT_OUT = "..."
"""A line of a page that stands for any number of lines."""

# Frames of tables: how wide these are depends on the numbers in them.
_FRAMES = re.compile(r"[\u2500-\u257f]+")
_NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?(?:e[+-]?\d+)?")


def assert_shown(shown: Sequence[str], printed: str, within: float) -> None:
    """Fails where what is shown is not what was printed, as far as the page says it is.

    Args:
        shown: lines of the page; one that is `...` stands for any lines.
        printed: by the run.
        within: by how much numbers may differ, as a fraction of the larger of two.
    """
    found = _lines(printed.splitlines())
    start, anchored = 0, True
    for part in _parts(shown):
        places = [start] if anchored else range(start, len(found) + 1)
        start = next((i + len(part) for i in places if _agree(part, found[i:], within)), -1)
        assert start >= 0, "\n".join(["the page shows", *part, "and the run printed", printed])
        anchored = False
    rest = found[start:]
    is_all = bool(shown) and shown[-1].strip() == LEFT_OUT
    assert is_all or not rest, "\n".join(["the page does not show", *rest, "of", printed])


def _parts(shown: Sequence[str]) -> list[list[str]]:
    """The lines between those that stand for others; the first part stands at the beginning."""
    parts: list[list[str]] = [[]]
    for line in shown:
        if line.strip() == LEFT_OUT:
            parts.append([])
        else:
            parts[-1].append(line)
    return [_lines(part) for part in parts]


def _lines(lines: Sequence[str]) -> list[str]:
    """What lines say: without frames, blanks between words, and lines that hold nothing else."""
    said = (" ".join(_FRAMES.sub(" ", line).split()) for line in lines)
    return [line for line in said if line]


def _agree(part: Sequence[str], found: Sequence[str], within: float) -> bool:
    return len(part) <= len(found) and all(
        _alike(line, other, within) for line, other in zip(part, found, strict=False)
    )


def _alike(line: str, other: str, within: float) -> bool:
    if _NUMBER.sub("0", line) != _NUMBER.sub("0", other):
        return False
    pairs = zip(_NUMBER.findall(line), _NUMBER.findall(other), strict=True)
    return all(_near(_value(one), _value(another), within) for one, another in pairs)


def _near(one: float, another: float, within: float) -> bool:
    return abs(one - another) <= within * max(one, another) + 1e-12


def _value(number: str) -> float:
    return float(number.replace(",", ""))
