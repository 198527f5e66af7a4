"""Examples from a data set in the hub's row format, such as `rajpurkar/squad`."""

from datasets import Dataset, load_dataset
from pydantic import TypeAdapter, ValidationError
from typing_extensions import TypedDict

from fineprune.errors import DataError
from fineprune.tasks.question_answering.examples import Answer, Example
from fineprune.tasks.question_answering.validation import first_fault


class _Answers(TypedDict):
    text: list[str]
    answer_start: list[int]


class _Row(TypedDict):
    id: str
    question: str
    context: str
    answers: _Answers


_ROW = TypeAdapter(_Row)


def read_hub(name: str, config: str | None, split: str) -> tuple[Example, ...]:
    """Loads a split of a data set and reads its rows, in their order.

    Args:
        name: a data set on the hub, or a local folder of data files, as `datasets.load_dataset`
            takes it, with columns `id`, `question`, `context` and `answers`
            (`{"text": [...], "answer_start": [...]}`); other columns are ignored.
        config: name of its configuration, if it has several.
        split: name of the split.

    Raises:
        DataError: the data set or split cannot be loaded, or has not these columns.
    """
    rows = _load(name, config, split)
    missing = [column for column in _Row.__annotations__ if column not in rows.column_names]
    if missing:
        raise DataError(
            f"{name}: split {split!r} has no column {missing[0]!r}; "
            f"found {', '.join(rows.column_names)}"
        )
    return tuple(_example(name, split, index, row) for index, row in enumerate(rows))


def _load(name: str, config: str | None, split: str) -> Dataset:
    try:
        return load_dataset(name, config, split=split)
    except Exception as error:  # of any of the libraries that a download passes through
        cause = error.__cause__ or error  # `datasets` wraps errors of file formats
        reason = str(cause).strip().partition("\n")[0] or type(cause).__name__
        raise DataError(
            f"{name}: split {split!r} cannot be loaded ({reason}); expected a .json file in SQuAD "
            f"format, the name of a data set on the hub, or a folder of data files"
        ) from error


def _example(name: str, split: str, index: int, row: object) -> Example:
    try:
        valid = _ROW.validate_python(row)
    except ValidationError as error:
        raise DataError(f"{name}: row {index} of {split!r}: {first_fault(error)}") from error
    texts, starts = valid["answers"]["text"], valid["answers"]["answer_start"]
    if len(texts) != len(starts):
        raise DataError(
            f"{name}: row {index} of {split!r}: answers has {len(texts)} text and {len(starts)} "
            f"answer_start; expected one start for each text"
        )
    answers = tuple(Answer(text, start) for text, start in zip(texts, starts, strict=True))
    return Example(valid["id"], valid["question"], valid["context"], answers)
