"""From matplotlib's SVG to what stands inside of a page, and takes its colors from there.

Matplotlib writes colors as numbers. It is given a number that nobody uses for each role; these are
replaced by the page's CSS variables, whose values differ between light, dark, and print.
"""

import io
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure

_ROLES = ("ink", "faint", "series-0", "series-1", "series-2", "series-3", "series-4", "series-5")
_COLORS = {role: f"#0a0b{number:02x}" for number, role in enumerate(_ROLES, 16)}

INK, FAINT = _COLORS["ink"], _COLORS["faint"]
SERIES = tuple(color for role, color in _COLORS.items() if role.startswith("series"))
"""Of things side by side. The page gives them colors that the color-blind tell apart."""

MARKERS = ("o", "s", "^", "D", "v", "P")
LINES = ("-", "--", "-.", ":")

_SETTINGS: Any = {
    "svg.fonttype": "none",  # text stays text: it is found, read aloud, and small
    "svg.hashsalt": "fineprune",
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": FAINT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": FAINT,
    "grid.alpha": 0.4,
    "grid.linewidth": 0.6,
    "xtick.color": INK,
    "ytick.color": INK,
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "legend.frameon": False,
    "lines.linewidth": 1.6,
}

# At its first use it looks for fonts, and says so where that takes long; none is used here.
logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)

_FONT = re.compile(r"(font: [^;\"]*?\d+(?:\.\d+)?px) [^;\"]*")
_IDS = re.compile(r'(\bid="|href="#|url\(#)')


@contextmanager
def style() -> Iterator[None]:
    """Makes figures in the block look as all others of the page."""
    with rc_context(_SETTINGS):
        yield


def to_svg(figure: Figure, name: str, title: str) -> str:
    """A figure as an element of a page.

    Args:
        figure: made in the style's block, and saved there.
        name: that no other figure of the page has; what it refers to inside begins so.
        title: what it shows, for those who do not see it.
    """
    stream = io.StringIO()
    figure.savefig(stream, format="svg", transparent=True, metadata={"Date": None})
    text = stream.getvalue()
    body = text[text.index("<svg") :]
    body = re.sub(r"\s*<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = _FONT.sub(r"\1 system-ui, sans-serif", body)
    body = _IDS.sub(rf"\g<1>{name}-", body)
    for role, color in _COLORS.items():
        body = body.replace(color, f"var(--{role})")
    width, rest = body.split(">", 1)
    viewbox = re.search(r'viewBox="[^"]*"', width)
    assert viewbox is not None
    return (
        f'<svg {viewbox[0]} role="img" aria-label="{escape(title)}" class="chart" '
        f'xmlns:xlink="http://www.w3.org/1999/xlink">{rest}'
    )
