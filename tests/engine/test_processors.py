"""How many threads an engine takes, from what the system says."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from fineprune import Engine
from fineprune.engine.errors import InputError
from fineprune.engine.processors import Processors, read_processors
from fineprune.engine.threads import count_threads
from tests.engine.conftest import MakePacked


@pytest.mark.parametrize(
    ("processors", "usual", "most"),
    [
        (Processors(cpus=8), 8, 8),
        (Processors(cpus=8, cores=4), 4, 8),
        (Processors(cpus=2, cores=2, quota=64.0), 2, 2),
        (Processors(cpus=64, cores=32, quota=2.0), 2, 2),
        (Processors(cpus=64, quota=2.9), 2, 2),
        (Processors(cpus=64, quota=0.25), 1, 1),
        (Processors(cpus=8, cores=4, openmp=1), 1, 8),
        (Processors(cpus=8, cores=4, openmp=6), 6, 8),
        (Processors(cpus=8, cores=4, quota=3.0, openmp=6), 3, 3),
        (Processors(cpus=1, cores=1, openmp=16), 1, 1),
    ],
)
def test_counts(processors: Processors, usual: int, most: int) -> None:
    assert count_threads(None, processors) == usual
    assert count_threads(1024, processors) == most
    assert count_threads(1, processors) == 1


@pytest.mark.parametrize("wanted", [0, -1, 1025, True, 2.0, "2"])
def test_what_is_no_number_of_threads(wanted: int) -> None:
    with pytest.raises(InputError, match="expected a whole number, 1 to 1024"):
        count_threads(wanted, Processors(cpus=4))


def system(root: Path, files: Mapping[str, str]) -> Path:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content, encoding="utf-8")
    return root


GROUPS = "sys/fs/cgroup"
OWN = "proc/self/cgroup"


@pytest.mark.parametrize(
    ("files", "quota"),
    [
        ({}, None),
        ({OWN: "0::/\n"}, None),
        # Version 2: inside of a container the group is the root.
        ({OWN: "0::/\n", f"{GROUPS}/cpu.max": "200000 100000\n"}, 2.0),
        ({OWN: "0::/\n", f"{GROUPS}/cpu.max": "max 100000\n"}, None),
        ({OWN: "0::/\n", f"{GROUPS}/cpu.max": "50000 100000\n"}, 0.5),
        # The quota of every group above holds as well.
        ({OWN: "0::/a/b\n", f"{GROUPS}/a/b/cpu.max": "300000 100000\n"}, 3.0),
        (
            {
                OWN: "0::/a/b\n",
                f"{GROUPS}/a/b/cpu.max": "max 100000\n",
                f"{GROUPS}/a/cpu.max": "150000 100000\n",
                f"{GROUPS}/cpu.max": "max 100000\n",
            },
            1.5,
        ),
        # A path of the host, of which the container sees the end only.
        ({OWN: "0::/docker/abc\n", f"{GROUPS}/cpu.max": "400000 100000\n"}, 4.0),
        ({OWN: "0::/../other\n", f"{GROUPS}/cpu.max": "400000 100000\n"}, 4.0),
        # Version 1.
        (
            {
                OWN: "5:cpuset:/\n4:cpu,cpuacct:/docker/abc\n0::/\n",
                f"{GROUPS}/cpu,cpuacct/cpu.cfs_quota_us": "250000\n",
                f"{GROUPS}/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
            },
            2.5,
        ),
        (
            {
                OWN: "1:cpu:/a\n",
                f"{GROUPS}/cpu/a/cpu.cfs_quota_us": "-1\n",
                f"{GROUPS}/cpu/a/cpu.cfs_period_us": "100000\n",
            },
            None,
        ),
        # Files that say something else.
        ({OWN: "0::/\n", f"{GROUPS}/cpu.max": "\n"}, None),
        ({OWN: "0::/\n", f"{GROUPS}/cpu.max": "200000 0\n"}, None),
        ({OWN: "nonsense\n\n:\n", f"{GROUPS}/cpu.max": "so so\n"}, None),
    ],
)
def test_quota(files: dict[str, str], quota: float | None, tmp_path: Path) -> None:
    assert read_processors(system(tmp_path, files), {}, [0, 1]).quota == quota


def test_cores_of_the_cpus_that_may_be_used(tmp_path: Path) -> None:
    siblings = {0: "0,4", 1: "1,5", 4: "0,4", 5: "1,5"}
    root = system(
        tmp_path,
        {
            f"sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list": f"{text}\n"
            for cpu, text in siblings.items()
        },
    )
    assert read_processors(root, {}, [0, 1, 4, 5]) == Processors(cpus=4, cores=2)
    assert read_processors(root, {}, [0, 4]) == Processors(cpus=2, cores=1)
    assert read_processors(root, {}, [0, 1]) == Processors(cpus=2, cores=2)
    assert read_processors(root, {}, [0, 7]) == Processors(cpus=2, cores=None)


@pytest.mark.parametrize(
    ("text", "number"),
    [("4", 4), (" 3 ", 3), ("2,1", 2), ("", None), ("0", None), ("-2", None), ("many", None)],
)
def test_openmp(text: str, number: int | None, tmp_path: Path) -> None:
    assert read_processors(tmp_path, {"OMP_NUM_THREADS": text}, [0]).openmp == number


def test_an_engine_says_how_many_threads_it_has(
    packed: MakePacked, monkeypatch: pytest.MonkeyPatch
) -> None:
    most = read_processors().most_threads
    assert Engine(packed().file, threads=1024).threads == most
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert Engine(packed().file).threads == 1
