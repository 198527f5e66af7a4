"""Checks an installed wheel in an environment that holds nothing but the base.

    python tests/installed.py

It is a script, and needs neither pytest nor PyTorch: `make wheel` and the wheels' workflow run it
in a clean environment, without a compiler. What it compares with was written by an older version.
"""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from safetensors.numpy import load_file

from fineprune import Engine, read_packed, unpack
from fineprune.packing import pack

PACKED = Path(__file__).parent / "fixtures" / "0dd543d" / "packed"


def main() -> None:
    """Runs all checks; the first that fails ends the process with its traceback."""
    if importlib.util.find_spec("torch") is not None:
        raise SystemExit("this environment holds PyTorch; expected one with the base alone")
    expected = json.loads((PACKED / "expected.json").read_text(encoding="utf-8"))
    for name, answers in expected["files"].items():
        check_engine(PACKED / name, expected, answers)
    with TemporaryDirectory() as folder:
        check_packing(Path(folder))
    check_command_line(expected["texts"][0])
    print(f"fineprune as installed in {Path(sys.prefix)} works")


def check_engine(file: Path, expected: dict[str, list[str]], answers: dict[str, object]) -> None:
    """The engine gives the logits that it gave."""
    found = Engine(file, threads=1).run(expected["input_ids"])["logits"]
    np.testing.assert_allclose(found, np.array(answers["logits"]), rtol=1e-4, atol=1e-4)


def check_packing(folder: Path) -> None:
    """A file is unpacked to the weights that it holds, and packing them gives them back."""
    unpack(PACKED / "4-bits.safetensors", folder / "plain")
    weights = load_file(folder / "plain" / "model.safetensors")
    expected = load_file(PACKED / "4-bits-unpacked.safetensors")
    assert weights.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(weights[name], array, err_msg=name)
    pack(folder / "plain", folder / "again.safetensors")
    for name, tensor in read_packed(folder / "again.safetensors").tensors.items():
        step = np.abs(expected[name]).max() / 127
        np.testing.assert_allclose(tensor.to_array(), expected[name], rtol=0, atol=step)


def check_command_line(text: str) -> None:
    """The command is on the path beside Python, and answers."""
    command = Path(sys.executable).with_name("fineprune")
    said = subprocess.run(
        [command, "predict", PACKED / "8-bits.safetensors", text, "--json"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(said.stdout), said.stdout


if __name__ == "__main__":
    main()
