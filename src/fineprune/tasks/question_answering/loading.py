"""From settings to a task: every set is read and checked here."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from fineprune.errors import DataError
from fineprune.tasks.data import SquadSource
from fineprune.tasks.question_answering.examples import (
    Example,
    SetName,
    check_examples,
    describe_misaligned,
    drop_misaligned,
    without_blank_answers,
)
from fineprune.tasks.question_answering.formats import read_squad_file, read_squad_rows
from fineprune.tasks.question_answering.settings import (
    MisalignedPolicy,
    QuestionAnsweringSettings,
)
from fineprune.tasks.question_answering.task import QuestionAnswering
from fineprune.text.answers import AnswerRules
from fineprune.text.windows import WindowShape


def load_question_answering(
    settings: QuestionAnsweringSettings,
    *,
    only: SetName | None = None,
    labels: Sequence[str] = (),
) -> QuestionAnswering:
    """Reads and checks the sets that the settings name.

    Args:
        settings: the `task:` section of a recipe.
        only: the one set to read; None for all that there are.
        labels: of no use here, for there are no classes.

    Raises:
        DataError: a set is missing, empty, malformed, has questions without answers that
            `unanswerable` does not allow, or misaligned answers that `misaligned` refuses.
    """
    sources: dict[SetName, SquadSource | None] = {
        "train": settings.train,
        "validation": settings.validation,
        "test": settings.test,
    }
    sets = {
        name: read_set(
            source, name, unanswerable=settings.unanswerable, misaligned=settings.misaligned
        )
        for name, source in sources.items()
        if source is not None and only in (None, name)
    }
    return QuestionAnswering(
        examples={name: loaded.examples for name, loaded in sets.items()},
        windows=WindowShape(settings.max_length, settings.stride),
        rules=AnswerRules(
            settings.n_best,
            settings.max_answer_length,
            settings.null_threshold if settings.unanswerable else None,
        ),
        notes=tuple(note for loaded in sets.values() for note in loaded.notes),
    )


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
    source: SquadSource,
    role: SetName,
    *,
    unanswerable: bool,
    misaligned: MisalignedPolicy,
) -> ExampleSet:
    """Reads and checks one set.

    Answers that are not where they say are refused in any set under `"refuse"`. Under `"drop"`
    they leave the training set, and so do questions that are left with no other answer; sets to
    evaluate on keep them, because the official scripts score an answer's text and never look at
    its place.

    Args:
        source: where from.
        role: what the set is for; of a data set, also the split to load if the source names none.
        unanswerable: whether a question may have no answer, which an empty text may stand for.
        misaligned: what to do with misaligned answers.

    Raises:
        DataError: the source cannot be read, a check fails, or nothing is left.
    """
    name = str(source)
    examples = _read(source, role)
    if unanswerable:
        examples = without_blank_answers(examples)
    check_examples(examples, name, unanswerable=unanswerable)
    fault = describe_misaligned(examples)
    if fault is None:
        return ExampleSet(examples, ())
    if misaligned == "refuse":
        raise DataError(f"{name}: {fault}; correct them, or set misaligned: drop")
    if role != "train":
        return ExampleSet(examples, (f"{name}: {fault}: kept, because only their text is scored",))
    return _without_misaligned(name, examples, fault)


def _read(source: SquadSource, role: SetName) -> tuple[Example, ...]:
    if source.suffix == ".json":
        examples = read_squad_file(source)
    elif source.is_file or source.split:
        examples = read_squad_rows(source)
    else:
        examples = read_squad_rows(replace(source, split=role))
    return tuple(examples[row] for row in source.choose(len(examples)))


def _without_misaligned(name: str, examples: Sequence[Example], fault: str) -> ExampleSet:
    kept = drop_misaligned(examples)
    if not kept:
        raise DataError(f"{name}: {fault}: no question is left to train on")
    lost = len(examples) - len(kept)
    note = f"{name}: {fault}: left out of training, and {lost} questions with them"
    return ExampleSet(kept, (note,))
