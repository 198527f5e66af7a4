"""From settings to a task: every file is read and checked here."""

from collections.abc import Mapping, Sequence
from typing import Final

from fineprune.errors import DataError
from fineprune.tasks.base import Split
from fineprune.tasks.data import (
    BrokenRow,
    Sources,
    notes_on_dropped,
    read,
    refuse,
    with_default_splits,
)
from fineprune.tasks.sentence_embedding.examples import ExampleSet, rows_of
from fineprune.tasks.sentence_embedding.settings import SentenceEmbeddingSettings
from fineprune.tasks.sentence_embedding.task import SentenceEmbedding

_SPLITS: Final[tuple[Split, ...]] = ("validation", "test")


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
    sources: Mapping[Split, Mapping[str, Sources]] = {
        "validation": splits.validation,
        "test": splits.test,
    }
    return SentenceEmbedding(
        settings=settings,
        train=train,
        evaluation={
            split: {name: reader.one(one) for name, one in sources[split].items()}
            for split in _SPLITS
            if only in (None, split)
        },
        notes=tuple(reader.notes()),
    )


class _Reader:
    """Reads sources as the settings say, and keeps what there is to say of them."""

    def __init__(self, settings: SentenceEmbeddingSettings) -> None:
        self._columns, self._score = settings.text_columns, settings.score
        self._broken: list[BrokenRow] = []
        self._notes: list[str] = []
        self._on_broken = refuse if settings.broken_rows == "refuse" else self._broken.append

    def one(self, sources: Sources) -> ExampleSet:
        """One set.

        Raises:
            DataError: it cannot be read, or no row of it can be used.
        """
        wanted = {*self._columns, *([self._score] if self._score else [])}
        tables = [read(source, wanted, self._on_broken) for source in sources]
        self._notes += [note for table in tables for note in table.notes]
        source = ", ".join(table.source for table in tables)
        rows = [
            row
            for table in tables
            for row in rows_of(table, self._columns, self._score, self._on_broken)
        ]
        if not rows:
            first = self._broken[0]
            raise DataError(
                f"{source}: no row can be used; the first, {first.place}: {first.reason}"
            )
        scores = tuple(score for _, score in rows) if self._score else ()
        return ExampleSet(source, tuple(texts for texts, _ in rows), scores)

    def notes(self) -> list[str]:
        """What looks wrong in the files, each once, and which rows were left out."""
        return [*dict.fromkeys(self._notes), *notes_on_dropped(self._broken)]


def _require_cosines(train: ExampleSet) -> None:
    odd = [score for score in train.scores if not -1 <= score <= 1]
    if odd:
        raise DataError(
            f"{train.source}: {len(odd)} scores are no cosines, such as {odd[0]:g}: "
            "CosineSimilarityLoss needs them from -1 to 1; scale them, or take CoSENTLoss"
        )
