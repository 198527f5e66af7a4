"""The figures of a page."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from fineprune.report.frontier.records import Frontier, Point
from fineprune.report.numbers import is_share
from fineprune.report.page.themes import FAINT, LINES, MARKERS, SERIES, style, to_svg
from fineprune.report.records import Duration, Histogram, LogLine, PartBytes

_WIDTH = 9.0  # inches; the page scales it to its own
_LEAST_POINTS = 2  # of a frontier: one alone is compared with nothing
_MOST_POINTS = 400  # of a line: more are closer than pixels


@dataclass(frozen=True)
class _Look:
    """How points of a kind look: colors tell what is compared, markers and lines the rest."""

    label: str
    color: str
    marker: str
    line: str = ""


def frontier_chart(frontier: Frontier, name: str) -> str:
    """The metric against milliseconds and bytes; empty where there is nothing to compare."""
    measured = [one for one in frontier.points if frontier.metric in one.metrics]
    if len(measured) < _LEAST_POINTS:
        return ""
    groups: dict[_Look, list[Point]] = {}
    for point in measured:
        groups.setdefault(_look(point, frontier), []).append(point)
    with style():
        figure = Figure((_WIDTH, 3.6), layout="constrained")
        left, right = figure.subplots(1, 2, sharey=True)
        for place, (look, points) in enumerate(groups.items()):
            timed = [one for one in points if one.milliseconds]
            _draw(left, look, timed, [one.milliseconds or 0.0 for one in timed], frontier)
            _draw(right, look, points, [one.bytes / 1e6 for one in points], frontier)
            if place == 0 and look.line:  # of one line: those of others lie close to it
                _name_densities(right, points, frontier)
        percent = "%" if is_share(frontier.metric) else ""
        left.set_ylabel(f"{frontier.metric}{percent and ', %'}")
        left.set_ylim(*_span([_value(one, frontier) for one in measured], frontier))
        left.set_xlabel("milliseconds for one text")
        right.set_xlabel("megabytes, all in")
        for axes in (left, right):
            _logarithmic(axes)
        figure.legend(*right.get_legend_handles_labels(), loc="outside lower center", ncols=3)
        title = f"{frontier.metric} against milliseconds and megabytes; the table has the figures"
        return to_svg(figure, name, title)


def _look(point: Point, frontier: Frontier) -> _Look:
    if point.density >= 1.0:
        is_int8 = "int8" in point.precision
        dense = [one for one in frontier.points if one.density >= 1.0]
        engines = list(dict.fromkeys((one.engine, one.precision) for one in dense))
        place = engines.index((point.engine, point.precision))
        label = f"dense, {point.engine} {point.precision}"
        return _Look(label, SERIES[1] if is_int8 else SERIES[5], MARKERS[1:][place % 5])
    bits = sorted({one.bits for one in frontier.points if one.bits and one.density < 1.0})
    place = bits.index(point.bits) if point.bits in bits else 0
    said = f", {point.bits} bits" if point.bits else ""
    line = "--" if point.precision == "float32" else "-"
    color = (SERIES[0], SERIES[2], SERIES[3])[place % 3]
    return _Look(f"{point.engine} {point.precision}{said}", color, MARKERS[0], line)


def _draw(
    axes: Any, look: _Look, points: Sequence[Point], costs: Sequence[float], frontier: Frontier
) -> None:
    """Points in the order of their densities, so that a line goes from the densest on."""
    both = sorted(zip(points, costs, strict=True), key=lambda pair: -pair[0].density)
    axes.plot(
        [cost for _, cost in both],
        [_value(one, frontier) for one, _ in both],
        look.marker + look.line,
        color=look.color,
        label=look.label,
        markersize=5,
    )


def _name_densities(axes: Any, points: Sequence[Point], frontier: Frontier) -> None:
    """At the ends of a line, where others leave room."""
    ordered = sorted(points, key=lambda one: one.density)
    for one in ordered[:: max(1, len(ordered) - 1)]:
        axes.annotate(
            f"{100 * one.density:.3g}%",
            (one.bytes / 1e6, _value(one, frontier)),
            xytext=(6, -3),
            textcoords="offset points",
            fontsize=8,
        )


def _span(values: Sequence[float], frontier: Frontier) -> tuple[float, float]:
    """Of the axis: a little more than the values have, and of shares nothing beyond all."""
    room = max(0.15 * (max(values) - min(values)), 0.01 * abs(max(values)), 1e-6)
    top = max(values) + room
    return min(values) - room, min(top, 100.0 + room / 4) if is_share(frontier.metric) else top


def histogram_chart(histogram: Histogram, what: str, name: str) -> str:
    """How often values occur."""
    with style():
        figure = Figure((_WIDTH / 2, 2.4), layout="constrained")
        axes = figure.subplots()
        axes.stairs(histogram.counts, histogram.edges, fill=True, color=SERIES[0])
        axes.set_xlabel(what)
        axes.set_ylabel("how many")
        axes.yaxis.set_major_formatter(FuncFormatter(_thousands))
        return to_svg(figure, name, f"a histogram of {what}")


def bytes_chart(parts: Sequence[PartBytes], name: str) -> str:
    """Bytes of each part: dense, finalized, packed, and by the bound."""
    rows = {
        "dense": [part.dense for part in parts],
        "finalized": [part.finalized for part in parts],
        "packed": [part.packed for part in parts],
        "bound": [part.bound or 0 for part in parts],
    }
    labels = [part.part for part in parts]
    series = [[size[i] / 1e6 for size in rows.values()] for i in range(len(parts))]
    with style():
        figure = Figure((_WIDTH, 2.4), layout="constrained")
        _stack(figure.subplots(), list(rows), labels, series, "megabytes")
        return to_svg(figure, name, "megabytes by part; the table has the figures")


def time_chart(duration: Duration, name: str) -> str:
    """Milliseconds of the linears and the attention of each layer."""
    layers = [f"layer {one.layer}" for one in duration.layers]
    series = [
        [one.attention_linears for one in duration.layers],
        [one.feed_forward_linears for one in duration.layers],
        [one.attention for one in duration.layers],
    ]
    labels = ["attention's linears", "feed-forward linears", "attention itself"]
    with style():
        figure = Figure((_WIDTH, 1.0 + 0.22 * len(layers)), layout="constrained")
        _stack(figure.subplots(), layers, labels, series, "milliseconds")
        return to_svg(figure, name, "milliseconds by layer; the table has the figures")


def training_chart(log: Sequence[LogLine], name: str) -> str:
    """Density, losses and learning rates over the steps of a run, a panel each."""
    every = -(-len(log) // _MOST_POINTS)
    lines = [*log[: len(log) - 1 : every], log[-1]]  # the last one counts most
    panels: dict[str, tuple[str, ...]] = {
        "kept": ("density", "level"),
        "task loss": ("task_loss",),
        "divergence from the teacher": ("teacher",),
        "penalty": ("penalty",),
        "learning rates": ("learning_rate", "score_learning_rate"),
    }
    shown = {
        title: [one for one in keys if any(getattr(line, one) is not None for line in lines)]
        for title, keys in panels.items()
    }
    shown = {title: keys for title, keys in shown.items() if keys}
    with style():
        figure = Figure((_WIDTH, 1.5 * len(shown)), layout="constrained")
        every_axes = figure.subplots(len(shown), 1, sharex=True, squeeze=False)[:, 0]
        for axes, (title, keys) in zip(every_axes, shown.items(), strict=True):
            _curves(axes, title, keys, lines)
        every_axes[-1].set_xlabel("step")
        return to_svg(figure, name, f"{', '.join(shown)} over the steps of the run")


def _curves(axes: Any, title: str, keys: Sequence[str], lines: Sequence[LogLine]) -> None:
    for place, key in enumerate(keys):
        some = [(line.step, getattr(line, key)) for line in lines if getattr(line, key) is not None]
        axes.plot(
            [step for step, _ in some],
            [value for _, value in some],
            LINES[place],
            color=SERIES[place],
            label=key.replace("_", " "),
        )
    axes.set_title(title)
    values = [
        getattr(line, key) for line in lines for key in keys if getattr(line, key) is not None
    ]
    if min(values) > 0 and max(values) > 20 * min(values):
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(FuncFormatter(_plain))
        axes.yaxis.set_minor_formatter(FuncFormatter(_sparse))
    if len(keys) > 1:
        axes.legend()


def _stack(
    axes: Any,
    rows: Sequence[str],
    labels: Sequence[str],
    series: Sequence[Sequence[float]],
    unit: str,
) -> None:
    """Bars from left to right, one a row, each made of one piece a label."""
    ends = [0.0] * len(rows)
    for place, (label, values) in enumerate(zip(labels, series, strict=True)):
        axes.barh(rows, values, left=ends, color=SERIES[place], label=label, height=0.7)
        ends = [end + value for end, value in zip(ends, values, strict=True)]
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    axes.set_xlabel(unit)
    axes.figure.legend(loc="outside upper center", ncols=len(labels))


def _value(point: Point, frontier: Frontier) -> float:
    value = point.metrics[frontier.metric]
    return 100 * value if is_share(frontier.metric) else value


def _logarithmic(axes: Any) -> None:
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(FuncFormatter(_plain))
    axes.xaxis.set_minor_formatter(FuncFormatter(_sparse))
    axes.tick_params(which="both", labelsize=8)
    axes.grid(visible=True, which="major", color=FAINT)
    axes.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))


def _plain(value: float, _: object) -> str:
    return f"{value:g}"


def _sparse(value: float, _: object) -> str:
    """Of the small ticks of a logarithmic axis, those at 2 and 5."""
    return f"{value:g}" if f"{value:e}"[0] in "25" else ""


def _thousands(value: float, _: object) -> str:
    return f"{value:,.0f}"
