"""Rows of texts that are near each other, or not."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from fineprune.tasks.classification.labels import UnusableValueError
from fineprune.tasks.data import BrokenRow, OnBroken, Table
from fineprune.tasks.values import number_of, text_of


@dataclass(frozen=True)
class ExampleSet:
    """Checked rows of one set.

    Attributes:
        source: name of the set in messages: its sources.
        texts: of each row, the anchor, the positive and, of triplets, the negative.
        scores: of scored pairs; empty otherwise.
    """

    source: str
    texts: tuple[tuple[str, ...], ...] = field(repr=False)
    scores: tuple[float, ...] = field(default=(), repr=False)

    def __len__(self) -> int:
        return len(self.texts)


def rows_of(
    table: Table, columns: Sequence[str], score: str | None, on_broken: OnBroken
) -> Iterator[tuple[tuple[str, ...], float]]:
    """Texts and scores of a table, 0 where it has none, without its broken rows.

    Args:
        table: raw values.
        columns: of texts.
        score: column of scores, if there is one.
        on_broken: takes the rows that cannot be used.

    Raises:
        DataError: a column is missing.
    """
    names = (*columns, *((score,) if score else ()))
    advice = ": name the columns under task.anchor, task.positive and so on"
    rows = zip(*(table.column(name, advice) for name in names), strict=True)
    for number, row in zip(table.numbers, rows, strict=True):
        try:
            texts = tuple(text_of(name, row[i]) for i, name in enumerate(columns))
            yield texts, number_of(score, row[-1]) if score else 0.0
        except UnusableValueError as reason:
            on_broken(BrokenRow(table.source, f"{table.unit} {number}", str(reason)))
