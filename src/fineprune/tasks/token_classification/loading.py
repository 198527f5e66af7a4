"""From settings to a task: every file is read and checked here."""

from collections.abc import Iterator, Sequence

from fineprune.errors import DataError
from fineprune.tasks.base import Split
from fineprune.tasks.classification.labels import ordered
from fineprune.tasks.data import Sources, Table, with_default_splits
from fineprune.tasks.reading import Reading, evaluation_of
from fineprune.tasks.token_classification.examples import Example, ExampleSet, examples_of
from fineprune.tasks.token_classification.settings import TokenClassificationSettings
from fineprune.tasks.token_classification.tags import require_tags, tags_of_kinds
from fineprune.tasks.token_classification.task import TokenClassification
from fineprune.text.windows import WindowShape
from fineprune.wording import quoted


def load_token_classification(
    settings: TokenClassificationSettings, *, only: Split | None = None, labels: Sequence[str] = ()
) -> TokenClassification:
    """Reads and checks the data that the settings name.

    Args:
        settings: the `task:` section of a recipe.
        only: the one split to read; None for all that there are, and the training set.
        labels: names of the model's outputs, where the settings do not name them and `only` is
            given.

    Raises:
        DataError: data are missing, malformed, or do not fit the settings.
    """
    reader = _Reader(settings)
    splits = with_default_splits(settings.splits)
    names = settings.labels
    if not names and only is not None and labels:
        names = _checked(labels)
    train = None
    if only is None or not names:
        train = reader.one(splits.train)
        names = names or reader.names(train)
        train = train if only is None else None
    evaluation = evaluation_of(splits, only, lambda one: _required(reader.one(one)))
    every = [
        *([train] if train else []),
        *(one for sets in evaluation.values() for one in sets.values()),
    ]
    for one in every:
        _require_known(one, names)
    return TokenClassification(
        labels=names,
        windows=WindowShape(settings.max_length, settings.stride),
        train=train,
        evaluation=evaluation,
        notes=(*reader.reading.notes(), *_notes_on_training(train, names)),
    )


class _Reader:
    """Reads texts and their entities as the settings say."""

    def __init__(self, settings: TokenClassificationSettings) -> None:
        self._columns = settings.columns
        self._tokens = settings.text is None
        self._declared: list[tuple[str, ...] | None] = []
        self.reading = Reading(settings.columns, settings.broken_rows)

    def one(self, sources: Sources) -> ExampleSet | None:
        """One set; None of no sources.

        Raises:
            DataError: it cannot be read, or no row of it can be used.
        """
        if not sources:
            return None
        tables = self.reading.tables(sources)
        self._declared += [table.class_names.get(self._columns[1]) for table in tables]
        source, examples = self.reading.rows(tables, self._examples)
        return ExampleSet(source, tuple(examples))

    def _examples(self, table: Table) -> Iterator[Example]:
        return examples_of(
            table, self._columns, tokens=self._tokens, on_broken=self.reading.on_broken
        )

    def names(self, train: ExampleSet | None) -> tuple[str, ...]:
        """The tags that the training set declares, if they are IOB2; else of the kinds in it."""
        declared = self._declared[0] if len({*self._declared}) == 1 else None
        if declared is not None:
            try:
                require_tags(declared)
            except ValueError:
                pass
            else:
                return declared
        examples = train.examples if train else ()
        kinds = ordered(one.kind for example in examples for one in example.entities)
        if not kinds:
            where = train.source if train else "the recipe"
            raise DataError(f"{where} holds no entity, and at least one is needed to learn from")
        return tags_of_kinds(kinds)


def _required(found: ExampleSet | None) -> ExampleSet:
    if found is None:  # which settings do not allow
        raise ValueError("a set without sources")
    return found


def _checked(labels: Sequence[str]) -> tuple[str, ...]:
    try:
        require_tags(labels)
    except ValueError as error:
        raise DataError(f"the model's labels: {error}") from error
    return tuple(labels)


def _require_known(found: ExampleSet, names: Sequence[str]) -> None:
    for number, example in enumerate(found.examples, 1):
        for one in example.entities:
            if f"B-{one.kind}" not in names:
                entity = quoted(example.text[one.start : one.end])
                raise DataError(
                    f"{found.source}, text {number}: the entity {entity} is of the kind "
                    f"{quoted(one.kind)}, which is none of the model's; name all under task.labels"
                )


def _notes_on_training(train: ExampleSet | None, names: Sequence[str]) -> tuple[str, ...]:
    if train is None:
        return ()
    there = {one.kind for example in train.examples for one in example.entities}
    absent = [name[2:] for name in names if name.startswith("B-") and name[2:] not in there]
    return (f"{train.source}: no entity is of the kind {', '.join(absent)}",) if absent else ()
