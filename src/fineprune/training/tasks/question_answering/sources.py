"""Where examples come from, and the checked set that is read from there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import ConfigDict, Discriminator, Field, Tag
from pydantic.dataclasses import dataclass as validated_dataclass

from fineprune.errors import DataError
from fineprune.training.tasks.question_answering.checks import (
    check_examples,
    describe_misaligned,
    drop_misaligned,
)
from fineprune.training.tasks.question_answering.examples import Example, SetName
from fineprune.training.tasks.question_answering.hub import read_hub
from fineprune.training.tasks.question_answering.squad_file import read_squad_file

MisalignedPolicy = Literal["drop", "refuse"]


@validated_dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class SquadArticles:
    """Some of the articles of a SQuAD-format file.

    Attributes:
        path: the JSON file.
        articles: which of its articles, as Python slices a list: `"0:38"`, `"38:"`, `":-10"`.
    """

    path: Annotated[str, Field(min_length=1)]
    articles: Annotated[str, Field(pattern=r"^(-?\d+)?:(-?\d+)?$")]

    def to_slice(self) -> slice:
        """The slice that `articles` spells."""
        start, stop = (int(bound) if bound else None for bound in self.articles.split(":"))
        return slice(start, stop)


def _spelling(value: object) -> str | None:
    if isinstance(value, str):
        return "name"
    return "slice" if isinstance(value, Mapping | SquadArticles) else None


Source = Annotated[
    Annotated[str, Field(min_length=1), Tag("name")] | Annotated[SquadArticles, Tag("slice")],
    Discriminator(
        _spelling,
        custom_error_type="source",
        custom_error_message="Input should be a file, a data set's name, or {path, articles}",
    ),
]
"""A SQuAD-format file (it ends in `.json`, or exists as a file), else a data set's name or folder
for `datasets.load_dataset`; or some of the articles of a file."""


@dataclass(frozen=True)
class ExampleSet:
    """Examples that passed the checks.

    Attributes:
        examples: in the order of the source.
        notes: what was dropped or looks wrong, one line each.
    """

    examples: tuple[Example, ...]
    notes: tuple[str, ...]


def read_set(
    source: Source,
    role: SetName,
    *,
    unanswerable: bool,
    misaligned: MisalignedPolicy,
) -> ExampleSet:
    """Reads and checks one set.

    Answers that do not stand where they say are refused in any set under `"refuse"`. Under
    `"drop"` they leave the training set, and their questions with them where no other answer is
    left; sets to evaluate on keep them, because the official scripts score an answer's text and
    never look at its place.

    Args:
        source: where from; paths are relative to the current directory.
        role: what the set is for; of a hub data set, also the split to load.
        unanswerable: whether a question may have no answer.
        misaligned: what to do with misaligned answers.

    Raises:
        DataError: the source cannot be read, a check fails, or nothing is left.
    """
    name = source if isinstance(source, str) else source.path
    examples = _read(source, role)
    check_examples(examples, name, unanswerable=unanswerable)
    fault = describe_misaligned(examples)
    if fault is None:
        return ExampleSet(examples, ())
    if misaligned == "refuse":
        raise DataError(f"{name}: {fault}; correct them, or set misaligned: drop")
    if role != "train":
        return ExampleSet(examples, (f"{name}: {fault}: kept, for only their text is scored",))
    return _without_misaligned(name, examples, fault)


def _read(source: Source, role: SetName) -> tuple[Example, ...]:
    if isinstance(source, SquadArticles):
        return read_squad_file(Path(source.path), source.to_slice())
    path = Path(source)
    if path.suffix == ".json" or path.is_file():
        return read_squad_file(path)
    return read_hub(source, role)


def _without_misaligned(name: str, examples: Sequence[Example], fault: str) -> ExampleSet:
    kept = drop_misaligned(examples)
    if not kept:
        raise DataError(f"{name}: {fault}: no question is left to train on")
    lost = len(examples) - len(kept)
    return ExampleSet(kept, (f"{name}: {fault}: not trained on, which drops {lost} questions",))
