"""The base installs without a compiler wherever Python does: every dependency has wheels there."""

import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

PYPROJECT = Path(__file__).parents[1] / "pyproject.toml"

# As pip names them. A wheel for an older system fits a newer one, but pip has to be told.
PLATFORMS = {
    "Linux x86-64": ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64"),
    "Linux AArch64": ("manylinux_2_28_aarch64", "manylinux_2_17_aarch64", "manylinux2014_aarch64"),
    "Linux x86-64, musl": ("musllinux_1_2_x86_64", "musllinux_1_1_x86_64"),
    "Linux AArch64, musl": ("musllinux_1_2_aarch64", "musllinux_1_1_aarch64"),
    "macOS arm64": ("macosx_14_0_arm64",),
    "macOS x86-64": ("macosx_14_0_x86_64",),
    "Windows": ("win_amd64",),
}


def dependencies() -> list[str]:
    requirements: list[str] = tomllib.loads(PYPROJECT.read_text())["project"]["dependencies"]
    return requirements


def ask(tags: tuple[str, ...], requirements: list[str], target: Path) -> subprocess.Popen[str]:
    """Starts pip, which looks for wheels and installs nothing."""
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--no-deps"]
    command += ["--only-binary=:all:", "--ignore-installed", "--target", str(target)]
    command += ["--implementation", "cp", "--retries", "1", "--timeout", "20"]
    command += ["--disable-pip-version-check"]
    command += [f"--python-version={sys.version_info.major}.{sys.version_info.minor}"]
    command += [f"--platform={tag}" for tag in tags]
    return subprocess.Popen(
        [*command, *requirements], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def answer(process: subprocess.Popen[str]) -> str:
    """What is missing, in pip's words, or nothing."""
    said, _ = process.communicate(timeout=300)
    if process.returncode == 0:
        return ""
    if "Retrying" in said or "no-index" in pip_settings():
        pytest.skip("pip reaches no package index here")
    return "\n".join(line for line in said.splitlines() if line.startswith("ERROR")) or said


def pip_settings() -> str:
    command = [sys.executable, "-m", "pip", "config", "list"]
    return subprocess.run(command, capture_output=True, text=True, timeout=60).stdout


@pytest.fixture(scope="module")
def answers(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Mapping[str, subprocess.Popen[str]]]:
    """A pip for each platform, all started at once: most of the time they wait for the index."""
    target = tmp_path_factory.mktemp("wheels")
    processes = {name: ask(tags, dependencies(), target) for name, tags in PLATFORMS.items()}
    yield processes
    for process in processes.values():  # those of tests that were not run
        process.kill()
        process.wait()
        if process.stdout:
            process.stdout.close()


@pytest.mark.index
@pytest.mark.parametrize("platform", PLATFORMS)
def test_all_dependencies_of_the_base_have_wheels(
    platform: str, answers: Mapping[str, subprocess.Popen[str]]
) -> None:
    assert answer(answers[platform]) == ""


@pytest.mark.index
def test_a_dependency_without_a_wheel_is_found(tmp_path: Path) -> None:
    assert "numpy" in answer(ask(("plan9_amd64",), ["rich", "numpy"], tmp_path))
