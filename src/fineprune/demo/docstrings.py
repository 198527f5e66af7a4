"""A data set that every Python carries: docstrings of its standard library, labelled by module.

The task is to tell from a docstring's summary which module it documents. It is made so that there
is something to learn and nothing to look up:

- Only the first paragraph is taken, up to a doctest: the summary says what a thing does, what
  follows mostly repeats its signature. Summaries are short too, which keeps training quick.
- A summary of fewer than 20 characters ("Return the result.") could stand anywhere, and one that
  several modules share does: both are left out.
- A summary that contains its module's name is left out, for its answer would stand in the question.
- The labels are the 24 modules with the most examples: the long tail has too few to learn from.

An example goes into the training or the validation set by a hash of its text, so that the split
depends neither on the order of files nor on what else there is, and equal texts stay together.
Numbers differ between Python versions, as the library does.
"""

import ast
import hashlib
import json
import re
import sys
import sysconfig
import warnings
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from fineprune.errors import DataError
from fineprune.files import replacing

LABELS = 24
SHORTEST_TEXT = 20
VALIDATION_SHARE = 0.2

# Not the library: its tests, and the editor that comes with it.
_SKIPPED = frozenset({"test", "tests", "idle_test", "idlelib"})
_END_OF_SUMMARY = re.compile(r"\n\s*\n|^\s*>>>", re.MULTILINE)


@dataclass(frozen=True)
class DocstringDataset:
    """The files of the data set: one JSON object `{"text": ..., "label": ...}` a line.

    Attributes:
        train: file of the training set.
        validation: file of the validation set.
        train_examples: number of lines in `train`.
        validation_examples: number of lines in `validation`.
        labels: names of all labels, sorted.
    """

    train: Path
    validation: Path
    train_examples: int
    validation_examples: int
    labels: tuple[str, ...]


@dataclass(frozen=True)
class Example:
    """One docstring's summary and the top-level module that it documents."""

    text: str
    label: str


def write_docstring_dataset(folder: Path, library: Path | None = None) -> DocstringDataset:
    """Collects the docstrings of the standard library and writes them as two JSON-lines files.

    The library is parsed, never imported. The same library gives the same files, byte for byte.

    Args:
        folder: where `train.jsonl` and `validation.jsonl` appear; made if missing.
        library: the library's source folder; by default that of the running interpreter.

    Raises:
        DataError: the library has too few documented modules to tell apart, as in a Python that
            is shipped without its sources.
    """
    library = library or Path(sysconfig.get_path("stdlib"))
    examples = most_frequent_labels(unambiguous(library_docstrings(library)), LABELS)
    labels = tuple(sorted({example.label for example in examples}))
    validation, train = split(examples)
    if len(labels) < 2 or not train or not validation:
        raise DataError(
            f"{library} holds docstrings of {len(labels)} modules, too few for a data set: "
            "run a Python that comes with the sources of its standard library"
        )
    folder.mkdir(parents=True, exist_ok=True)
    return DocstringDataset(
        train=_write(folder / "train.jsonl", train),
        validation=_write(folder / "validation.jsonl", validation),
        train_examples=len(train),
        validation_examples=len(validation),
        labels=labels,
    )


def library_docstrings(library: Path) -> Iterator[Example]:
    """All summaries below a source folder, in the order of sorted paths and of their lines."""
    for path in sorted(library.rglob("*.py")):
        parts = path.relative_to(library).with_suffix("").parts
        # What cannot be imported by name is not the library: site-packages, lib-dynload, ...
        if _SKIPPED.isdisjoint(parts) and all(part.isidentifier() for part in parts):
            label = _public_name(parts[0])
            yield from (Example(summary(text), label) for text in docstrings(path.read_bytes()))


def docstrings(source: bytes) -> Iterator[str]:
    """Docstrings of a file: of the module, its classes and functions, at any depth.

    Args:
        source: content of the file, in the encoding that it declares; a file that this Python
            cannot parse has none.
    """
    with warnings.catch_warnings(action="ignore"):  # a doubtful escape there is no concern of ours
        try:
            tree = ast.parse(source)
        except (SyntaxError, ValueError):  # ValueError: a null byte, before Python 3.12
            return
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            docstring = ast.get_docstring(node)
            if docstring is not None:
                yield docstring


def summary(docstring: str) -> str:
    """The first paragraph of a cleaned docstring, up to a doctest, on one line."""
    return " ".join(_END_OF_SUMMARY.split(docstring, maxsplit=1)[0].split())


def unambiguous(examples: Iterable[Example]) -> list[Example]:
    """Each text once; without those that are too short, say their label, or have several labels."""
    first: dict[str, Example] = {}
    labels: dict[str, set[str]] = {}
    for example in examples:
        key = _normalized(example.text)
        first.setdefault(key, example)
        labels.setdefault(key, set()).add(example.label)
    return [
        example
        for key, example in first.items()
        if len(labels[key]) == 1
        and len(example.text) >= SHORTEST_TEXT
        and example.label.casefold() not in key.split()
    ]


def most_frequent_labels(examples: list[Example], count: int) -> list[Example]:
    """The examples of the `count` labels that have most of them; names break ties."""
    sizes = Counter(example.label for example in examples)
    kept = sorted(sizes, key=lambda label: (-sizes[label], label))[:count]
    return [example for example in examples if example.label in kept]


def split(examples: list[Example]) -> tuple[list[Example], list[Example]]:
    """The validation and the training set, each ordered by the hash that divides them."""
    positions = {example: _position(example.text) for example in examples}
    # This order also mixes the labels, for whoever reads the file from its beginning.
    ordered = sorted(examples, key=positions.__getitem__)
    boundary = bisect_left(ordered, VALIDATION_SHARE, key=positions.__getitem__)
    return ordered[:boundary], ordered[boundary:]


def _public_name(module: str) -> str:
    """The name users import: `_pydecimal`, the Python twin of C code, documents `decimal`."""
    public = module.removeprefix("_py")
    return public if public in sys.stdlib_module_names else module


def _normalized(text: str) -> str:
    """What makes two texts equal: their words, whatever their case and punctuation."""
    return " ".join(re.findall(r"\w+", text.casefold()))


def _position(text: str) -> float:
    """A number in [0, 1) that depends on the text alone and is spread evenly over texts."""
    digest = hashlib.sha256(_normalized(text).encode()).digest()
    return int.from_bytes(digest[:6]) / 2**48


def _write(path: Path, examples: list[Example]) -> Path:
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as file:
        for example in examples:
            file.write(json.dumps({"text": example.text, "label": example.label}) + "\n")
    return path
