"""`fineprune bench`."""

import importlib.util
from pathlib import Path

import pytest

from fineprune import Engine
from fineprune.cli.bench import print_shape
from fineprune.report.speed.records import Race, Timing
from fineprune.report.speed.shapes import Shape
from tests.cli.conftest import Command, assert_one_line, one_object
from tests.engine.zoo import build, save_packed


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bench") / "model"
    return save_packed(build("bert", "sequence"), folder, "sequence").file


def test_beside_pytorch(file: Path, fineprune: Command) -> None:
    found = fineprune(
        "bench", file, "--shapes", "1x8,2x16", "--against", "torch,fineprune", "--threads", 1,
        "--rounds", 2, "--json",
    )  # fmt: skip
    assert found.code == 0, found.err
    said = one_object(found.out)
    assert said["threads"] == 1
    assert list(said["shapes"]) == ["1x8", "2x16"]
    for shape, engines in said["shapes"].items():
        assert list(engines) == ["fineprune", "torch"]
        assert all(milliseconds > 0 for milliseconds in engines.values())
        assert said["deviation"][shape]["torch"] == 0.0
        assert said["deviation"][shape]["fineprune"] < 2e-5
        assert said["per_second"][shape]["torch"] == pytest.approx(
            1e3 * int(shape[0]) / engines["torch"]
        )
        assert said["resident_bytes"][shape]["fineprune"] > 1e6
        assert said["load_seconds"][shape]["fineprune"] > 0
    assert said["left_out"] == {}
    assert said["plan"] == []


def test_says_why_fast_runs_each_matrix_as_it_does(file: Path, fineprune: Command) -> None:
    arguments = ("bench", file, "--shapes", "1x8", "--against", "fineprune-fast", "--rounds", 1)
    said = one_object(fineprune(*arguments, "--json").out)
    plan = Engine(file, precision="fast").plan()
    assert [one["name"] for one in said["plan"]] == [one.name for one in plan]
    assert all(one["reason"].startswith(one["kind"]) for one in said["plan"])
    found = fineprune(*arguments)
    assert found.code == 0, found.err
    assert "fineprune-fast runs them, and why" in " ".join(found.out.split())
    assert "for 16" in " ".join(found.out.split())


def test_what_is_not_installed_is_told(
    file: Path, fineprune: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    find_spec = importlib.util.find_spec
    absent = {"onnx", "onnxruntime", "deepsparse"}
    monkeypatch.setattr(
        "fineprune.report.speed.race.find_spec",
        lambda name: None if name in absent else find_spec(name),
    )
    arguments = ("bench", file, "--shapes", "1x8", "--threads", 1, "--rounds", 1)
    found = fineprune(*arguments, "--against", "onnxruntime,deepsparse")
    assert found.code == 0, found.err
    assert found.err.splitlines() == [
        "not compared: onnxruntime: not installed: onnx, onnxruntime",
        "not compared: deepsparse: not installed: deepsparse",
    ]
    assert "1 x 8 tokens, 1 thread\n" in found.out
    assert "fineprune" in found.out


def test_large_numbers_fit_80_columns(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    shape = Shape(8, 384)
    engines = ("fineprune", "onnxruntime-int8", "openvino-int8")
    timings = [Timing(name, shape, 12345.6, 123.45, 12_345_678_901, 1.5e-2) for name in engines]
    print_shape(Race(timings, {}), shape, 64)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    for name in engines:
        [line] = [line for line in lines if f" {name} " in line]
        assert "12345.6" in line


def test_what_is_wrong(file: Path, fineprune: Command) -> None:
    def wrong(*options: object, said: str) -> None:
        arguments = ("bench", file, "--against", "", "--rounds", 1)
        assert_one_line(fineprune, *arguments, *options, said=said)

    wrong("--shapes", "1x0", said="the shape is '1x0'; expected batch x tokens, such as 8x128")
    wrong("--shapes", "1x8", "--against", "tensorrt", said="there is no engine 'tensorrt'")
    wrong("--shapes", "1x8", "--threads", 0, said="threads is 0")
    wrong("--shapes", "1x8", "--rounds", 0, said="--rounds")
    wrong("--shapes", "1x513", said="stopped at 1x513: input_ids has 513 tokens a row")
    assert_one_line(fineprune, "bench", "nowhere", said="nowhere")
