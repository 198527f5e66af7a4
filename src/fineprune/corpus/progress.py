"""Shows how a run over a corpus is going: how much is read, rows a second, time left."""

import sys
import time
from typing import Self, final

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from fineprune.wording import minutes

_SECONDS = 10.0  # between lines where there is no terminal


@final
class RowProgress:
    """A bar on a terminal; elsewhere a line from time to time. To be used in a `with`.

    Args:
        console: where to write; standard error by default, as standard output is for results.
    """

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(file=sys.stderr)
        self._bar: Progress | None = None
        self._started = self._told = 0.0
        self._size = self._before = self._rows = 0

    def start(self, size: int, before: int) -> None:
        """Begins.

        Args:
            size: of what is read, in whatever unit.
            before: of that, how much a run before has done.
        """
        self._started = self._told = time.monotonic()
        self._size, self._before = size, before
        if self._console.is_terminal:
            self._bar = Progress(
                TaskProgressColumn(),
                BarColumn(bar_width=None),
                TextColumn("{task.description}"),
                TimeRemainingColumn(),
                console=self._console,
            )
            self._bar.start()
            self._bar.add_task("", total=size, completed=before)

    def advance(self, position: int, rows: int) -> None:
        """Shows what is done.

        Args:
            position: of `size`, how much is read.
            rows: that were answered since the last call.
        """
        self._rows += rows
        now = time.monotonic()
        seconds = max(now - self._started, 1e-9)
        line = f"{self._rows:,} rows, {self._rows / seconds:,.0f} rows/s"
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=position, description=line)
        elif now - self._told >= _SECONDS:
            self._told = now
            share = position / max(self._size, 1)
            self.say(f"{share:.0%}  {line}  left {self._left(position, seconds)}")

    def say(self, line: str) -> None:
        """A line that stays."""
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        # Also after an error: a bar that stays would hide the message.
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _left(self, position: int, seconds: float) -> str:
        done = max(position - self._before, 1)
        return minutes(seconds / done * max(self._size - position, 0))
