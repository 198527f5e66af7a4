"""The pictures show what the methods do, in colors that both themes have."""

import re
from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree

import pytest
import torch

pytest.importorskip("matplotlib", reason="matplotlib is not installed")
from pictures import fine_tuned, fisher_densities, pictures

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def drawn() -> Mapping[str, str]:
    return pictures()


def test_each_stands_on_the_page(drawn: Mapping[str, str]) -> None:
    page = (DOCS / "methods.md").read_text("utf-8")
    shown = re.findall(r":file: _build/generated/(\w+)\.svg", page)
    assert sorted(shown) == sorted(drawn)


def test_each_is_an_element_that_says_what_it_shows(drawn: Mapping[str, str]) -> None:
    ids: list[str] = []
    for picture in drawn.values():
        root = ElementTree.fromstring(picture)
        assert root.get("role") == "img"
        assert len(root.get("aria-label", "")) > 20
        ids += [one for element in root.iter() if (one := element.get("id")) is not None]
    assert len(ids) == len(set(ids))  # all of them stand on one page


def test_their_colors_are_those_of_the_style_sheet(drawn: Mapping[str, str]) -> None:
    style = (DOCS / "_static" / "pictures.css").read_text("utf-8")
    defined = set(re.findall(r"(--[\w-]+): ", style))
    for picture in drawn.values():
        assert set(re.findall(r"var\((--[\w-]+)\)", picture)) <= defined
        assert not re.findall(r"#0a0b\d\d", picture)


def test_fisher_cuts_forty_times_at_most_and_ends_at_keep() -> None:
    found = fisher_densities(0.05)
    levels = sorted(set(found), reverse=True)
    assert found == sorted(found, reverse=True)
    assert levels[0] == 1
    assert levels[1] == pytest.approx(0.5, abs=1e-3)
    assert 20 < len(levels) <= 42
    assert found[-1] == pytest.approx(0.05, abs=1e-3)


def test_scores_rise_where_weights_move_away_from_zero() -> None:
    torch.manual_seed(1)
    before, after, scores = fine_tuned()
    best = scores.flatten().topk(100).indices
    moved = (after.abs() - before.abs()).flatten()
    assert (moved[best] > 0).all()
    assert moved.mean() < moved[best].mean()
