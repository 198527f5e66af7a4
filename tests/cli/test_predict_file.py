"""`fineprune predict --input`: every row answered in its place, whatever happens meanwhile."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest

from fineprune import Engine
from fineprune.corpus import file as corpus_file
from fineprune.corpus.parts import Parts
from tests.cli.conftest import Command, Outcome, assert_one_line, names, one_object
from tests.engine.zoo import build, save_packed
from tests.workspace import make_tokenizer

ROWS = 40


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a small file has several."""
    monkeypatch.setattr(corpus_file, "_PART_ROWS", 7)


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("packed") / "model"
    make_tokenizer().save_pretrained(folder)
    model = build("bert", "sequence", id2label={0: "no", 1: "yes"})
    return save_packed(model, folder, "sequence").file


def words(count: int, seed: int = 0) -> list[str]:
    """Texts of random lengths."""
    draw = random.Random(seed)
    return [
        " ".join(f"w{draw.randrange(36)}" for _ in range(draw.randrange(1, 28)))
        for _ in range(count)
    ]


def write_texts(path: Path, texts: list[Any]) -> Path:
    path.write_text("".join(f"{json.dumps({'text': one})}\n" for one in texts), encoding="utf-8")
    return path


def answers_in(path: Path) -> list[dict[str, Any]]:
    if path.suffix == ".parquet":
        table: list[dict[str, Any]] = pyarrow.parquet.read_table(path).to_pylist()
        return table
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n")[:-1]]


def predict(fineprune: Command, packed: Path, folder: Path, *more: object) -> Outcome:
    return fineprune(
        "predict", packed, "--input", folder / "texts.jsonl", "--output", folder / "a.jsonl", *more
    )


@pytest.mark.parametrize("ending", [".jsonl", ".parquet"])
def test_all_answers_in_order(
    ending: str, fineprune: Command, packed: Path, tmp_path: Path
) -> None:
    texts = words(ROWS)
    source, output = write_texts(tmp_path / "texts.jsonl", texts), tmp_path / f"answers{ending}"
    found = fineprune("predict", packed, "--input", source, "--output", output)
    assert (found.code, found.err) == (0, "")
    assert "40 answers" in found.out
    assert names(tmp_path) == {source.name, output.name}
    for number, (one, said) in enumerate(
        zip(answers_in(output), Engine(packed)(texts), strict=True)
    ):
        assert one == {
            "row": number + 1,
            "label": said["label"],
            "score": pytest.approx(said["score"], rel=1e-4),
            "error": None,
        }


def test_broken_rows_keep_their_places(fineprune: Command, packed: Path, tmp_path: Path) -> None:
    texts: list[Any] = words(ROWS)
    texts[3], texts[11] = None, 5
    source = write_texts(tmp_path / "texts.jsonl", texts)
    source.write_bytes(source.read_bytes() + b'{"text": "\xff"}\n{"tex": "w1"}\n')
    found = predict(fineprune, packed, tmp_path, "--json")
    assert found.code == 0
    assert [line.partition(":")[0] for line in found.err.splitlines()] == [
        "row 4",
        "row 12",
        "row 41",
        "row 42",
    ]
    said = one_object(found.out)
    counts = {"rows": 42, "answered": 38, "broken": 4, "cut": 0, "rows_before": 0}
    assert {name: said[name] for name in counts} == counts
    assert said["first_broken"] == found.err.splitlines()
    answers = answers_in(tmp_path / "a.jsonl")
    assert [one["row"] for one in answers] == list(range(1, 43))
    broken = [one for one in answers if one["error"]]
    assert [one["row"] for one in broken] == [4, 12, 41, 42]
    assert all(one["label"] is None and one["score"] is None for one in broken)


def test_many_broken_rows_are_counted(fineprune: Command, packed: Path, tmp_path: Path) -> None:
    write_texts(tmp_path / "texts.jsonl", [None] * 50)
    found = predict(fineprune, packed, tmp_path)
    assert len(found.err.splitlines()) == 20
    assert "0 answers, 50 without" in found.out


