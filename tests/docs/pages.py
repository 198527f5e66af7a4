"""The code blocks of a page, and what their fences say of them.

    ```LANGUAGE [NOTE]

| note | what it means |
|---|---|
| `not run: REASON` | it takes what a test has not (a network, a GPU, hours): it is checked |
| `output` | of `text`: what the block before it prints |
| `within N%` | numbers that are shown may differ by so much of the larger from those of the run |

A block of YAML or Python whose first line is a comment that holds a file's name alone (`# app.py`)
is that file.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt

ROOT = Path(__file__).parents[2]

_NOT_RUN = re.compile(r"not run: (\S.*)")
_WITHIN = re.compile(r"within (\d+)%")
_FILE = re.compile(r"# ([\w./-]+\.\w+)\n")
# Written from the ledger by a script: `test_results.py` holds both to each other, and the commands
# to what the command line takes.
_FROM_THE_LEDGER = {"results.md"}


@dataclass(frozen=True)
class Block:
    """A fenced block of code.

    Attributes:
        page: where it stands.
        line: of its fence, counted from 1.
        language: the first word behind the fence.
        note: the others.
        text: what it holds.
    """

    page: Path
    line: int
    language: str
    note: str
    text: str

    @property
    def why_not(self) -> str:
        """Why it is not run; empty if it is."""
        found = _NOT_RUN.fullmatch(self.note)
        return found[1] if found else ""

    @property
    def is_output(self) -> bool:
        """Whether it shows what the block before it prints."""
        return self.note.split(" ")[0] == "output"

    @property
    def within(self) -> float:
        """By how much numbers may differ, as a fraction of the larger of two."""
        found = _WITHIN.search(self.note)
        return float(found[1]) / 100 if found else 0.0

    @property
    def file(self) -> str:
        """The name of the file that it is; empty if it is none."""
        found = _FILE.match(self.text)
        return found[1] if found else ""

    @property
    def is_understood(self) -> bool:
        """Whether its note is one of those above."""
        rest = self.note.removeprefix("output").strip() if self.is_output else self.note
        return not rest or any(kind.fullmatch(rest) for kind in (_NOT_RUN, _WITHIN))

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def pages() -> list[Path]:
    """README and all pages of the documentation that somebody writes."""
    written = (path for path in (ROOT / "docs").rglob("*.md") if "_build" not in path.parts)
    return [ROOT / "README.md", *sorted(p for p in written if p.name not in _FROM_THE_LEDGER)]


def blocks_of(page: Path) -> list[Block]:
    """The code blocks of a page, those inside of lists and directives among them."""
    return list(_blocks(page, page.read_text("utf-8"), 0))


def _blocks(page: Path, text: str, before: int) -> Iterator[Block]:
    for token in MarkdownIt().parse(text):
        if token.type not in ("fence", "code_block"):
            continue
        assert token.map is not None
        language, _, note = token.info.partition(" ")
        line = before + token.map[0] + 1
        if language.startswith("{"):
            yield from _blocks(page, token.content, line)
        else:
            yield Block(page, line, language, note.strip(), token.content)
