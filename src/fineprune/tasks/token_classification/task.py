"""The token-classification task: examples to windows, logits to entities and metrics."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, final

import numpy as np
from datasets import Dataset
from numpy.typing import NDArray

from fineprune.tasks.base import (
    ClassWeights,
    EvaluationSet,
    Head,
    Logits,
    Metrics,
    Split,
    TaskOfSets,
)
from fineprune.tasks.class_weights import weights_of_classes
from fineprune.tasks.token_classification.examples import ExampleSet
from fineprune.tasks.token_classification.features import (
    IGNORED,
    Windowed,
    fast,
    inputs,
    token_labels,
    whole_words,
    windowed,
)
from fineprune.tasks.token_classification.metrics import entity_metrics
from fineprune.tasks.token_classification.tags import OUTSIDE, Span
from fineprune.text.entities import Entity, entities_of, tokens_of
from fineprune.text.fast import FastTokenizer
from fineprune.text.pieces import joined
from fineprune.text.tokenizer import Tokenizer
from fineprune.text.windows import WindowShape


@final
@dataclass(frozen=True, kw_only=True)
class TokenClassification(TaskOfSets[ExampleSet]):
    """Entities in texts, with its data loaded.

    Attributes:
        labels: names of the model's outputs in their order.
        windows: how long texts are cut.
        train: the set to train on; None where the task is only evaluated.
        evaluation: of each split, the sets by name.
        notes: one line for each thing that was dropped or looks wrong in the data.
        head: logits of each label for every token.
        metric: strict F1 of entities.
    """

    labels: tuple[str, ...]
    windows: WindowShape
    train: ExampleSet | None = field(repr=False)
    evaluation: Mapping[Split, Mapping[str, ExampleSet]] = field(repr=False)
    notes: tuple[str, ...] = ()
    metric: str = field(default="f1", init=False)

    @property
    def head(self) -> Head:  # type: ignore[override]
        """Logits of each label for every token."""
        return Head(
            "AutoModelForTokenClassification",
            {
                "num_labels": len(self.labels),
                "id2label": dict(enumerate(self.labels)),
                "label2id": {name: place for place, name in enumerate(self.labels)},
            },
        )

    def class_weights(self, wanted: ClassWeights, features: Dataset) -> NDArray[np.float32]:
        """What words weigh in the loss, by their labels.

        Raises:
            RecipeError: a weight names no label.
        """
        every = np.concatenate([np.array(row, np.int64) for row in features["labels"][:]])
        counts = np.bincount(every[every != IGNORED], minlength=len(self.labels))
        return weights_of_classes(wanted, self.labels, counts)

    def training_features(self, tokenizer: Tokenizer) -> Dataset:
        """Windows with `labels`: those of words, at their first tokens, and -100 at all others.

        Raises:
            DataError: there is no training data, or the tokenizer is a slow one.
            RecipeError: windows do not fit the model, or what they share does not fit into them.
        """
        train = self.training_set()
        reading = fast(tokenizer, self.windows)
        places = {name: place for place, name in enumerate(self.labels)}
        texts = list(windowed(train.examples, reading, self.windows))
        labels = []
        for one in texts:
            every = token_labels(one, places, reading)
            labels += [[every[place] for place in piece.places] for piece in one.pieces]
        features = inputs(texts, reading).add_column("labels", labels)
        # Of a window without a word nothing is learned, and a batch of such has no loss.
        taught = [i for i, row in enumerate(labels) if any(label != IGNORED for label in row)]
        return features if len(taught) == len(labels) else features.select(taught)

    def evaluation_sets(
        self, tokenizer: Tokenizer, split: Split = "validation"
    ) -> tuple[EvaluationSet, ...]:
        """Tokenized sets of one split, as windows.

        Predictions are what the engine answers: for each text a list of `{"entity_group", "score",
        "word", "start", "end"}`.

        Raises:
            DataError: there is no data for `split`, or the tokenizer is a slow one.
            RecipeError: as for `training_features`.
        """
        sets = self.sets_of(split)
        reading = fast(tokenizer, self.windows)
        return tuple(self._set(name, one, reading) for name, one in sets.items())

    def _set(self, name: str, examples: ExampleSet, tokenizer: FastTokenizer) -> EvaluationSet:
        finding = _Finding(
            list(windowed(examples.examples, tokenizer, self.windows)), self.labels, tokenizer
        )
        return EvaluationSet(
            name=name,
            features=inputs(finding.texts, tokenizer),
            examples=len(examples),
            score=finding.score,
            predictions=finding.predictions,
            notes=finding.notes(examples.source),
        )


@final
@dataclass(frozen=True)
class _Finding:
    """The way from the logits of a set to its metrics and predictions."""

    texts: list[Windowed]
    labels: tuple[str, ...]
    tokenizer: FastTokenizer

    def score(self, logits: Logits) -> Metrics:
        found = [
            [Span(one["start"], one["end"], one["entity_group"]) for one in entities]
            for entities in self.predictions(logits)
        ]
        expected = [whole_words(one, self.tokenizer) for one in self.texts]
        kinds = [name[2:] for name in self.labels if name.startswith("B-")]
        return entity_metrics(found, expected, kinds)

    def notes(self, source: str) -> tuple[str, ...]:
        """That entities are not of whole words, where some are not."""
        pairs = [(one.example.entities, whole_words(one, self.tokenizer)) for one in self.texts]
        odd = sum(len({*entities} - {*whole}) for entities, whole in pairs)
        if not odd:
            return ()
        total = sum(len(entities) for entities, _ in pairs)
        return (
            f"{source}: {odd} of {total} entities begin or end inside of what are words to this "
            "tokenizer: they are taken to be the whole words",
        )

    def predictions(self, logits: Logits) -> list[list[dict[str, Any]]]:
        (values,) = logits
        answers: list[list[Entity]] = []
        row = 0
        for one in self.texts:
            parts = [*values[row : row + len(one.pieces)]]
            row += len(one.pieces)
            whole = joined(one.pieces, parts, len(one.encoding.ids))
            tokens = tokens_of(one.example.text, one.encoding, whole, self.tokenizer)
            entities = entities_of(tokens, self.labels, "first", self.tokenizer.join)
            answers.append([one for one in entities if one["entity_group"] != OUTSIDE])
        return answers
