"""What is done already of a long run: parts beside its output, which a second run goes on from."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final, final

from fineprune.errors import FolderTakenError
from fineprune.files import place_of_file, remove_folder, replacing, write_json
from fineprune.text.characters import without_surrogates

_STATE: Final = "run.json"
_SUFFIX: Final = ".parts"


@dataclass(frozen=True)
class Done:
    """How far a run has come.

    Attributes:
        parts: that are written.
        rows: in them.
        broken: how many of these have no answer.
        cut: how many are longer than what the model takes.
        first: a few of the broken rows, as lines for people.
    """

    parts: int = 0
    rows: int = 0
    broken: int = 0
    cut: int = 0
    first: tuple[str, ...] = ()

    def plus(self, rows: int, cut: int, faults: Sequence[str], shown: int) -> "Done":
        """With one part more.

        Args:
            rows: in the part.
            cut: of these.
            faults: of broken rows.
            shown: how many of the first faults to keep.
        """
        return Done(
            self.parts + 1,
            self.rows + rows,
            self.broken + len(faults),
            self.cut + cut,
            (*self.first, *faults)[:shown],
        )


@final
class Parts:
    """The folder `OUTPUT.parts`: a file for each part, and what belongs to the run.

    A part counts once `run.json` says so, which is written after it; both appear by atomic rename.
    A kill at any time thus loses no more than the part that was being made.

    Args:
        output: the file that the run is to write.
        run: what decides its answers, by name. A run that differs is another one.

    Attributes:
        done: how far the run has come.

    Raises:
        FolderTakenError: the folder belongs to another run, or is none of ours.
    """

    def __init__(self, output: Path, run: Mapping[str, Any]) -> None:
        self.folder = _folder(output)
        self._output, self._run = output, _plain(run)
        self.done = self._read()

    def add(self, write: Callable[[Path], None], done: Done) -> None:
        """Adds a part.

        Args:
            write: writes it to a path.
            done: how far the run has come with it.
        """
        if not self.done.parts:
            self.folder.mkdir(exist_ok=True)
            self._save(self.done)  # so that the folder is known as ours from its beginning
        with replacing(self._part(self.done.parts)) as path:
            write(path)
        self._save(done)
        self.done = done

    def finish(self, join: Callable[[Sequence[Path], Path], None]) -> None:
        """Makes the output of all parts, and removes them.

        Args:
            join: writes files into one.
        """
        with replacing(self._output) as path:
            join([self._part(number) for number in range(self.done.parts)], path)
        if self.done.parts:
            remove_folder(self.folder)

    def _save(self, done: Done) -> None:
        write_json(self.folder / _STATE, {"run": self._run, "done": asdict(done)})

    def _part(self, number: int) -> Path:
        return self.folder / f"part-{number:06}"

    def _read(self) -> Done:
        found = _state(self.folder)
        if found is None:
            return Done()
        run, done = found
        for name, value in self._run.items():
            if run.get(name) != value:
                raise FolderTakenError(
                    f"{self.folder} holds an unfinished run with another {name}: "
                    f"{run.get(name)!r}, now {value!r}; repeat its command to go on, or remove "
                    f"{self.folder} to begin anew"
                )
        return done


def unfinished_run(output: Path) -> Mapping[str, Any]:
    """What belongs to the run that was stopped before it wrote this file; nothing if there is none.

    Raises:
        FolderTakenError: what stands in its place is none of ours.
    """
    found = _state(_folder(output))
    return {} if found is None else found[0]


def _plain(value: Any) -> Any:
    """What UTF-8 and JSON hold: text with halves of surrogate pairs in it as Python writes it.

    Such halves stand for bytes of paths, or of arguments, that are no UTF-8.
    """
    if isinstance(value, str):
        return value if without_surrogates(value) == value else ascii(value)
    if isinstance(value, Mapping):
        return {str(_plain(name)): _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value if value is None or isinstance(value, bool | int | float) else ascii(value)


def _folder(output: Path) -> Path:
    place = place_of_file(output)
    return place.with_name(f"{place.name}{_SUFFIX}")


def _state(folder: Path) -> tuple[dict[str, Any], Done] | None:
    """What belongs to a run, and how far it has come; nothing if there is no folder of one."""
    if not folder.exists():
        return None
    if not folder.is_dir():
        raise FolderTakenError(f"{folder} is in the way; move it, or name another output")
    try:
        state = json.loads((folder / _STATE).read_text(encoding="utf-8"))
        done = Done(**state["done"])
        return dict(state["run"]), replace(done, first=tuple(done.first))
    except FileNotFoundError:
        if all(path.name.startswith(".") for path in folder.iterdir()):
            return None  # stopped before it began
        raise FolderTakenError(
            f"{folder} is in the way, and no unfinished run; move it, or name another output"
        ) from None
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise FolderTakenError(
            f"{folder}/{_STATE} is damaged ({error}); remove {folder} to begin anew"
        ) from error
