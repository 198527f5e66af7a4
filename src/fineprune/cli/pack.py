"""`fineprune pack`."""

from pathlib import Path
from typing import Annotated

import typer

from fineprune.cli.options import JsonOption
from fineprune.cli.printing import note, print_json, print_table
from fineprune.engine.config import Config
from fineprune.engine.errors import UnsupportedModelError
from fineprune.engine.support import class_to_run
from fineprune.extras import needs
from fineprune.packing import PackReport, Unseen, pack_folder, read_packed
from fineprune.packing import pack as pack_file

_BITS = "2 to 8, or 16 or 32 for floats."


def pack(
    source: Annotated[Path, typer.Argument(help="A finalized model folder.", metavar="SOURCE")],
    file: Annotated[Path, typer.Argument(help="The file, or folder, to write.", metavar="FILE")],
    *,
    folder: Annotated[
        bool,
        typer.Option(
            "--folder",
            help="Write a folder, which transformers loads after `import fineprune.huggingface`.",
        ),
    ] = False,
    bits: Annotated[int, typer.Option(help=f"Of the weights in layers: {_BITS}")] = 8,
    embedding_bits: Annotated[int, typer.Option(help=f"Of the embeddings: {_BITS}")] = 8,
    unseen_embedding_bits: Annotated[
        int | None,
        typer.Option(
            help="Of the embeddings of tokens that are in no training text of the recipe in "
            "SOURCE: 2 to 8, and fewer than of the others. Reads the data that it names."
        ),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Pack a finalized model into one small file."""
    unseen = None if unseen_embedding_bits is None else _unseen(source, unseen_embedding_bits)
    if folder:
        # Not before `main` has told the hub's library to show no bars of its own.
        from fineprune.hub.card import write_card_of_packed

        name = file.resolve().name
        report = pack_folder(
            source,
            file,
            bits=bits,
            embedding_bits=embedding_bits,
            unseen=unseen,
            add=lambda unfinished: write_card_of_packed(unfinished, name),
        )
    else:
        report = pack_file(source, file, bits=bits, embedding_bits=embedding_bits, unseen=unseen)
    _note_what_runs_it(file, [one.name for one in report.tensors])
    if json:
        print_json(
            {
                "file_bytes": report.file_bytes,
                "source_bytes": report.source_bytes,
                "rounded_to_zero": report.rounded_to_zero,
                "relative_error": report.relative_error,
            }
        )
        return
    print_table({"": "left", "value": "right"}, _rows(report), title=str(file))


def _unseen(source: Path, bits: int) -> Unseen:
    with needs("tasks", "fineprune pack --unseen-embedding-bits"):
        from fineprune.tasks.seen_tokens import seen_tokens

    return Unseen(bits, seen_tokens(source))


def _note_what_runs_it(file: Path, tensors: list[str]) -> None:
    """Says so where the engine does not: packed all the same, a file can be loaded in PyTorch."""
    packed = read_packed(file, tensors=())
    try:
        class_to_run(Config(packed.config), tensors, packed.attachments)
    except UnsupportedModelError as error:
        note(f"{file}: {error}")


def _rows(report: PackReport) -> list[list[str]]:
    return [
        ["weights as float32", f"{report.source_bytes:,} bytes"],
        ["packed file", f"{report.file_bytes:,} bytes"],
        ["times smaller", f"{report.source_bytes / report.file_bytes:.1f}"],
        ["kept weights that became zero", f"{report.rounded_to_zero:,}"],
        ["relative error of the weights", f"{report.relative_error:.2%}"],
    ]
