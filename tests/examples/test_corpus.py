"""The examples for clusters, each on a cluster of this one machine."""

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from fineprune import Engine
from tests.engine.zoo import build, save_packed
from tests.workspace import make_tokenizer

EXAMPLES = Path(__file__).parents[2] / "examples"
TEXTS = [f"w{i % 36} w{i % 7}" for i in range(300)]
BROKEN = 7
QUIET = {
    "RAY_worker_niceness": "0",  # else a busy machine starves its workers
    "RAY_AUTH_MODE": "disabled",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DATA_DISABLE_PROGRESS_BARS": "1",
    "PYSPARK_PYTHON": sys.executable,
    "SPARK_LOCAL_IP": "127.0.0.1",
}


def is_there(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def run(example: str, folder: Path, **environment: str) -> None:
    """Runs an example over three files of texts, and checks its answers."""
    make_tokenizer().save_pretrained(folder / "model")
    model = build("bert", "sequence", id2label={0: "no", 1: "yes"})
    file = save_packed(model, folder / "model", "sequence").file
    texts = [None if i == BROKEN else text for i, text in enumerate(TEXTS)]
    (folder / "texts").mkdir()
    for start in range(0, len(texts), 100):
        part = {"id": range(start, start + 100), "text": texts[start : start + 100]}
        pyarrow.parquet.write_table(pyarrow.table(part), folder / f"texts/{start}.parquet")
    paths = EXAMPLES / example, file, folder / "texts", folder / "answers"
    done = subprocess.run(
        [sys.executable, *map(str, paths)],
        env={**os.environ, **QUIET, **environment},
        capture_output=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    found = pyarrow.parquet.read_table(folder / "answers").sort_by("id").to_pylist()
    assert [row["id"] for row in found] == list(range(len(TEXTS)))
    for row, said in zip(found, Engine(file)(TEXTS), strict=True):
        if row["id"] == BROKEN:
            assert row["label"] is None
            assert row["error"] == "column 'text' is null"
        else:
            assert row["error"] is None
            assert row["label"] == said["label"]
            assert row["score"] == pytest.approx(said["score"], rel=1e-4)


@pytest.mark.skipif(not is_there("ray"), reason="needs ray, of the extra scale")
def test_ray(tmp_path: Path) -> None:
    # Paths of sockets may have 107 characters: not in the folder of the test.
    with tempfile.TemporaryDirectory(prefix="ray", ignore_cleanup_errors=True) as short:
        run("corpus_on_ray.py", tmp_path, RAY_TMPDIR=short)


@pytest.mark.skipif(not is_there("pyspark"), reason="needs pyspark, which no extra brings")
@pytest.mark.skipif(shutil.which("java") is None, reason="needs java, which Spark runs on")
def test_spark(tmp_path: Path) -> None:
    run("corpus_on_spark.py", tmp_path)
