"""`fineprune init`."""

from pathlib import Path
from typing import Annotated

import typer

from fineprune.errors import FileTakenError
from fineprune.extras import needs
from fineprune.files import replacing


def init(
    data: Annotated[
        list[Path],
        typer.Argument(
            help="A file to train on; then, if there are, those for validation and test.",
            metavar="DATA",
        ),
    ],
    *,
    model: Annotated[
        str | None,
        typer.Option(help="What to train from: a folder, a hub name, or package:NAME/PATH."),
    ] = None,
    output: Annotated[
        Path, typer.Option(help="The recipe to write; it must not be there.", metavar="RECIPE")
    ] = Path("recipe.yaml"),
) -> None:
    """Look at a data file, and write a commented recipe that trains on it.

    The columns decide the task: text classification, of texts or pairs, regression, or question
    answering. Of one file, some rows are kept for validation. Where several things are possible,
    one is taken, and a comment says why.
    """
    with needs("tasks", "fineprune init"):
        from fineprune.tasks.proposal import propose
        from fineprune.tasks.recipe_file import read_task
        from fineprune.tasks.registry import load_task

    _require_free(output)
    proposal = propose(data, model=model, output=str(output))
    with replacing(output) as path:
        path.write_text(proposal.text, encoding="utf-8")
        task = load_task(read_task(path))  # what cannot be trained on shows here
        _require_free(output)
    print(f"{output}: {proposal.summary}")
    for note in task.notes:
        print(note)


def _require_free(path: Path) -> None:
    if path.exists() or path.is_symlink():
        raise FileTakenError(f"{path} is there already; name another recipe with --output")
