"""The page itself: templates filled with a report."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from fineprune.report import numbers, tables
from fineprune.report.frontier.findings import conditions
from fineprune.report.frontier.records import Frontier
from fineprune.report.masks import MaskImage, to_data_url
from fineprune.report.names import order_of_parts
from fineprune.report.page import charts
from fineprune.report.records import ModelReport, Report
from fineprune.report.tables import Table

_CODE = re.compile(r"`([^`]+)`")


def render(report: Report, images: Mapping[str, Sequence[MaskImage]]) -> str:
    """The page of a report: all of it in one text, the same for the same report.

    Args:
        report: what it says.
        images: masks of each model, by the model's name.
    """
    environment = Environment(
        loader=PackageLoader("fineprune.report.page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["percent"] = numbers.percent
    environment.filters["code"] = _with_code
    environment.filters["whole"] = numbers.whole
    environment.filters["metric_of"] = lambda value, name: numbers.metric(name, value)
    return environment.get_template("page.html.j2").render(
        title=", ".join(model.name for model in report.models),
        report=report,
        frontiers=[_brought(one, place) for place, one in enumerate(report.frontiers)],
        sections=[
            _section(model, place, images.get(model.name, ()))
            for place, model in enumerate(report.models)
        ],
    )


def _with_code(sentence: str) -> Markup:
    """A sentence whose backquotes mark what is typed."""
    return Markup(_CODE.sub(r"<code>\1</code>", str(escape(sentence))))


def _brought(frontier: Frontier, place: int) -> dict[str, Any]:
    return {
        "conditions": f"{conditions(frontier)} Measured for {frontier.source}.",
        "chart": Markup(charts.frontier_chart(frontier, f"frontier-{place}")),
        "table": tables.frontier_table(frontier),
    }


def _section(model: ModelReport, place: int, images: Sequence[MaskImage]) -> dict[str, Any]:
    """What the page shows of a model beside its figures."""
    name = f"model-{place}"
    parts = order_of_parts([one.part for one in model.matrices if one.layer is not None])
    heads = max((one.head + 1 for one in model.heads), default=0)
    by_part = {(one.layer, one.part): one.density for one in model.matrices}
    by_head = {(one.layer, one.head): one.density for one in model.heads}
    return {
        "id": name,
        "model": model,
        "figures": list(_figures(model)),
        "parts": parts,
        "cells": _rows(by_part, parts),
        "densest": max(by_part.values()) or 1.0,
        "head_headings": [f"head {head}" for head in range(heads)],
        "heads": _rows(by_head, range(heads)),
        "densest_head": max(by_head.values(), default=0.0) or 1.0,
        "images": [
            {"name": one.name, "block": one.block, "url": to_data_url(one), "shades": one.shades}
            for one in images
        ],
        "charts": {title: Markup(chart) for title, chart in _charts(model, name).items()},
        "tables": _tables(model),
    }


def _figures(model: ModelReport) -> Iterator[dict[str, str]]:
    """What a reader looks for first."""
    smaller = f"{numbers.times(model.dense_bytes / model.packed_bytes)} times smaller than dense"
    yield _figure("weights kept", numbers.percent(model.density))
    yield _figure("packed", numbers.megabytes(model.packed_bytes), smaller)
    for name, value in [*model.metrics.items()][:1]:
        yield _figure(name, numbers.metric(name, value), "when it was trained")
    if model.duration:
        text = f"for {model.duration.tokens} tokens on one thread"
        yield _figure("one text", numbers.milliseconds(model.duration.whole), text)


def _figure(name: str, value: str, aside: str = "") -> dict[str, str]:
    return {"name": name, "value": value, "aside": aside}


def _rows(
    densities: Mapping[Any, float], columns: Sequence[Any]
) -> list[tuple[str, list[float | None]]]:
    """Rows of a heat map, a layer each, of densities by layer and column."""
    layers = sorted({layer for layer, _ in densities if layer is not None})
    return [
        (f"layer {layer}", [densities.get((layer, column)) for column in columns])
        for layer in layers
    ]


def _tables(model: ModelReport) -> dict[str, Table]:
    found = {"matrices": tables.matrix_table(model), "bytes": tables.bytes_table(model.bytes)}
    if model.duration:
        found["whole"] = tables.duration_table(model.duration)
        found["forms"] = tables.form_table(model.duration)
        found["layers"] = tables.layer_table(model.duration)
        found["plan"] = tables.plan_table(model.duration)
    if model.log:
        found["log"] = tables.log_table(model.log)
    return found


def _charts(model: ModelReport, name: str) -> dict[str, str]:
    found = {"bytes": charts.bytes_chart(model.bytes, f"{name}-bytes")}
    if model.weights:
        found["weights"] = charts.histogram_chart(model.weights, "kept weights", f"{name}-weights")
    if model.scores:
        found["scores"] = charts.histogram_chart(model.scores, "scores", f"{name}-scores")
    if model.duration:
        found["time"] = charts.time_chart(model.duration, f"{name}-time")
    if model.log:
        found["training"] = charts.training_chart(model.log, f"{name}-training")
    return found
