"""What a model does with texts."""

import inspect
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fineprune.engine.config import Config
from fineprune.engine.errors import InputError
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


@dataclass(frozen=True)
class Limit:
    """The longest input.

    Attributes:
        tokens: so many, special tokens counted.
        source: who says so: a key and its file, or the model.
    """

    tokens: int
    source: str


class Task(ABC):
    """Answers to texts.

    Attributes:
        limit: the longest input.
    """

    limit: Limit

    @abstractmethod
    def __call__(self, *inputs: Any, **options: Any) -> Any:
        """One answer for one text, a list of answers for a list."""

    @classmethod
    def options(cls) -> tuple[str, ...]:
        """Names of the options that its call takes."""
        parameters = inspect.signature(cls.__call__).parameters.values()
        return tuple(one.name for one in parameters if one.kind is one.KEYWORD_ONLY)


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
    """The inputs as a list, and whether they were one input.

    One input is a string or a tuple, which is a pair of texts, or what nobody can iterate over.
    Arrays, series, columns of data sets and generators are lists.
    """
    if isinstance(inputs, str | bytes | tuple | Mapping) or not isinstance(inputs, Iterable):
        return [inputs], True
    return [str(one) if isinstance(one, str) else one for one in inputs], False


def positive(name: str, value: int) -> int:
    """A number of something.

    Raises:
        InputError: it is no whole number, or none of at least 1.
    """
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise InputError(f"{name} is {value!r}; expected a whole number of at least 1")
    return value


def in_batches(inputs: Sequence[Any], size: int, *, show: bool) -> Iterator[Sequence[Any]]:
    """Parts of the inputs, in their order.

    Args:
        inputs: any number of them.
        size: of a part.
        show: whether to show on standard error how many are done.
    """
    parts = [inputs[start : start + size] for start in range(0, len(inputs), size)]
    if not show:
        yield from parts
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True)) as progress:
        bar = progress.add_task("texts", total=len(inputs))
        for part in parts:
            yield part
            progress.advance(bar, len(part))
