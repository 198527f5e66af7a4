"""Examples from the two formats that SQuAD comes in: nested JSON, and rows of a data set."""

import codecs
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Annotated, Final, NotRequired

from pydantic import Field, TypeAdapter, ValidationError
from typing_extensions import TypedDict  # pydantic takes typing's own from Python 3.12 on

from fineprune.errors import DataError
from fineprune.tasks.data import (
    BrokenRow,
    SquadSource,
    Table,
    TableSource,
    as_column,
    bytes_of,
    read,
    read_dataset,
)
from fineprune.tasks.question_answering.examples import Answer, Example
from fineprune.wording import quoted


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


class _Answers(TypedDict):
    text: list[str]
    answer_start: list[int]


class _Row(TypedDict):
    id: str
    question: str
    context: str
    answers: _Answers


_SQUAD_FILE: Final = TypeAdapter(_SquadFile)
_ROW: Final = TypeAdapter(_Row)


def read_squad_file(source: SquadSource) -> tuple[Example, ...]:
    """Reads the questions of the chosen articles of a file, in their order.

    The file holds `{"data": [{"paragraphs": [{"context", "qas": [{"id", "question", "answers":
    [{"text", "answer_start"}], "is_impossible"}]}]}]}`, where `is_impossible` may be left out.
    Other keys, and 2.0's `plausible_answers`, are ignored. An id that is a number is taken as its
    decimal digits.

    Raises:
        DataError: the file is missing, not JSON, or not of this shape; it has none of the
            articles; or `is_impossible` contradicts `answers`.
    """
    with bytes_of(source) as stream:
        content = stream.read()
    try:
        squad = _SQUAD_FILE.validate_json(content.removeprefix(codecs.BOM_UTF8))
    except ValidationError as error:
        raise DataError(
            f"{source.path}: not a JSON file in SQuAD format: {_first_fault(error)}"
        ) from error
    chosen = squad["data"][source.article_slice()]
    if not chosen:
        raise DataError(
            f"{source}: none of the {len(squad['data'])} articles in the file is in that range; "
            f"expected at least one"
        )
    return tuple(
        _example_of_question(source, paragraph["context"], question)
        for paragraph in _paragraphs(chosen)
        for question in paragraph["qas"]
    )


def read_squad_rows(source: SquadSource) -> tuple[Example, ...]:
    """Reads the rows of a split of a data set, such as `rajpurkar/squad`, or of a file of rows.

    Their columns are `id`, `question`, `context` and `answers` (`{"text": [...], "answer_start":
    [...]}`); others are ignored. Rows of a file may do without `id`.

    Raises:
        DataError: the data cannot be loaded, or do not have these columns.
    """
    names = tuple(_Row.__annotations__)
    table = _read_file(source, names) if source.is_file else read_dataset(source, names)
    advice = f"; expected {', '.join(names)}"
    rows = zip(*(table.column(name, advice) for name in names), strict=True)
    return tuple(
        _example_of_row(f"{source}, row {number}", dict(zip(names, row, strict=True)))
        for number, row in zip(table.numbers, rows, strict=True)
    )


def _read_file(source: SquadSource, names: Sequence[str]) -> Table:
    table = read(TableSource(path=source.path), names, _refuse)
    numbers = as_column([str(number) for number in table.numbers])
    return replace(table, columns={"id": numbers, **table.columns})


def _refuse(row: BrokenRow) -> None:
    raise DataError(f"{row.source}, {row.place}: {row.reason}")


def _paragraphs(articles: list[_Article]) -> Iterator[_Paragraph]:
    return (paragraph for article in articles for paragraph in article["paragraphs"])


def _example_of_question(source: SquadSource, context: str, question: _Question) -> Example:
    answers = tuple(Answer(item["text"], item["answer_start"]) for item in question["answers"])
    impossible = question.get("is_impossible")
    if impossible:
        answers = tuple(answer for answer in answers if not answer.is_blank)
    # Not to be settled here: a question that nobody annotated looks like an impossible one.
    if impossible is not None and impossible == bool(answers):
        raise DataError(
            f"{source}: question {question['id']!r} has is_impossible {str(impossible).lower()} "
            f"and {len(answers)} answers; expected answers exactly where it is false"
        )
    return Example(question["id"], question["question"], context, answers)


def _example_of_row(place: str, row: object) -> Example:
    try:
        valid = _ROW.validate_python(row)
    except ValidationError as error:
        raise DataError(f"{place}: {_first_fault(error)}") from error
    texts, starts = valid["answers"]["text"], valid["answers"]["answer_start"]
    if len(texts) != len(starts):
        raise DataError(
            f"{place}: answers has {len(texts)} text and {len(starts)} answer_start; "
            f"expected one start for each text"
        )
    answers = tuple(Answer(text, start) for text, start in zip(texts, starts, strict=True))
    return Example(valid["id"], valid["question"], valid["context"], answers)


def _first_fault(error: ValidationError) -> str:
    """The first fault that `error` holds: what was found, where, and what was expected.

    Examples: `key 'answers' is missing at data[0].paragraphs[3].qas[1]`,
    `data[0].paragraphs: input should be a valid array, found 'x'`.
    """
    fault = error.errors(include_url=False)[0]
    location, message = fault["loc"], fault["msg"]
    if fault["type"] == "json_invalid":
        return message
    if fault["type"] == "missing":
        return f"key {location[-1]!r} is missing at {_path(location[:-1])}"
    return f"{_path(location)}: {message[0].lower()}{message[1:]}, found {quoted(fault['input'])}"


def _path(location: tuple[int | str, ...]) -> str:
    steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in location)
    return "".join(steps).removeprefix(".") or "the top level"
