"""`fineprune report`."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from fineprune.cli.options import JsonOption
from fineprune.cli.printing import print_json
from fineprune.extras import needs
from fineprune.files import replacing, require_place
from fineprune.report.measure import make_report
from fineprune.report.numbers import megabytes
from fineprune.report.text import to_text


def report(
    models: Annotated[
        list[Path],
        typer.Argument(
            help="Runs, plain folders, packed files, or runs with a frontier.json.",
            metavar="MODEL...",
        ),
    ],
    *,
    against: Annotated[
        Path | None, typer.Option(help="The dense model, to compare with.", metavar="DENSE")
    ] = None,
    output: Annotated[Path, typer.Option(help="The page to write.", metavar="FILE")] = Path(
        "report.html"
    ),
    bits: Annotated[
        int, typer.Option(help="To pack with, of models that are not packed yet: 2 to 8, 16 or 32.")
    ] = 8,
    text: Annotated[bool, typer.Option("--text", help="Print tables, and write no page.")] = False,
    json: JsonOption = False,
) -> None:
    """Explain models: what was pruned, where bytes and milliseconds are, what it brings.

    Writes one page that needs no network. Milliseconds are measured here, in a few seconds, in
    the engine; the accuracy is what was recorded. With --json or --text no page is written.
    """
    writes_page = not (text or json)
    if writes_page:
        with needs("report", "fineprune report"):
            from fineprune.report.page import render
        require_place(output)  # before anything is measured
    with Console(stderr=True).status("") as status:
        found, images = make_report(
            models, against=against, images=writes_page, bits=bits, say=status.update
        )
    if json:
        print_json(found.record())
    elif text:
        print(to_text(found), end="")
    else:
        page = render(found, images)
        with replacing(output) as temporary:
            temporary.write_text(page, encoding="utf-8")
        print(f"{output}: a page of {megabytes(len(page.encode()))}")
