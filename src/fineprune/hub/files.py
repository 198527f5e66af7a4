"""What a packed file is called on a hub, and which file of a folder is meant."""

from pathlib import Path

from fineprune.errors import HubError
from fineprune.wording import listed

FILENAME = "model.fineprune.safetensors"
"""Not `model.safetensors`, which promises plain weights."""


def file_in(folder: Path, filename: str | None) -> Path:
    """The packed file in a folder.

    Args:
        folder: on this machine.
        filename: of the file; without, the usual one, or the only one whose name ends so.

    Raises:
        HubError: there is none, or there are several.
    """
    if filename is not None:
        found = [folder / filename]
    else:
        usual = folder / FILENAME
        found = [usual] if usual.is_file() else sorted(folder.glob("*.fineprune.safetensors"))
    found = [path for path in found if path.is_file()]
    if len(found) == 1:
        return found[0]
    if found:
        raise HubError(
            f"{folder} holds {listed(path.name for path in found)}; say which with filename"
        )
    raise HubError(
        f"{folder} holds no packed file {filename or FILENAME}; name one with filename, or pack "
        "the folder first"
    )
