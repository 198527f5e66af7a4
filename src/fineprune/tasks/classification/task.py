"""Text classification and regression behind the task contract."""

from collections.abc import Mapping
from functools import partial
from typing import final

from datasets import Dataset, Value

from fineprune.errors import DataError
from fineprune.tasks.base import EvaluationSet, Logits, Metrics, Split, Task
from fineprune.tasks.classification.examples import Examples
from fineprune.tasks.classification.features import tokenized
from fineprune.tasks.classification.targets import Target
from fineprune.tasks.tokenizer import Tokenizer


@final
class Classification(Task):
    """Texts, or pairs of texts, each with a class or a number.

    Args:
        target: what is predicted.
        max_length: most tokens of a model input.
        train: examples to train on; none where the task is only evaluated.
        evaluation: of each split, the sets by name.
        notes: one line for each thing that was dropped or looks wrong in the data.
    """

    def __init__(
        self,
        target: Target,
        max_length: int,
        train: Examples | None,
        evaluation: Mapping[Split, Mapping[str, Examples]],
        notes: tuple[str, ...] = (),
    ) -> None:
        self.head = target.head()
        self.metric = target.metrics[0]
        self.notes = notes
        self._target = target
        self._max_length = max_length
        self._train = train
        self._evaluation = evaluation

    @property
    def splits(self) -> frozenset[Split]:
        """The splits whose sets the task was loaded with."""
        return frozenset(split for split, sets in self._evaluation.items() if sets)

    def training_features(self, tokenizer: Tokenizer) -> Dataset:
        """Tokenized training set with `labels`, one row an example.

        Raises:
            DataError: the task was loaded without training data.
            RecipeError: the tokenizer cannot cut to `max_length`.
        """
        if self._train is None:
            raise DataError("the recipe names no training data: set task.train")
        features = tokenized(self._train.texts, tokenizer, self._max_length)
        return features.add_column("labels", self._train.labels, feature=Value(self._target.dtype))

    def evaluation_sets(
        self, tokenizer: Tokenizer, split: Split = "validation"
    ) -> tuple[EvaluationSet, ...]:
        """Tokenized sets of one split, one row an example.

        Raises:
            DataError: the task was loaded without data for `split`.
            RecipeError: the tokenizer cannot cut to `max_length`.
        """
        sets = self._evaluation.get(split)
        if not sets:
            raise DataError(f"the recipe names no {split} data: set task.{split}")
        return tuple(
            EvaluationSet(
                name=name,
                features=tokenized(examples.texts, tokenizer, self._max_length),
                examples=len(examples),
                score=partial(_score, self._target, examples),
                predictions=self._target.describe,
            )
            for name, examples in sets.items()
        )


def _score(target: Target, examples: Examples, logits: Logits) -> Metrics:
    if examples.labels is None:
        raise DataError(
            f"{examples.source} does not tell its labels, as the test sets of GLUE do not: "
            "write predictions for it, and score on validation data"
        )
    return target.score(logits, examples.labels)
