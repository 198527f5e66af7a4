"""`import fineprune` is quick, works without PyTorch, and says what is missing."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import fineprune
from fineprune.errors import FinepruneError, MissingExtraError
from fineprune.extras import needs
from tests.packing.folders import tiny_tensors, write_folder

OF_TRAIN = ("torch", "transformers", "datasets", "pydantic")
HEAVY = (*OF_TRAIN, "numpy", "rich", "typer")

NO_TORCH = """
import sys
class NoTorch:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "torch":
            raise ModuleNotFoundError("No module named 'torch'", name="torch")
sys.meta_path.insert(0, NoTorch())
import fineprune
"""
"""What a program starts with to see an installation without PyTorch."""


def python(code: str) -> str:
    """Standard output of `code` in a fresh interpreter."""
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=60
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


def test_import_loads_nothing_heavy() -> None:
    code = f"import sys, fineprune; print([m for m in {HEAVY} if m in sys.modules])"
    assert python(code) == "[]"


def test_import_is_quick() -> None:
    # Importing PyTorch takes seconds; a limit of one keeps it out on a busy machine too.
    code = (
        "import time; start = time.perf_counter(); import fineprune; "
        "print(time.perf_counter() - start)"
    )
    assert float(python(code)) < 1.0


@pytest.mark.parametrize("name", fineprune.__all__)
def test_public_name_resolves(name: str) -> None:
    assert getattr(fineprune, name) is not None
    assert name in dir(fineprune)


def test_type_checkers_see_the_names_that_users_get() -> None:
    tree = ast.parse(Path(fineprune.__file__).read_text(encoding="utf-8"))
    [guard] = [node for node in tree.body if isinstance(node, ast.If)]
    seen = {
        alias.asname: (node.module, alias.name)
        for node in guard.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert seen == {name: (module, name) for name, module in fineprune._LAZY.items()}


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        fineprune.no_such_name  # noqa: B018


def test_missing_dependency_names_the_extra() -> None:
    with (
        pytest.raises(MissingExtraError, match="'no_such_package'") as caught,
        needs("train", what="fineprune train"),
    ):
        importlib.import_module("no_such_package.part")
    message = str(caught.value)
    assert message.startswith("fineprune train needs")
    assert 'pip install "fineprune[train]"' in message
    assert "\n" not in message
    assert isinstance(caught.value, FinepruneError)


def test_mistake_of_our_own_is_not_called_a_missing_dependency() -> None:
    with pytest.raises(ModuleNotFoundError, match="no_such_module"), needs("train", "x"):
        importlib.import_module("fineprune.no_such_module")


@pytest.mark.parametrize("name", fineprune._TRAIN)
def test_without_pytorch_a_name_says_what_to_install(name: str) -> None:
    message = python(
        f"""{NO_TORCH}
try:
    from fineprune import {name}
except fineprune.FinepruneError as error:
    print(type(error).__name__, error)
"""
    )
    assert message.startswith(f"MissingExtraError fineprune.{name} needs the package 'torch'")
    assert message.endswith('pip install "fineprune[train]"')


def test_names_of_the_base_load_without_pytorch() -> None:
    names = ", ".join(fineprune._BASE)
    assert python(f"{NO_TORCH}\nfrom fineprune import {names}\nprint(pack)").startswith("<function")


def test_packing_and_reading_load_no_pytorch(tmp_path: Path) -> None:
    write_folder(tmp_path / "plain", tiny_tensors())
    loaded = python(
        f"""
import os, sys
from fineprune import pack, read_packed, unpack
os.chdir({str(tmp_path)!r})
pack("plain", "packed")
[tensor.to_array() for tensor in read_packed("packed").tensors.values()]
unpack("packed", "again")
print([name for name in {OF_TRAIN} if name in sys.modules])
"""
    )
    assert loaded == "[]"
    assert (tmp_path / "again/model.safetensors").is_file()