def test_a_file_without_rows(fineprune: Command, packed: Path, tmp_path: Path) -> None:
    (tmp_path / "texts.txt").write_bytes(b"")
    for output in ("a.jsonl", "a.parquet"):
        arguments = "--input", tmp_path / "texts.txt", "--output", tmp_path / output
        assert one_object(fineprune("predict", packed, *arguments, "--json").out)["rows"] == 0
        assert answers_in(tmp_path / output) == []


class Stop:
    """Stops a run, as Ctrl-C or an error does, when it has written so many parts."""

    def __init__(self, parts: int, error: type[BaseException]) -> None:
        self.left, self.error, self.add = parts, error, Parts.add

    def __call__(self, parts: Parts, *arguments: Any) -> None:
        if self.left == 0:
            raise self.error
        self.left -= 1
        self.add(parts, *arguments)


@pytest.mark.parametrize("ending", [".jsonl", ".parquet"])
def test_a_run_that_is_stopped_goes_on(
    ending: str, fineprune: Command, packed: Path, tmp_path: Path
) -> None:
    texts: list[Any] = words(ROWS)
    texts[2], texts[30] = None, None
    source = write_texts(tmp_path / "texts.jsonl", texts)
    whole, output = tmp_path / f"whole{ending}", tmp_path / f"answers{ending}"
    command = "predict", packed, "--input", source, "--json", "--output"
    expected = one_object(fineprune(*command, whole).out)
    for parts in (0, 2, 1):
        with pytest.MonkeyPatch.context() as patch:
            stop = Stop(parts, KeyboardInterrupt)
            patch.setattr(Parts, "add", lambda *arguments, stop=stop: stop(*arguments))
            found = fineprune(*command, output)
        assert found.code == 130
        assert found.err.splitlines()[-1] == "fineprune: stopped"
        assert not output.exists()
    assert "the same command goes on" in found.err
    found = fineprune(*command, output)
    assert "21 rows are answered" in found.err
    said = one_object(found.out)
    assert said.pop("rows_before") == 21
    same = ("rows", "answered", "broken", "first_broken", "cut")
    assert {name: said[name] for name in same} == {name: expected[name] for name in same}
    assert output.read_bytes() == whole.read_bytes()
    assert names(tmp_path) == {source.name, whole.name, output.name}


