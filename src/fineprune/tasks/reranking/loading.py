"""From settings to a task: every file is read and checked here."""

from collections.abc import Iterator, Sequence

from fineprune.errors import DataError
from fineprune.tasks.base import Split
from fineprune.tasks.classification.labels import UnusableValueError
from fineprune.tasks.data import BrokenRow, Sources, Table, with_default_splits
from fineprune.tasks.reading import Reading, evaluation_of
from fineprune.tasks.reranking.settings import RerankingSettings
from fineprune.tasks.reranking.task import Judgement, JudgementSet, Reranking
from fineprune.tasks.values import number_of, text_of


def load_reranking(
    settings: RerankingSettings, *, only: Split | None = None, labels: Sequence[str] = ()
) -> Reranking:
    """Reads and checks the data that the settings name.

    Args:
        settings: the `task:` section of a recipe.
        only: the one split to read; None for all that there are, and the training set.
        labels: of no use here, for there are no classes.

    Raises:
        DataError: data are missing, malformed, or have nothing to rank or to learn.
    """
    reader = _Reader(settings)
    splits = with_default_splits(settings.splits)
    train = reader.one(splits.train) if only is None and splits.train else None
    if train is not None and len({one.label for one in train.judgements}) == 1:
        raise DataError(
            f"{train.source}: all {len(train)} documents have the same label, and at least two "
            "are needed to learn from"
        )
    evaluation = evaluation_of(splits, only, reader.one)
    notes = [note for sets in evaluation.values() for one in sets.values() for note in one.notes()]
    return Reranking(
        max_length=settings.max_length,
        train=train,
        evaluation=evaluation,
        notes=(*reader.reading.notes(), *notes),
    )


class _Reader:
    """Reads judgements as the settings say."""

    def __init__(self, settings: RerankingSettings) -> None:
        self._columns = settings.columns
        self.reading = Reading(settings.columns, settings.broken_rows)

    def one(self, sources: Sources) -> JudgementSet:
        """One set.

        Raises:
            DataError: it cannot be read, or no row of it can be used.
        """
        source, judgements = self.reading.rows(self.reading.tables(sources), self._judgements)
        return JudgementSet(source, tuple(judgements))

    def _judgements(self, table: Table) -> Iterator[Judgement]:
        query, document, label = self._columns
        advice = ": name the columns under task.query, task.document and task.label"
        rows = zip(*(table.column(name, advice) for name in self._columns), strict=True)
        for number, row in zip(table.numbers, rows, strict=True):
            try:
                relevance = number_of(label, _as_number(row[2]))
                if not 0 <= relevance <= 1:
                    raise UnusableValueError(
                        f"the score in column {label!r} is {relevance:g}; expected 0 to 1: scale it"
                    )
                yield Judgement(text_of(query, row[0]), text_of(document, row[1]), relevance)
            except UnusableValueError as reason:
                self.reading.on_broken(
                    BrokenRow(table.source, f"{table.unit} {number}", str(reason))
                )


def _as_number(value: object) -> object:
    """Truth values, which tell relevant from not as well as 1 and 0 do, as these."""
    return int(value) if isinstance(value, bool) else value
