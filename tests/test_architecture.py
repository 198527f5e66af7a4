"""Imports only point down the list of layers, and out to what is declared."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

import fineprune

PACKAGE = Path(fineprune.__file__).parent
PYPROJECT = Path(__file__).parents[1] / "pyproject.toml"

# From the user down; a layer imports itself and what stands below it.
LAYERS = (
    "cli",
    "demo",
    "report",
    "huggingface",
    "training",
    "pytorch",
    "pruning",
    "core",
    "tasks",
    "corpus",
    "engine",
    "hub",
    "text",
    "packing",
)
# The floor: small modules beside the layers, which every layer may import.
FLOOR = {path.stem for path in PACKAGE.glob("*.py")} - {"__init__", "__main__"}

# Nothing that trains may depend on how a model is run, although the engine stands below.
NO_ENGINE = ("training", "pruning", "core", "tasks")
OF_ENGINE = {"engine", "corpus"}
TORCH = {"torch", "transformers", "accelerate"}
# Comes with the cluster that a program runs on.
FROM_CLUSTERS = {"pyspark"}
# Layers that work without PyTorch, and what each of them does without.
NO_TORCH = {
    "tasks": TORCH,
    "corpus": TORCH | {"datasets"},
    "engine": TORCH | {"datasets"},
    "hub": TORCH | {"datasets"},
    "text": TORCH | {"datasets"},
    "packing": TORCH | {"datasets"},
}


def imported(tree: ast.Module) -> Iterator[str]:
    """Names of all modules that a file imports, also inside of functions and type checking."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            assert node.module is not None
            if node.module == "fineprune":  # `from fineprune import core`: the name is the layer
                yield from (f"fineprune.{alias.name}" for alias in node.names)
            else:
                yield node.module


def violations(layer: str, source: str) -> list[str]:
    """The imports in `source` that a file of `layer` must not have."""
    inside = {*LAYERS[LAYERS.index(layer) :], *FLOOR, "__version__"}
    if layer in NO_ENGINE:
        inside -= OF_ENGINE
    found = []
    for name in imported(ast.parse(source)):
        root, _, rest = name.partition(".")
        if root == "fineprune":
            allowed = rest.partition(".")[0] in inside
        elif layer in NO_TORCH:
            allowed = root not in NO_TORCH[layer]
        elif layer == "core":
            allowed = root == "torch" or root in sys.stdlib_module_names
        else:
            allowed = True
        if not allowed:
            found.append(name)
    return found


def files_of(layer: str) -> list[Path]:
    return sorted((PACKAGE / layer).rglob("*.py"))


def test_every_folder_is_a_layer() -> None:
    folders = {path.name for path in PACKAGE.iterdir() if path.is_dir()}
    assert folders - {"__pycache__"} <= set(LAYERS)


@pytest.mark.parametrize("layer", LAYERS)
def test_imports_point_down(layer: str) -> None:
    found = {
        str(path.relative_to(PACKAGE)): wrong
        for path in files_of(layer)
        if (wrong := violations(layer, path.read_text(encoding="utf-8")))
    }
    assert not found


def test_the_floor_stands_on_nothing() -> None:
    for module in FLOOR:
        tree = ast.parse((PACKAGE / f"{module}.py").read_text(encoding="utf-8"))
        for name in imported(tree):
            root, _, rest = name.partition(".")
            assert root in sys.stdlib_module_names or rest in FLOOR, f"{module} imports {name}"


def test_third_party_imports_are_declared() -> None:
    project = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    parts = (extras[name] for name in ("parquet", "scale", "tasks", "train", "report", "embed"))
    requirements = [*project["dependencies"], *(line for part in parts for line in part)]
    declared = {re.split(r"[^\w-]", requirement)[0] for requirement in requirements}
    declared.add("pydantic-core")  # pydantic asks for one version of it, and so need not we
    imports = {
        name.partition(".")[0]
        for path in PACKAGE.rglob("*.py")
        for name in imported(ast.parse(path.read_text(encoding="utf-8")))
    }
    distributions = packages_distributions()
    for root in imports - {"fineprune"} - sys.stdlib_module_names - FROM_CLUSTERS:
        names = {re.sub(r"[-_.]+", "-", name).lower() for name in distributions[root]}
        assert names & declared, f"{root} is imported, and pyproject.toml does not ask for it"


@pytest.mark.parametrize(
    ("layer", "source"),
    [
        ("core", "import fineprune.pruning"),
        ("core", "from fineprune.training.recipe import Recipe"),
        ("core", "import numpy"),
        ("core", "def f():\n    from fineprune import cli"),
        ("pruning", "from fineprune.engine import Engine"),
        ("training", "if TYPE_CHECKING:\n    from fineprune.engine import Engine"),
        ("packing", "from fineprune.engine import Engine"),
        ("packing", "import torch.nn"),
        ("packing", "import datasets"),
        ("tasks", "from transformers import AutoTokenizer"),
        ("tasks", "from fineprune.engine import Engine"),
        ("tasks", "from fineprune.corpus.file import answer_file"),
        ("corpus", "import datasets"),
        ("engine", "from fineprune.corpus.file import answer_file"),
        ("engine", "from transformers import AutoTokenizer"),
        ("report", "from fineprune import attach"),
    ],
)
def test_a_forbidden_import_is_found(layer: str, source: str) -> None:
    assert len(violations(layer, source)) == 1


@pytest.mark.parametrize(
    ("layer", "source"),
    [
        ("cli", "from fineprune.engine import Engine\nimport torch"),
        (
            "pruning",
            "import fineprune.core.masks\nfrom fineprune.errors import TargetError",
        ),
        ("training", "from fineprune.packing import unpack"),
        ("core", "import math\nimport torch.nn.functional as F"),
        ("engine", "from fineprune.packing import read\nimport numpy as np"),
        ("packing", "from fineprune import __version__"),
        ("tasks", "from datasets import Dataset"),
    ],
)
def test_an_allowed_import_is_not_found(layer: str, source: str) -> None:
    assert violations(layer, source) == []
