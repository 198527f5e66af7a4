"""From settings to a task: every file is read and checked here."""

from collections.abc import Sequence

from fineprune.errors import DataError
from fineprune.tasks.base import Split
from fineprune.tasks.data import Sources, with_default_splits
from fineprune.tasks.reading import Reading, evaluation_of
from fineprune.tasks.sentence_embedding.examples import ExampleSet, rows_of
from fineprune.tasks.sentence_embedding.settings import SentenceEmbeddingSettings
from fineprune.tasks.sentence_embedding.task import SentenceEmbedding


def load_sentence_embedding(
    settings: SentenceEmbeddingSettings, *, only: Split | None = None, labels: Sequence[str] = ()
) -> SentenceEmbedding:
    """Reads and checks the data that the settings name.

    Args:
        settings: the `task:` section of a recipe.
        only: the one split to read; None for all that there are, and the training set.
        labels: of no use here, for there are no classes.

    Raises:
        DataError: data are missing, malformed, or do not fit the settings.
    """
    reader = _Reader(settings)
    splits = with_default_splits(settings.splits)
    train = reader.one(splits.train) if only is None and splits.train else None
    if train is not None and settings.loss_name == "CosineSimilarityLoss":
        _require_cosines(train)
    return SentenceEmbedding(
        settings=settings,
        train=train,
        evaluation=evaluation_of(splits, only, reader.one),
        notes=tuple(reader.reading.notes()),
    )


class _Reader:
    """Reads texts and scores as the settings say."""

    def __init__(self, settings: SentenceEmbeddingSettings) -> None:
        self._columns, self._score = settings.text_columns, settings.score
        wanted = {*self._columns, *([self._score] if self._score else [])}
        self.reading = Reading(wanted, settings.broken_rows)

    def one(self, sources: Sources) -> ExampleSet:
        """One set.

        Raises:
            DataError: it cannot be read, or no row of it can be used.
        """
        source, rows = self.reading.rows(
            self.reading.tables(sources),
            lambda table: rows_of(table, self._columns, self._score, self.reading.on_broken),
        )
        scores = tuple(score for _, score in rows) if self._score else ()
        return ExampleSet(source, tuple(texts for texts, _ in rows), scores)


def _require_cosines(train: ExampleSet) -> None:
    odd = [score for score in train.scores if not -1 <= score <= 1]
    if odd:
        raise DataError(
            f"{train.source}: {len(odd)} scores are no cosines, such as {odd[0]:g}: "
            "CosineSimilarityLoss needs them from -1 to 1; scale them, or take CoSENTLoss"
        )
