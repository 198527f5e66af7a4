"""The page and the text of a report: what they say, and that they say no more than the record."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest

from fineprune.report import numbers
from fineprune.report.measure import Images, make_report
from fineprune.report.names import MatrixName
from fineprune.report.page import render
from fineprune.report.records import Report
from fineprune.report.text import to_text
from tests.report.models import FRONTIER, LOG, save, weights

Reported = tuple[Report, Images]

NUMBER = re.compile(r"(?<![\w#.-])[+-]?\d[\d,]*(?:\.\d+)?(?:e[+-]\d+)?(?![\w-])")
METRICS = {"metrics": {"f1": 81.25, "exact_match": 70.5}, "examples": 1234}


@pytest.fixture(scope="module")
def reported(tmp_path_factory: pytest.TempPathFactory) -> Reported:
    """Two models, one of them a frontier with hostile names."""
    folder = tmp_path_factory.mktemp("report")
    for name in (
        "bert.encoder.layer.1.output.dense.weight",
        "bert.encoder.layer.0.output.dense.weight",
    ):
        tensors = weights()
        tensors[name][0] = 0
        run = folder / ("<b>run" if "1" in name else "other")
        save(tensors, run, metrics=METRICS, trainer_state=LOG, frontier=FRONTIER)
    return make_report([folder / "<b>run", folder / "other"], against=folder / "other")


@pytest.fixture(scope="module")
def page(reported: Reported) -> str:
    return render(*reported)


class Texts(HTMLParser):
    """Texts of a page outside of figures, styles and scripts; addresses that it names; ids."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.addresses: list[str] = []
        self.ids: list[str] = []
        self.tags: list[str] = []
        self._silent = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.tags.append(tag)
        self._silent += tag in ("svg", "style", "script")
        self.addresses += [
            values[key] or "" for key in ("src", "href", "xlink:href") if key in values
        ]
        self.ids += [values["id"] or ""] if "id" in values else []

    def handle_endtag(self, tag: str) -> None:
        self._silent -= tag in ("svg", "style", "script")

    def handle_data(self, data: str) -> None:
        if not self._silent and data.strip():
            self.texts.append(data)


def parsed(page: str) -> Texts:
    parser = Texts()
    parser.feed(page)
    return parser


def written(record: Any) -> set[str]:
    """Every way in which a number of a record, or one inside of its texts, may be written."""
    if isinstance(record, dict):
        return {one for value in record.values() for one in written(value)}
    if isinstance(record, list | tuple):
        # Lists of numbered things are counted, and summed up in tables.
        return {one for value in record for one in written(value)} | {str(len(record))}
    if isinstance(record, str):
        return set(NUMBER.findall(record))
    if isinstance(record, bool) or record is None:
        return set()
    said = [
        numbers.percent(record),
        numbers.whole(record),
        numbers.megabytes(record),
        numbers.milliseconds(record),
        f"{record:.3g}",
        f"{record:.1f}",
        str(record),
    ]
    return {number for text in said for number in NUMBER.findall(text)}


def sums(record: dict[str, Any]) -> list[Any]:
    """What tables add up of a record."""
    return [
        [sum(part[name] for part in model["bytes"]) for name in ("dense", "finalized", "packed")]
        + [matrix["rows"] * matrix["columns"] for matrix in model["matrices"]]
        for model in record["models"]
    ]


def test_no_number_stands_on_the_page_that_the_record_does_not_have(
    reported: Reported, page: str
) -> None:
    record = json.loads(json.dumps(reported[0].record()))
    known = written(record) | written(sums(record))
    shown = [number for text in parsed(page).texts for number in NUMBER.findall(text)]
    text = NUMBER.findall(to_text(reported[0]))
    assert len(shown) > 300
    assert len(text) > 200
    assert set(shown) - known == set()
    assert set(text) - known == set()


def test_the_check_finds_a_number_that_is_not_in_the_record() -> None:
    assert set(NUMBER.findall("4,711 of 12.5 MB")) - written({"a": 4711}) == {"12.5"}


def test_the_same_report_gives_the_same_page(reported: Reported, page: str) -> None:
    assert render(*reported) == page


def test_nothing_outside_of_the_page_is_asked_for(page: str) -> None:
    found = parsed(page)
    assert [one for one in found.addresses if not one.startswith(("#", "data:"))] == []
    assert "link" in found.tags  # of the icon, which browsers would ask for
    assert len(set(found.ids)) == len(found.ids)
    local = [one[1:] for one in found.addresses if one.startswith("#")]
    assert set(local) <= set(found.ids)


def test_names_of_models_are_no_markup(page: str) -> None:
    assert "<b>run" not in page
    assert "&lt;b&gt;run" in page
    assert "A &lt;CPU&gt; &amp; more" in page


def test_colors_are_the_page_s(page: str) -> None:
    figures = re.findall(r"<svg.*?</svg>", page, re.DOTALL)
    assert len(figures) == 2 + 2 * 4  # weights, bytes, time and training of each
    for figure in figures:
        assert "var(--series-0)" in figure
        assert re.findall(r"#[0-9a-f]{6}\b", figure.replace("#ffffff", "")) == []


def test_one_point_is_compared_with_nothing(reported: Reported) -> None:
    report, images = reported
    frontier, *_ = report.frontiers
    alone = replace(report, frontiers=[replace(frontier, points=frontier.points[:1])])
    brings = re.compile(r'<section id="brings">.*?</section>', re.DOTALL)
    before, after = (brings.findall(render(one, images)) for one in (report, alone))
    assert ["<svg" in one for one in (*before, *after)] == [True, False]
    assert "Accuracy and cost" in after[0]


def test_every_mask_can_be_chosen(reported: Reported, page: str) -> None:
    for model in reported[0].models:
        for matrix in model.matrices:
            assert f">{MatrixName.of(matrix.tensor)}</option>" in page
    assert page.count("data:image/png;base64,") == sum(
        len(model.matrices) for model in reported[0].models
    )


def test_text_fits_80_columns(reported: Reported) -> None:
    lines = to_text(reported[0]).splitlines()
    assert max(map(len, lines)) <= 80
    assert "  layer 0 attention query" in "\n".join(lines)
    for heading in ("What it brings", "Size", "Milliseconds", "How it was trained"):
        assert heading in lines
