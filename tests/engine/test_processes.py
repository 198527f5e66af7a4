"""Engines in processes that fork, and in those that get them by pickling."""

import copy
import multiprocessing
import os
import pickle
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import numpy as np
import pytest

from fineprune import Engine
from fineprune.engine import engine as engine_module
from fineprune.errors import PackedFileError
from tests.engine.conftest import MakePacked
from tests.engine.remote import logits
from tests.forking import SECONDS, in_child, needs_fork

# Python 3.12 warns of what is tested here.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")


@pytest.fixture
def engine(packed: MakePacked, monkeypatch: pytest.MonkeyPatch) -> Engine:
    """With two threads, even where one CPU is all there is."""
    monkeypatch.setattr(engine_module, "count_threads", lambda wanted: wanted)
    return Engine(packed().file, threads=2)


@needs_fork
def test_a_child_runs_it(engine: Engine) -> None:
    expected = logits(engine)
    assert in_child(lambda: bool((logits(engine) == expected).all()))
    assert in_child(lambda: in_child(lambda: bool((logits(engine) == expected).all())))
    np.testing.assert_array_equal(logits(engine), expected)


@needs_fork
def test_a_child_made_while_others_run(engine: Engine) -> None:
    expected = logits(engine)
    stop = Event()

    def keep_running() -> None:
        while not stop.is_set():
            logits(engine)

    with ThreadPoolExecutor(2) as pool:
        for _ in range(2):
            pool.submit(keep_running)
        try:
            found = [in_child(lambda: bool((logits(engine) == expected).all())) for _ in range(10)]
        finally:
            stop.set()
    assert found == [True] * 10


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_multiprocessing(method: str, engine: Engine) -> None:
    expected = logits(engine)
    with multiprocessing.get_context(method).Pool(2) as pool:
        for found in pool.map_async(logits, [engine] * 4).get(SECONDS):
            np.testing.assert_array_equal(found, expected)


def test_pickling_opens_the_file_again(
    packed: MakePacked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "model").write_bytes(packed().file.read_bytes())
    monkeypatch.chdir(tmp_path)
    engine = Engine("model", threads=1, max_batch_tokens=77)
    monkeypatch.chdir("/")
    stored = pickle.dumps(engine)
    assert len(stored) < 1000
    again = pickle.loads(stored)
    assert (again.threads, again.max_batch_tokens) == (1, 77)
    np.testing.assert_array_equal(logits(again), logits(engine))
    np.testing.assert_array_equal(logits(copy.deepcopy(engine)), logits(engine))
    (tmp_path / "model").unlink()
    with pytest.raises(PackedFileError, match="model") as caught:
        pickle.loads(stored)
    assert "\n" not in str(caught.value)


STARVED = """
import resource, sys, time
from pathlib import Path
from fineprune import Engine
from fineprune.engine import engine as module
from fineprune.engine.errors import ThreadsError
from fineprune.errors import FinepruneError

def threads():
    return len(list(Path("/proc/self/task").iterdir()))

module.count_threads = lambda wanted: wanted
Engine(sys.argv[1], threads=1).run([[5, 6]])
pages = int(Path("/proc/self/statm").read_text().split()[0])
# Room for some more stacks of 256 MB, and not for seven.
resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + 700_000_000,) * 2)
try:
    Engine(sys.argv[1], threads=8)
except ThreadsError as error:
    print(error)
assert issubclass(ThreadsError, FinepruneError)
deadline = time.monotonic() + 10
while threads() > 1 and time.monotonic() < deadline:  # joined, and about to vanish
    time.sleep(0.01)
assert threads() == 1, "some threads were left"
engine = Engine(sys.argv[1], threads=2)
print(engine.run([[5, 6]])["logits"].shape)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the limits are Linux's")
def test_threads_that_the_system_does_not_start(packed: MakePacked) -> None:
    """A stack of 256 MB each, and a limit on memory: this works for the superuser as well."""
    import resource

    stack = 256_000_000
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", STARVED, str(packed().file)],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        env={**os.environ, "OMP_NUM_THREADS": "1"},  # NumPy's library starts threads as well
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_STACK, (stack, stack)),
    )
    assert result.returncode == 0, result.stderr
    said, shape = result.stdout.splitlines()
    assert re.match(
        "the engine needs 7 threads beside its caller's, and the system started [1-6] .*: pass a "
        "smaller number of threads, or raise the limit on the memory or the threads",
        said,
    )
    assert shape == "(1, 3)"
