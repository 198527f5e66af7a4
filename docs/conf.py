"""How Sphinx builds this documentation."""

import sys
from pathlib import Path

from sphinx.application import Sphinx

import fineprune

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_ext"))

from api_reference import api_reference, modules_reference  # noqa: E402
from command_reference import command_reference  # noqa: E402
from density_table import density_tables  # noqa: E402
from pictures import pictures  # noqa: E402
from recipe_reference import recipe_reference  # noqa: E402

from fineprune.cli.main import app as command_line  # noqa: E402

project = "fineprune"
author = "The fineprune authors"
copyright = author
version = release = fineprune.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.mathjax", "sphinx.ext.napoleon"]
exclude_patterns = ["results/head.md", "_build"]

html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["pictures.css"]
html_title = f"fineprune {version}"

myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
napoleon_use_ivar = True  # fields stand in their class's own entry, not in entries of their own


def write_generated_pages(app: Sphinx) -> None:
    folder = HERE / "_build" / "generated"
    folder.mkdir(parents=True, exist_ok=True)
    pages = {
        "api": api_reference(),
        "commands": command_reference(command_line),
        "densities": density_tables(HERE / "results" / "ledger.json"),
        "modules": modules_reference(),
        "recipe": recipe_reference(),
    }
    for name, text in pages.items():
        (folder / f"{name}.md").write_text(text, encoding="utf-8")
    for name, picture in pictures().items():
        (folder / f"{name}.svg").write_text(picture, encoding="utf-8")


def setup(app: Sphinx) -> None:
    app.connect("builder-inited", write_generated_pages)
