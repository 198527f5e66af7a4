"""Examples from a JSON file in the original SQuAD format, version 1.1 or 2.0."""

import codecs
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, NotRequired

from pydantic import Field, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from fineprune.errors import DataError
from fineprune.tasks.question_answering.examples import Answer, Example
from fineprune.tasks.question_answering.validation import first_fault


class _Answer(TypedDict):
    text: str
    answer_start: int


class _Question(TypedDict):
    id: Annotated[str, Field(coerce_numbers_to_str=True)]
    question: str
    answers: list[_Answer]
    is_impossible: NotRequired[bool]


class _Paragraph(TypedDict):
    context: str
    qas: list[_Question]


class _Article(TypedDict):
    paragraphs: list[_Paragraph]


class _SquadFile(TypedDict):
    data: list[_Article]


_SQUAD_FILE = TypeAdapter(_SquadFile)


def read_squad_file(path: Path, articles: slice = slice(None)) -> tuple[Example, ...]:
    """Reads the questions of the chosen articles, in the order of the file.

    Keys that the format does not know, and 2.0's `plausible_answers`, are ignored. An id that is
    a number is taken as its decimal digits.

    Args:
        path: a JSON file: `{"data": [{"paragraphs": [{"context", "qas": [{"id", "question",
            "answers": [{"text", "answer_start"}], "is_impossible"}]}]}]}`, where
            `is_impossible` may be left out.
        articles: which of `data` to read.

    Raises:
        DataError: the file is missing, not JSON, or not of this shape; it has none of the
            articles; or `is_impossible` contradicts `answers`.
    """
    squad = _parse(path)
    chosen = squad["data"][articles]
    if not chosen:
        raise DataError(
            f"{path}: holds {len(squad['data'])} articles, and none of them is among those asked "
            f"for; expected at least one"
        )
    return tuple(
        _example(path, paragraph["context"], question)
        for paragraph in _paragraphs(chosen)
        for question in paragraph["qas"]
    )


def _parse(path: Path) -> _SquadFile:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(
            f"{path}: cannot be read ({error.strerror}); expected a JSON file in SQuAD format"
        ) from error
    try:
        return _SQUAD_FILE.validate_json(content.removeprefix(codecs.BOM_UTF8))
    except ValidationError as error:
        raise DataError(f"{path}: not a JSON file in SQuAD format: {first_fault(error)}") from error


def _paragraphs(articles: list[_Article]) -> Iterator[_Paragraph]:
    return (paragraph for article in articles for paragraph in article["paragraphs"])


def _example(path: Path, context: str, question: _Question) -> Example:
    answers = tuple(Answer(item["text"], item["answer_start"]) for item in question["answers"])
    # Not to be settled here: an unannotated question looks like an impossible one.
    if question.get("is_impossible", not answers) == bool(answers):
        raise DataError(
            f"{path}: question {question['id']!r} has is_impossible "
            f"{str(bool(answers)).lower()} and {len(answers)} answers; "
            f"expected answers exactly where it is false"
        )
    return Example(question["id"], question["question"], context, answers)