def test_a_run_that_is_killed_goes_on(
    fineprune: Command, packed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()  # parts as large as those of the other process
    texts = words(3000)
    source, output = write_texts(tmp_path / "texts.jsonl", texts), tmp_path / "a.jsonl"
    command = [sys.executable, "-c", "from fineprune.cli.main import main; main()"]
    arguments = ["predict", str(packed), "--input", str(source), "--output", str(output)]
    with subprocess.Popen([*command, *arguments], stderr=subprocess.DEVNULL) as process:
        wait_for(lambda: (tmp_path / "a.jsonl.parts" / "part-000001").exists())
        os.kill(process.pid, signal.SIGKILL)
    assert not output.exists()
    found = fineprune(*arguments, "--json")
    before = one_object(found.out)["rows_before"]
    assert 512 <= before < 3000
    answers = answers_in(output)
    assert [one["row"] for one in answers] == list(range(1, 3001))
    said = Engine(packed)(texts)
    # Another process may have measured that other kernels are faster, which sum in another order.
    assert [one["score"] for one in answers] == pytest.approx(
        [one["score"] for one in said], rel=1e-4
    )
    assert names(tmp_path) == {source.name, output.name}


def wait_for(condition: Any, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_a_stop_while_parts_are_joined(
    fineprune: Command, packed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_texts(tmp_path / "texts.jsonl", words(ROWS))
    with monkeypatch.context() as patch:
        patch.setattr(Parts, "finish", lambda *arguments: (_ for _ in ()).throw(KeyboardInterrupt))
        assert predict(fineprune, packed, tmp_path).code == 130
    said = one_object(predict(fineprune, packed, tmp_path, "--json").out)
    assert said["rows_before"] == said["rows"] == ROWS
    assert len(answers_in(tmp_path / "a.jsonl")) == ROWS


def test_a_run_that_is_another_one_is_refused(
    fineprune: Command, packed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_texts(tmp_path / "texts.jsonl", words(ROWS))
    other = tmp_path / "other.packed"
    other.write_bytes(packed.read_bytes())
    with monkeypatch.context() as patch:
        stop = Stop(2, KeyboardInterrupt)
        patch.setattr(Parts, "add", lambda *arguments: stop(*arguments))
        assert predict(fineprune, packed, tmp_path).code == 130
    begun = {path: path.read_bytes() for path in (tmp_path / "a.jsonl.parts").iterdir()}
    common = "--input", source, "--output", tmp_path / "a.jsonl"
    assert_one_line(fineprune, "predict", other, *common, said="another model: 'model.packed (sha")
    for more, said in (
        (("--option", "top_k=2"), "another option: {}, now {'top_k': 2}"),
        (("--column", "other"), "another column: ['text'], now ['other']"),
        (("--context", "w1"), "another context: None, now 'w1'"),
    ):
        assert_one_line(fineprune, "predict", packed, *common, *more, said=said)
    moved = write_texts(tmp_path / "moved.jsonl", words(ROWS))
    arguments = "--input", moved, "--output", tmp_path / "a.jsonl"
    assert_one_line(fineprune, "predict", packed, *arguments, said="another input: ")
    write_texts(source, words(ROWS, seed=1))
    assert_one_line(fineprune, "predict", packed, *common, said="of the input: ")
    assert begun == {path: path.read_bytes() for path in (tmp_path / "a.jsonl.parts").iterdir()}


def test_a_folder_in_the_way(fineprune: Command, packed: Path, tmp_path: Path) -> None:
    source = write_texts(tmp_path / "texts.jsonl", words(3))
    common = "predict", packed, "--input", source, "--output", tmp_path / "a.jsonl"
    parts = tmp_path / "a.jsonl.parts"
    parts.write_text("mine")
    assert_one_line(fineprune, *common, said="a.jsonl.parts is in the way")
    parts.unlink()
    parts.mkdir()
    (parts / "mine").write_text("mine")
    assert_one_line(fineprune, *common, said="no unfinished run")
    for content in ("{", "[]", '{"run": {}, "done": {"odd": 1}}'):
        (parts / "run.json").write_text(content)
        assert_one_line(fineprune, *common, said="is damaged")
    assert (parts / "mine").read_text() == "mine"


def test_what_is_wrong(fineprune: Command, packed: Path, tmp_path: Path) -> None:
    source = write_texts(tmp_path / "texts.jsonl", words(3))
    output = tmp_path / "answers.jsonl"
    common = "predict", packed, "--input", source, "--output", output
    for arguments, said in (
        (("predict", "nowhere", *common[2:]), "nowhere"),
        ((*common[:3], tmp_path / "no.jsonl", "--output", output), "there is no such file"),
        ((*common[:3], tmp_path / "no.xls", "--output", output), "has to end in"),
        ((*common[:4], "--output", tmp_path / "answers.csv"), "has to end in .parquet or .jsonl"),
        ((*common[:4], "--output", tmp_path / "no" / "a.jsonl"), "there is no folder"),
        ((*common[:4], "--output", source), "is the input"),
        ((*common, "--column", "txt"), "has no column 'txt', only 'text'"),
        ((*common, "--pair-column", "txt"), "has no column 'txt', only 'text'"),
        ((*common, "--option", "prompt_name=query"), "where this model knows"),
        ((*common, "--quoting", "minimal"), "quoting is for .csv and .tsv files"),
        ((*common, "--option", "multi_label=true"), "'multi_label' cannot be given for a file"),
        ((*common, "--pair-column", "text", "--context", "w1"), "give one of them"),
        (common[:4], "both of --input and --output"),
        ((*common, "w1"), "expected texts, or both"),
    ):
        assert_one_line(fineprune, *arguments, said=said)
    assert names(tmp_path) == {source.name}
    (tmp_path / "folder.jsonl").mkdir()
    arguments = (*common[:4], "--output", tmp_path / "folder.jsonl")
    assert_one_line(fineprune, *arguments, said="is a folder")


def test_an_option_that_is_no_number(fineprune: Command, tmp_path: Path) -> None:
    make_tokenizer().save_pretrained(tmp_path / "model")
    file = save_packed(build("bert", "none"), tmp_path / "model", "none").file
    write_texts(tmp_path / "texts.jsonl", words(3))
    more = "--option", "truncate_dim=abc"
    common = "--input", tmp_path / "texts.jsonl", "--output", tmp_path / "a.jsonl"
    assert_one_line(fineprune, "predict", file, *common, *more, said="truncate_dim is 'abc'")


def test_names_that_are_no_text(fineprune: Command, packed: Path, tmp_path: Path) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff"))
    try:
        folder.mkdir()
    except OSError:
        pytest.skip("names of files are UTF-8 here")
    model = folder / os.fsdecode(b"model-\xfe")
    model.write_bytes(packed.read_bytes())
    source = write_texts(folder / "texts.jsonl", words(ROWS))
    output = folder / "a.jsonl"
    more = "--context", "w1 \udcff", "--output", output
    with pytest.MonkeyPatch.context() as patch:
        stop = Stop(2, KeyboardInterrupt)
        patch.setattr(Parts, "add", lambda *arguments: stop(*arguments))
        assert fineprune("predict", model, "--input", source, *more).code == 130
    run = json.loads((folder / "a.jsonl.parts" / "run.json").read_bytes())["run"]
    assert run["input"] == ascii(str(source))
    assert run["context"] == "w1 \ufffd"
    found = fineprune("predict", model, "--input", source, *more, "--json")
    assert (found.code, one_object(found.out)["rows_before"]) == (0, 14)
    assert len(answers_in(output)) == ROWS
    assert fineprune("predict", model, "--input", source, *more).code == 0


def test_an_output_is_replaced(fineprune: Command, packed: Path, tmp_path: Path) -> None:
    write_texts(tmp_path / "texts.jsonl", words(3))
    (tmp_path / "a.jsonl").write_text("of before")
    assert predict(fineprune, packed, tmp_path).code == 0
    assert len(answers_in(tmp_path / "a.jsonl")) == 3


def test_fast_goes_on_in_the_arithmetic_that_it_began_with(
    fineprune: Command, packed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_texts(tmp_path / "texts.jsonl", words(ROWS))
    with monkeypatch.context() as patch:
        stop = Stop(2, KeyboardInterrupt)
        patch.setattr(Parts, "add", lambda *arguments: stop(*arguments))
        assert predict(fineprune, packed, tmp_path, "--precision", "int8").code == 130
    found = predict(fineprune, packed, tmp_path, "--precision", "fast", "--json")
    assert one_object(found.out)["rows_before"] == 14


def test_without_pytorch_and_without_extras(packed: Path, tmp_path: Path) -> None:
    source, output = write_texts(tmp_path / "texts.jsonl", words(3)), tmp_path / "a.jsonl"
    code = """
import sys
class Base:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"torch", "transformers", "datasets", "pyarrow", "pandas"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Base())
from fineprune.cli.main import main
main()
"""
    for texts, answers, ended in (
        (source, output, 0),
        (source, tmp_path / "a.parquet", 2),
        (tmp_path / "texts.parquet", output, 2),
    ):
        arguments = "predict", packed, "--input", texts, "--output", answers
        command = [sys.executable, "-c", code, *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        assert done.returncode == ended, done.stderr
        if ended:
            assert 'pip install "fineprune[parquet]"' in done.stderr
            assert len(done.stderr.splitlines()) == 1
    assert len(answers_in(output)) == 3
    assert names(tmp_path) == {source.name, output.name}
