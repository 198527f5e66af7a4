"""The page as people see it: in a browser, from a file, without a network."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fineprune.report.measure import make_report
from fineprune.report.page import render
from tests.report.browser import NAMES, Browser, browser, browser_path
from tests.report.models import FRONTIER, LOG, save, weights

PROGRAM = browser_path()
pytestmark = pytest.mark.skipif(PROGRAM is None, reason=f"none of {', '.join(NAMES)} is installed")
# One second is what users get; tests share a busy machine.
MOST_SECONDS = 5.0
COLUMN = "[...document.querySelectorAll('details:first-of-type tbody tr')].map((row) => {})"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    tensors = weights()
    tensors["bert.encoder.layer.1.attention.self.key.weight"][0] = 0
    run = save(tensors, folder / "run", trainer_state=LOG, frontier=FRONTIER)
    file = folder / "page.html"
    file.write_text(render(*make_report([run])), encoding="utf-8")
    return file


@pytest.fixture
def tab(page: Path, tmp_path: Path) -> Iterator[Browser]:
    assert PROGRAM is not None
    with browser(PROGRAM, tmp_path / "browser") as tab:
        start = time.monotonic()
        tab.open(page)
        assert time.monotonic() - start < MOST_SECONDS
        yield tab
        complaints = ("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded")
        assert tab.happened(*complaints) == []
        asked = {one["request"]["url"] for one in tab.happened("Network.requestWillBeSent")}
        assert {url for url in asked if not url.startswith("data:")} == {page.as_uri()}


def test_it_opens_in_both_themes_and_on_paper(tab: Browser, tmp_path: Path) -> None:
    grounds, pictures = [], []
    for theme, media in (("light", "screen"), ("dark", "screen"), ("dark", "print")):
        tab.look(theme=theme, media=media)
        grounds.append(tab.value("getComputedStyle(document.body).backgroundColor"))
        tab.screenshot(tmp_path / "page.png")
        pictures.append((tmp_path / "page.png").read_bytes())
    assert grounds == ["rgb(255, 255, 255)", "rgb(20, 23, 26)", "rgb(255, 255, 255)"]
    assert len(set(pictures)) == 3
    # Nothing sticks out at the side, on a telephone either.
    for width in (1200, 360):
        tab(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=800,
            deviceScaleFactor=1,
            mobile=False,
        )
        assert tab.value("document.documentElement.scrollWidth") <= width


def test_text_stands_out_from_its_ground(tab: Browser) -> None:
    contrast = """(() => {
        const often = {willReadFrequently: true};
        const canvas = document.createElement("canvas").getContext("2d", often);
        const light = (color) => {
            canvas.fillStyle = color; canvas.fillRect(0, 0, 1, 1);
            const parts = [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3).map((value) => {
                const share = value / 255;
                return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
            });
            return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
        };
        const ground = (one) => {
            const color = getComputedStyle(one).backgroundColor;
            return color === "rgba(0, 0, 0, 0)" ? ground(one.parentElement) : color;
        };
        const every = [...document.querySelectorAll("p, a:not(.skip), td, th, h2, li, option")];
        return Math.min(...every.map((one) => {
            const [a, b] = [light(getComputedStyle(one).color), light(ground(one))];
            return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        }));
    })()"""
    for theme in ("light", "dark"):
        tab.look(theme=theme)
        assert tab.value(contrast) >= 4.5  # WCAG 2.2, level AA


def test_tables_are_sorted_by_their_headings(tab: Browser) -> None:
    kept = COLUMN.format("Number(row.cells[1].dataset.value)")
    heading = "document.querySelectorAll('details:first-of-type th button')[1]"
    tab.value(f"{heading}.closest('details').open = true")
    before = tab.value(kept)
    tab.value(f"{heading}.focus()")
    for wanted, state in ((sorted(before), "ascending"), (sorted(before)[::-1], "descending")):
        tab.press("Enter", "\r")
        assert tab.value(kept) == wanted
        assert tab.value(f"{heading}.parentElement.getAttribute('aria-sort')") == state
    names = COLUMN.format("row.cells[0].textContent")
    tab.value("document.querySelector('details:first-of-type th button').click()")
    assert tab.value(names) == sorted(tab.value(names))


def test_a_sum_stays_below_what_it_sums(tab: Browser) -> None:
    table = "document.querySelector('#model-0-bytes ~ .scroll table')"
    tab.value(f"{table}.id = 'sizes'")
    last = "[...document.querySelectorAll('#sizes tr')].at(-1).cells[0].textContent"
    for _ in range(2):
        tab.value("document.querySelectorAll('#sizes th button')[3].click()")
        assert tab.value(last) == "all"


def test_the_first_screen_has_the_figures_that_count(tab: Browser) -> None:
    figures = "[...document.querySelectorAll('.figures dd')]"
    names = "[...document.querySelectorAll('.figures dt')].map((one) => one.textContent)"
    assert tab.value(names) == ["weights kept", "packed", "one text"]
    assert tab.value(f"{figures}.every((one) => one.getBoundingClientRect().bottom < 500)")


def test_a_mask_is_shown_when_it_is_chosen(tab: Browser) -> None:
    shown = "[...document.querySelectorAll('.masks figure')].map((one) => one.checkVisibility())"
    assert tab.value(shown) == [True] + 11 * [False]
    tab.value("""(() => {
        const choice = document.querySelector(".choice");
        choice.selectedIndex = 3;
        choice.dispatchEvent(new Event("change"));
    })()""")
    assert tab.value(shown) == 3 * [False] + [True] + 8 * [False]
    assert tab.value(
        "[...document.querySelectorAll('.masks img')].every((one) => one.naturalWidth > 0)"
    )


def test_the_keyboard_reaches_everything(tab: Browser) -> None:
    everything = """[...document.querySelectorAll("a, button, select, summary, .scroll")]
        .filter((one) => one.checkVisibility()).length"""
    tab.value("window.reached = new Set()")
    for _ in range(tab.value(everything)):
        tab.press("Tab")
        tab.value("void reached.add(document.activeElement)")
    assert tab.value("reached.size") == tab.value(everything)
    assert not tab.value("reached.has(document.body)")
