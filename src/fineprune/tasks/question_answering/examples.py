"""One question about one context, with its reference answers."""

from dataclasses import dataclass
from typing import Literal

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

    def is_aligned(self, context: str) -> bool:
        """Whether the answer, not blank, stands in `context` where it says."""
        return (
            self.start >= 0
            and bool(self.text.strip())
            and context.startswith(self.text, self.start)
        )


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
