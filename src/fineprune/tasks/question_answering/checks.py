"""What a set of examples must hold before anything is trained on it or evaluated with it."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from fineprune.errors import DataError
from fineprune.tasks.question_answering.examples import Example


def check_examples(examples: Sequence[Example], source: str, *, unanswerable: bool) -> None:
    """Checks that there are questions, that their ids differ, and that they have answers.

    Args:
        examples: the whole set.
        source: name of the file or data set, for messages.
        unanswerable: whether a question may have no answer.

    Raises:
        DataError: one of these does not hold.
    """
    if not examples:
        raise DataError(f"{source}: holds no questions; expected at least one")
    identity, times = Counter(example.id for example in examples).most_common(1)[0]
    if times > 1:
        raise DataError(f"{source}: {times} questions have the id {identity!r}; ids must differ")
    unanswered = next((example for example in examples if not example.answers), None)
    if unanswered is not None and not unanswerable:
        raise DataError(
            f"{source}: question {unanswered.id!r} has no answer; for data in which that is "
            f"right (SQuAD 2.0), set unanswerable: true"
        )


def describe_misaligned(examples: Sequence[Example]) -> str | None:
    """One line on the answers that do not stand in their context where they say, if any do not."""
    misaligned = [
        example.id
        for example in examples
        for answer in example.answers
        if not answer.is_aligned(example.context)
    ]
    if not misaligned:
        return None
    total = sum(len(example.answers) for example in examples)
    return (
        f"{len(misaligned)} of {total} answers do not stand in the context at their answer_start "
        f"(the first: question {misaligned[0]!r})"
    )


def drop_misaligned(examples: Sequence[Example]) -> tuple[Example, ...]:
    """The examples without their misaligned answers, and without those left with no answer.

    A question that had no answer from the start stays: its place is right.
    """
    aligned = (
        replace(example, answers=tuple(a for a in example.answers if a.is_aligned(example.context)))
        for example in examples
    )
    return tuple(
        kept
        for kept, example in zip(aligned, examples, strict=True)
        if kept.answers or not example.answers
    )
