"""The figures of a page."""

from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from fineprune.report.frontier.records import OURS, Frontier, Point
from fineprune.report.numbers import is_share
from fineprune.report.page.themes import FAINT, LINES, MARKERS, SERIES, style, to_svg
from fineprune.report.records import Duration, Histogram, LogLine, PartBytes

_WIDTH = 9.0  # inches; the page scales it to its own
_MOST_POINTS = 400  # of a line: more are closer than pixels


def frontier_chart(frontier: Frontier, name: str) -> str:
    """The metric against milliseconds, and against bytes."""
    groups: dict[str, list[Point]] = {}
    for point in frontier.points:
        if frontier.metric in point.metrics:
            groups.setdefault(_group(point), []).append(point)
    with style():
        figure = Figure((_WIDTH, 3.4), layout="constrained")
        left, right = figure.subplots(1, 2, sharey=True)
        for place, (label, points) in enumerate(groups.items()):
            timed = [
                (one.milliseconds, _value(one, frontier)) for one in points if one.milliseconds
            ]
            sized = [(one.bytes / 1e6, _value(one, frontier)) for one in points]
            for axes, pairs in ((left, timed), (right, sized)):
                is_line = label.startswith(OURS) and len(pairs) > 1
                pairs = sorted(pairs) if is_line else pairs
                axes.plot(
                    [pair[0] for pair in pairs],
                    [pair[1] for pair in pairs],
                    _marker(place) + ("-" if is_line else ""),
                    color=SERIES[place % len(SERIES)],
                    label=label,
                )
        percent = "%" if is_share(frontier.metric) else ""
        left.set_ylabel(f"{frontier.metric}{percent and ', %'}")
        left.set_xlabel("milliseconds for one text")
        right.set_xlabel("megabytes, all in")
        for axes in (left, right):
            _logarithmic(axes)
        figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=3)
        title = f"{frontier.metric} against milliseconds and megabytes; the table has the figures"
        return to_svg(figure, name, title)


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


def _marker(place: int) -> str:
    """Another one where colours begin anew."""
    return MARKERS[(place + place // len(SERIES)) % len(MARKERS)]


def _group(point: Point) -> str:
    if point.density >= 1.0:
        return f"{point.engine} {point.precision}, dense"
    bits = f", {point.bits} bits" if point.bits else ""
    return f"{point.engine} {point.precision}{bits}"


def _value(point: Point, frontier: Frontier) -> float:
    value = point.metrics[frontier.metric]
    return 100 * value if is_share(frontier.metric) else value


def _logarithmic(axes: Any) -> None:
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(FuncFormatter(_plain))
    axes.xaxis.set_minor_formatter(FuncFormatter(_sparse))
    axes.tick_params(which="both", labelsize=8)
    axes.grid(visible=True, which="major", color=FAINT)
    axes.yaxis.set_major_locator(MaxNLocator(6))


def _plain(value: float, _: object) -> str:
    return f"{value:g}"


def _sparse(value: float, _: object) -> str:
    """Of the small ticks of a logarithmic axis, those at 2 and 5."""
    return f"{value:g}" if f"{value:e}"[0] in "25" else ""


def _thousands(value: float, _: object) -> str:
    return f"{value:,.0f}"
