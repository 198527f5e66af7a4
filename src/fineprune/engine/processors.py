"""What the system lets a process run on."""

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

_OPENMP_VARIABLE = "OMP_NUM_THREADS"
_CPU_MOUNTS = ("cpu", "cpu,cpuacct", "cpuacct,cpu")  # of control groups, version 1


@dataclass(frozen=True)
class Processors:
    """CPUs, and how much of them a process gets.

    Attributes:
        cpus: that the process may be scheduled on; two of them may be threads of one core.
        cores: that these CPUs belong to; None if the system does not tell.
        quota: seconds of CPU time a second that its container allows; None for any number.
        openmp: what `OMP_NUM_THREADS` asks for, if it does.
    """

    cpus: int
    cores: int | None = None
    quota: float | None = None
    openmp: int | None = None

    @property
    def most_threads(self) -> int:
        """Threads that can run at the same time; more would only wait for each other."""
        allowed = self.cpus if self.quota is None else min(self.cpus, int(self.quota))
        return max(1, allowed)

    @property
    def usual_threads(self) -> int:
        """What `OMP_NUM_THREADS` asks for, else one a core: a second one has no arithmetic left."""
        return min(self.most_threads, self.openmp or self.cores or self.cpus)


def read_processors(
    root: Path = Path("/"),
    environment: Mapping[str, str] = os.environ,
    cpus: Iterable[int] | None = None,
) -> Processors:
    """Asks the system.

    Args:
        root: of the file system that holds `proc` and `sys`.
        environment: of the process.
        cpus: numbers of the CPUs that the process may be scheduled on, if they are known.
    """
    usable = _usable_cpus() if cpus is None else frozenset(cpus)
    return Processors(
        cpus=len(usable),
        cores=_count_cores(root / "sys/devices/system/cpu", usable),
        quota=min(_quotas(root), default=None),
        openmp=_first_number(environment.get(_OPENMP_VARIABLE, "")),
    )


def _usable_cpus() -> frozenset[int]:
    if hasattr(os, "sched_getaffinity"):
        return frozenset(os.sched_getaffinity(0))
    return frozenset(range(os.cpu_count() or 1))


def _first_number(text: str) -> int | None:
    """The first of OpenMP's numbers, which stand for levels of nesting."""
    first = text.partition(",")[0].strip()
    return int(first) if first.isdecimal() and len(first) < 10 and int(first) > 0 else None


def _count_cores(folder: Path, cpus: Iterable[int]) -> int | None:
    """How many cores the CPUs are threads of."""
    siblings = [_read(folder / f"cpu{cpu}" / "topology/thread_siblings_list") for cpu in cpus]
    return len(set(siblings)) if siblings and all(siblings) else None


# Control groups: the quota of each group above the process's own holds as well. Inside of a
# container their paths may be those of the host, of which only the end, or nothing, is mounted.


def _quotas(root: Path) -> Iterator[float]:
    mounts = root / "sys/fs/cgroup"
    for line in _read(root / "proc/self/cgroup").splitlines():
        _, _, group_of = line.partition(":")
        controllers, _, path = group_of.partition(":")
        if not controllers:
            for group in _groups(mounts, path):
                yield from _quota(*_read(group / "cpu.max").split()[:2])
        elif "cpu" in controllers.split(","):
            for mount in _CPU_MOUNTS:
                for group in _groups(mounts / mount, path):
                    names = ("cpu.cfs_quota_us", "cpu.cfs_period_us")
                    yield from _quota(*(_read(group / name).strip() for name in names))


def _groups(mount: Path, path: str) -> Iterator[Path]:
    """The folder of a group, and those of all groups above it."""
    inside = PurePosixPath(path.lstrip("/"))
    if ".." in inside.parts:  # a group outside of what is mounted
        inside = PurePosixPath()
    yield from (mount / group for group in (inside, *inside.parents))


def _quota(microseconds: str = "", period: str = "") -> Iterator[float]:
    """Quota over period, unless there is none: `max` in version 2, -1 in version 1."""
    if microseconds.isdecimal() and period.isdecimal() and int(period) > 0:
        yield int(microseconds) / int(period)


def _read(file: Path) -> str:
    """A file of the system; empty if there is none."""
    try:
        return file.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
