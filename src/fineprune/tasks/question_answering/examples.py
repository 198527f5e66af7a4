"""Questions with their reference answers, and what is wrong with a set of them.

They are kept as Python objects, not in Arrow: the format nests questions in paragraphs, whose text
they share here, and every step on the way to windows and back slices that text by character.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from fineprune.errors import DataError

SetName = Literal["train", "validation", "test"]
"""The roles that sets of examples play."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A reference answer.

    Attributes:
        text: the answer as annotated.
        start: index in the context of the answer's first character, as annotated.
    """

    text: str
    start: int

    @property
    def is_blank(self) -> bool:
        """Whether it has no text, which is how some data sets mark a question without an answer."""
        return not self.text.strip()

    def is_aligned(self, context: str) -> bool:
        """Whether the answer is not blank, and is found in `context` at `start`."""
        return self.start >= 0 and not self.is_blank and context.startswith(self.text, self.start)


@dataclass(frozen=True, slots=True)
class Example:
    """A question, the context to answer it from, and the reference answers.

    Attributes:
        id: unique in its set; predictions are keyed by it.
        question: the question.
        context: the text that holds the answer.
        answers: any of these is right; none where the context does not answer the question.
    """

    id: str
    question: str
    context: str
    answers: tuple[Answer, ...]


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
            f"{source}: question {unanswered.id!r} has no answer; if that is right, as in "
            f"SQuAD 2.0, set unanswerable: true"
        )


def without_blank_answers(examples: Sequence[Example]) -> tuple[Example, ...]:
    """The examples without blank answers, so that one with no others has none.

    Beside other answers, a blank one does not count in the script of SQuAD 2.0 either.
    """
    return tuple(
        replace(example, answers=tuple(a for a in example.answers if not a.is_blank))
        if any(answer.is_blank for answer in example.answers)
        else example
        for example in examples
    )


def describe_misaligned(examples: Sequence[Example]) -> str | None:
    """One line on the answers that are not in their context at `start`, if there are any."""
    misaligned = [
        (example.id, answer)
        for example in examples
        for answer in example.answers
        if not answer.is_aligned(example.context)
    ]
    if not misaligned:
        return None
    total = sum(len(example.answers) for example in examples)
    blank = sum(answer.is_blank for _, answer in misaligned)
    return (
        f"{len(misaligned)} of {total} answers are not in the context at their answer_start "
        f"(the first: question {misaligned[0][0]!r})"
    ) + (f", {blank} of them empty, which unanswerable: true takes for no answer" if blank else "")


def drop_misaligned(examples: Sequence[Example]) -> tuple[Example, ...]:
    """The examples without their misaligned answers, and without those left with no answer.

    A question that had no answer to begin with stays.
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
