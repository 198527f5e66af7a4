"""A set of examples, read and checked."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from fineprune.errors import DataError
from fineprune.tasks.question_answering.checks import (
    check_examples,
    describe_misaligned,
    drop_misaligned,
)
from fineprune.tasks.question_answering.examples import Example, SetName
from fineprune.tasks.question_answering.hub import read_hub
from fineprune.tasks.question_answering.source import Source
from fineprune.tasks.question_answering.squad_file import read_squad_file

MisalignedPolicy = Literal["drop", "refuse"]


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
        source: where from.
        role: what the set is for; of a data set, also the split to load if the source names none.
        unanswerable: whether a question may have no answer.
        misaligned: what to do with misaligned answers.

    Raises:
        DataError: the source cannot be read, a check fails, or nothing is left.
    """
    name = str(source)
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
    if source.is_file:
        return read_squad_file(Path(source.path), source.article_slice())
    return read_hub(source.path, source.config, source.split or role)


def _without_misaligned(name: str, examples: Sequence[Example], fault: str) -> ExampleSet:
    kept = drop_misaligned(examples)
    if not kept:
        raise DataError(f"{name}: {fault}: no question is left to train on")
    lost = len(examples) - len(kept)
    return ExampleSet(kept, (f"{name}: {fault}: not trained on, which drops {lost} questions",))
