"""A frontier as a picture for a README: accuracy against milliseconds and megabytes.

It is drawn here, not by a library, so that the same record gives the same file on every machine,
and a test can compare. Colors follow the theme of whoever looks.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor, log10

from fineprune.report.frontier.records import OURS, Frontier, Point
from fineprune.report.numbers import metric, percent

_WIDTH, _HEIGHT = 800, 330
_TOP, _BOTTOM = 58, 46
_PANELS = ((56, 392), (448, 784))  # from left to right
_LETTER = 6.7  # pixels of width, at most about, at the size of labels
_LINE = 13
_MARK = 5
_STEPS = (1, 2, 5)  # of a logarithmic axis

_NAMES = {"torch": "PyTorch", "onnxruntime": "ONNX Runtime", "openvino": "OpenVINO"}

_STYLE = """
svg { --ink: #1a1d21; --faint: #b6bec7; --ours: #0072b2; --int8: #c04f00; --dense: #5f6b78; }
@media (prefers-color-scheme: dark) {
  svg { --ink: #e8eaed; --faint: #4a535d; --ours: #56b4e9; --int8: #ff8a3d; --dense: #a9b3be; }
}
text { font: 12px system-ui, sans-serif; fill: var(--ink); }
.head { font-weight: bold; }
.tick { font-size: 11px; }
.grid { stroke: var(--faint); stroke-width: 0.7; }
.ours { fill: var(--ours); }
.int8 { fill: var(--int8); }
.dense { fill: var(--dense); }
.line { fill: none; stroke: var(--ours); stroke-width: 2; }
"""

Box = tuple[float, float, float, float]
"""Left, top, right, bottom."""


@dataclass(frozen=True)
class Mark:
    """A point on a panel.

    Attributes:
        x: from the left, in pixels.
        y: from the top.
        label: beside it.
        kind: `ours`, `int8`, or `dense` in float32.
    """

    x: float
    y: float
    label: str
    kind: str

    @property
    def box(self) -> Box:
        """What it covers."""
        return (self.x - _MARK, self.y - _MARK, self.x + _MARK, self.y + _MARK)


def picture(frontier: Frontier) -> str:
    """The picture as SVG.

    Args:
        frontier: all of whose points are drawn; each has its milliseconds.
    """
    scores = [100 * one.metrics[frontier.metric] for one in frontier.points]
    low, high = floor(min(scores) - 0.4), ceil(max(scores) + 0.4)

    def height(point: Point) -> float:
        share = (100 * point.metrics[frontier.metric] - low) / (high - low)
        return _HEIGHT - _BOTTOM - share * (_HEIGHT - _TOP - _BOTTOM)

    body = [*_legend(), *_levels(low, high)]
    for (left, right), heading, value in zip(
        _PANELS,
        ("milliseconds for one text", "megabytes, all in"),
        (_milliseconds, _megabytes),
        strict=True,
    ):
        body += _panel(frontier, left, right, heading, value, height)
    title = f"{frontier.metric} in percent against milliseconds and megabytes: {_summary(frontier)}"
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img">',
            f"<title>{escape(title)}</title>",
            f"<style>{_STYLE}</style>",
            f'<text class="head" x="8" y="16">{escape(frontier.metric)}, %</text>',
            *body,
            "</svg>\n",
        ]
    )


def _summary(frontier: Frontier) -> str:
    return "; ".join(
        f"{_name(one)} {metric(frontier.metric, one.metrics[frontier.metric])}, "
        f"{_milliseconds(one):.2f} ms, {_megabytes(one):.1f} MB"
        for one in frontier.points
    )


def _panel(
    frontier: Frontier,
    left: float,
    right: float,
    heading: str,
    value: Callable[[Point], float],
    height: Callable[[Point], float],
) -> Iterator[str]:
    """One axis from left to right, logarithmic, and the points over it."""
    values = [value(one) for one in frontier.points]
    start, end = log10(min(values) / 1.3), log10(max(values) * 1.5)

    def place(number: float) -> float:
        return left + (log10(number) - start) / (end - start) * (right - left)

    bottom = _HEIGHT - _BOTTOM
    for number in _ticks(start, end):
        x = place(number)
        yield f'<path class="grid" d="M{x:.1f} {_TOP}V{bottom}"/>'
        yield _text(x, bottom + 16, f"{number:g}", "tick", "middle")
    yield _text((left + right) / 2, bottom + 36, heading, "", "middle")
    marks = [
        Mark(place(value(one)), height(one), _label(one), _kind(one)) for one in frontier.points
    ]
    ours = sorted((mark.x, mark.y) for mark in marks if mark.kind == "ours")
    if ours:
        steps = "L".join(f"{x:.1f} {y:.1f}" for x, y in ours)
        yield f'<path class="line" d="M{steps}"/>'
    for mark in marks:
        yield _shape(mark)
    yield from _labels(marks, (left, right))


def _levels(low: int, high: int) -> Iterator[str]:
    """Lines from left to right, one a percent."""
    for level in range(low, high + 1):
        y = _HEIGHT - _BOTTOM - (level - low) / (high - low) * (_HEIGHT - _TOP - _BOTTOM)
        for left, right in _PANELS:
            yield f'<path class="grid" d="M{left} {y:.1f}H{right}"/>'
            yield _text(left - 6, y + 4, str(level), "tick", "end")


def _legend() -> Iterator[str]:
    x = 56.0
    for kind, label in (
        ("ours", "fineprune, by share of weights kept"),
        ("int8", "the dense model in int8"),
        ("dense", "the dense model in float32"),
    ):
        yield _shape(Mark(x, 38, "", kind))
        yield _text(x + 10, 42, label, "", "start")
        x += 30 + _LETTER * len(label)


def _ticks(start: float, end: float) -> list[float]:
    found = [step * 10.0**power for power in range(floor(start), ceil(end) + 1) for step in _STEPS]
    return [one for one in found if start <= log10(one) <= end]


def _labels(marks: Sequence[Mark], between: tuple[float, float]) -> Iterator[str]:
    """Beside each mark its label, where it covers nothing else."""
    taken = [mark.box for mark in marks]
    for mark in marks:
        width = _LETTER * len(mark.label)
        boxes = [
            box
            for box in _places(mark, width)
            if box[0] >= between[0] - 4 and box[2] <= between[1] + 14
        ]
        box = next(
            (one for one in boxes if not any(_meet(one, other) for other in taken)), boxes[0]
        )
        taken.append(box)
        yield _text(box[0], box[3] - 3, mark.label, "tick", "start")


def _places(mark: Mark, width: float) -> Iterator[Box]:
    """Where a label may stand, the best place first."""
    for distance in range(0, 5 * _LINE, _LINE):
        for x, y in (
            (mark.x + _MARK + 3, mark.y - _LINE / 2 - distance),
            (mark.x - width / 2, mark.y - _MARK - _LINE - 1 - distance),
            (mark.x - width - _MARK - 3, mark.y - _LINE / 2 - distance),
            (mark.x - width / 2, mark.y + _MARK + 1 + distance),
            (mark.x + _MARK + 3, mark.y - _LINE / 2 + distance),
        ):
            yield (x, y, x + width, y + _LINE)


def _meet(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _shape(mark: Mark) -> str:
    if mark.kind == "ours":
        return f'<circle class="ours" cx="{mark.x:.1f}" cy="{mark.y:.1f}" r="{_MARK}"/>'
    x, y, side = mark.x - _MARK + 0.5, mark.y - _MARK + 0.5, 2 * _MARK - 1
    turn = f' transform="rotate(45 {mark.x:.1f} {mark.y:.1f})"' if mark.kind == "int8" else ""
    return (
        f'<rect class="{mark.kind}" x="{x:.1f}" y="{y:.1f}" width="{side}" height="{side}"{turn}/>'
    )


def _text(x: float, y: float, text: str, kind: str, anchor: str) -> str:
    named = f' class="{kind}"' if kind else ""
    return f'<text{named} x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _kind(point: Point) -> str:
    if point.engine == OURS:
        return "ours"
    return "int8" if "int8" in point.precision else "dense"


def _label(point: Point) -> str:
    if point.engine == OURS:
        return percent(point.density).replace(".0%", "%")
    return _NAMES.get(point.engine, point.engine)


def _name(point: Point) -> str:
    if point.engine == OURS:
        return f"{percent(point.density)} kept"
    return f"{_label(point)} {point.precision}"


def _milliseconds(point: Point) -> float:
    assert point.milliseconds is not None
    return point.milliseconds


def _megabytes(point: Point) -> float:
    return point.bytes / 1e6
