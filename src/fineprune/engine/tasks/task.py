"""What a model does with texts."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from fineprune.engine.config import Config
from fineprune.engine.heads.head import Floats
from fineprune.engine.model import Model


@dataclass(frozen=True, eq=False)
class TaskSource:
    """What tasks are made of.

    Attributes:
        model: takes token ids.
        config: names the classes.
        attachments: small files of the model's folder, by path; the tokenizer among them.
    """

    model: Model
    config: Config
    attachments: Mapping[str, bytes]


class Task(ABC):
    """Answers to texts."""

    @abstractmethod
    def __call__(self, *inputs: Any, **options: Any) -> Any:
        """One answer for one text, a list of answers for a list."""


def softmax(logits: Floats) -> Floats:
    """Probabilities along the last axis."""
    with np.errstate(invalid="ignore"):  # of infinite logits: NaN says enough
        weights = np.exp(logits - logits.max(axis=-1, keepdims=True))
    probabilities: Floats = weights / weights.sum(axis=-1, keepdims=True)
    return probabilities


def sigmoid(logits: Floats) -> Floats:
    """`1 / (1 + exp(-x))`, by `tanh`, which cannot overflow."""
    probabilities: Floats = 0.5 + 0.5 * np.tanh(0.5 * logits)
    return probabilities


def as_list(inputs: Any) -> tuple[list[Any], bool]:
    """The inputs as a list, and whether they were one input, which is anything but a list."""
    return (inputs, False) if isinstance(inputs, list) else ([inputs], True)
