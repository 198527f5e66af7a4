"""Text classification and regression behind the task contract."""

from collections.abc import Mapping
from functools import partial
from typing import Final, final

import numpy as np
import pyarrow
from datasets import Dataset, concatenate_datasets
from numpy.typing import NDArray

from fineprune.errors import DataError, RecipeError
from fineprune.tasks.base import ClassWeights, EvaluationSet, Logits, Metrics, Split, TaskOfSets
from fineprune.tasks.classification.examples import Examples, batches_of
from fineprune.tasks.classification.targets import Target
from fineprune.text.tokenizer import Tokenizer

# Texts a call: enough to amortise it, few enough to stay small as lists of Python integers.
_BATCH: Final = 1000


@final
class Classification(TaskOfSets[Examples]):
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
        self.train = train
        self.evaluation = evaluation

    def class_weights(self, wanted: ClassWeights, features: Dataset) -> NDArray[np.float32]:
        """What each class weighs in the loss.

        Raises:
            RecipeError: the target is a number, or a weight names no class.
        """
        return self._target.class_weights(wanted, np.array(features["labels"][:]))

    def training_features(self, tokenizer: Tokenizer) -> Dataset:
        """Tokenized training set with `labels`, one row an example.

        Raises:
            DataError: the task was loaded without training data.
            RecipeError: the tokenizer cannot cut to `max_length`.
        """
        train = self.training_set()
        features = tokenized(train.texts, tokenizer, self._max_length)
        labels = train.labels
        return features.add_column(
            "labels", labels if labels is None else list(labels), feature=self._target.feature
        )

    def evaluation_sets(
        self, tokenizer: Tokenizer, split: Split = "validation"
    ) -> tuple[EvaluationSet, ...]:
        """Tokenized sets of one split, one row an example.

        Raises:
            DataError: the task was loaded without data for `split`.
            RecipeError: the tokenizer cannot cut to `max_length`.
        """
        return tuple(
            EvaluationSet(
                name=name,
                features=tokenized(examples.texts, tokenizer, self._max_length),
                examples=len(examples),
                score=partial(_score, self._target, examples),
                predictions=self._target.describe,
            )
            for name, examples in self.sets_of(split).items()
        )


def tokenized(
    texts: tuple[pyarrow.ChunkedArray, ...], tokenizer: Tokenizer, max_length: int
) -> Dataset:
    """Model inputs in memory, one row a text or pair, cut to `max_length` tokens, not padded.

    Of a pair that is too long, tokens are taken from the longer text first.

    Args:
        texts: one column of texts, or two of equal length for pairs.
        tokenizer: of the model; its special tokens count as tokens.
        max_length: most tokens of a row.

    Raises:
        RecipeError: the tokenizer cannot cut to this length.
    """
    check_length(tokenizer, max_length, pair=len(texts) > 1)
    encoded = (
        tokenizer(*batch, truncation=True, max_length=max_length)
        for batch in batches_of(texts, _BATCH)
    )
    # One at a time: a batch is many times larger as Python objects than as a table.
    return concatenate_datasets(
        [Dataset.from_dict({name: batch[name] for name in batch}) for batch in encoded]
    )


def check_length(tokenizer: Tokenizer, max_length: int, pair: bool) -> None:
    """Checks that texts can be cut to a length.

    Raises:
        RecipeError: the model does not take so much, or special tokens leave no room.
    """
    if max_length > tokenizer.model_max_length:
        raise RecipeError(
            f"task.max_length is {max_length}, but the tokenizer takes at most "
            f"{tokenizer.model_max_length} tokens: set it to that or less"
        )
    special = tokenizer.num_special_tokens_to_add(pair=pair)
    if max_length <= special:  # tokenizers would not cut at all
        raise RecipeError(
            f"task.max_length is {max_length}, but {special} special tokens have to fit "
            "beside the text: increase it"
        )


def _score(target: Target, examples: Examples, logits: Logits) -> Metrics:
    if examples.labels is None:
        raise DataError(
            f"{examples.source} is unlabelled, as the test sets of GLUE are: "
            "write predictions for it, and score on validation data"
        )
    return target.score(logits, examples.labels)
