"""Learning from a teacher beside the labels."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, cast, final

import torch
from pydantic import ConfigDict
from pydantic.dataclasses import dataclass
from torch import Tensor

from fineprune.core.distillation import (
    binary_divergence,
    hidden_difference,
    softened_divergence,
    squared_difference,
)
from fineprune.errors import TrainingError
from fineprune.pruning.numbers import NotNegative, Positive

_SPANS = ("start_logits", "end_logits")
"""Of question answering: the tokens of a text compete with each other."""

_NEVER = -1e9
"""The logit of a place that is left out: finite, because -inf minus -inf is no number."""


@final
@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Distillation:
    """How a teacher's outputs enter the loss.

    alpha_kd * T^2 * KL + alpha_hidden * (difference of hidden states) + alpha_ce * (task loss)

    Attributes:
        temperature: T; above 1 it softens both distributions.
        alpha_ce: weight of the task's own loss.
        alpha_kd: weight of the divergence from the teacher.
        alpha_hidden: weight of the difference of hidden states, summed over layers, each in
            relation to the size of the teacher's. Above 0 the teacher, which needs as many layers
            of the same width, runs at every step.
        embeddings: of sentence embeddings alone, which have no distributions, what the divergence
            is: `mse`, the squared distance from the teacher's embeddings, which is taken if nothing
            is said, or `margin`, the squared difference of the margins by which texts that belong
            together are nearer than others.
    """

    temperature: Positive = 2.0
    alpha_ce: NotNegative = 0.1
    alpha_kd: NotNegative = 0.9
    alpha_hidden: NotNegative = 0.0
    embeddings: Literal["mse", "margin"] | None = None

    def divergence(
        self,
        student: Mapping[str, Any],
        teacher: Mapping[str, Tensor],
        attention_mask: Tensor | None = None,
        *,
        multi_label: bool = False,
    ) -> Tensor:
        """How far a student's outputs are from its teacher's: the mean over its sets of logits.

        - Classes compete (softmax), those of a token for each token; padding is left out.
        - In question answering the tokens compete, for start and end; padding is left out.
        - With several labels a text, each is an answer of its own (sigmoid).
        - A single output is a regression, and compared by its square.

        Args:
            student: model outputs; every value whose name ends with `logits` counts.
            teacher: outputs with logits of the same names and shapes.
            attention_mask: array of shape `(batch, tokens)`, 0 for padding; None where there is
                none.
            multi_label: whether a text has several labels.

        Raises:
            TrainingError: the outputs hold no logits, or the teacher's are called otherwise.
        """
        names = logit_names(student)
        if missing := [name for name in names if name not in teacher]:
            raise TrainingError(
                f"the model outputs {', '.join(names)}, and the teacher {', '.join(teacher)}: "
                f"{missing[0]} cannot be distilled; both need the same head"
            )
        parts = [
            self._divergence_of(
                name, student[name], teacher[name], attention_mask, multi_label=multi_label
            )
            for name in names
        ]
        return torch.stack(parts).mean()

    def hidden_difference(
        self,
        student: Mapping[str, Any],
        teacher: Mapping[str, Any],
        attention_mask: Tensor | None = None,
    ) -> Tensor:
        """How far a student's hidden states are from its teacher's, over all layers.

        Args:
            student: model outputs with hidden states.
            teacher: its teacher's, of the same inputs.
            attention_mask: array of shape `(batch, tokens)`, 0 for padding; None where there is
                none.

        Raises:
            TrainingError: one of them has no hidden states, or they are not of one shape.
        """
        ours, theirs = (_states(outputs) for outputs in (student, teacher))
        if [one.shape for one in ours] != [one.shape for one in theirs]:
            raise TrainingError(
                f"distillation.alpha_hidden: the model has {_sizes(ours)}, and the teacher "
                f"{_sizes(theirs)}; both need the same, or set it to 0"
            )
        real = None if attention_mask is None else attention_mask.bool()
        return hidden_difference(ours, theirs, real)

    def _divergence_of(
        self,
        name: str,
        student: Tensor,
        teacher: Tensor,
        attention_mask: Tensor | None,
        *,
        multi_label: bool,
    ) -> Tensor:
        per_token = student.ndim == 3  # classes of each token
        if attention_mask is not None and (per_token or name in _SPANS):
            real = attention_mask.bool()
            if per_token:
                student, teacher = student[real], teacher[real]
            else:
                student, teacher = (
                    one.float().masked_fill(~real, _NEVER) for one in (student, teacher)
                )
        if multi_label:
            return binary_divergence(student, teacher, self.temperature)
        if student.shape[-1] == 1 and name not in _SPANS:
            return squared_difference(student, teacher)
        return softened_divergence(student, teacher, self.temperature)


def _states(outputs: Mapping[str, Any]) -> Sequence[Tensor]:
    """The hidden states after each layer."""
    states = outputs.get("hidden_states")
    if not states:
        raise TrainingError(
            f"distillation.alpha_hidden: a model that outputs {', '.join(outputs)} has no hidden "
            f"states to distil; set it to 0"
        )
    return cast(Sequence[Tensor], states[1:])


def _sizes(states: Sequence[Tensor]) -> str:
    return f"{len(states)} layers of {states[0].shape[-1]}"


def logit_names(outputs: Mapping[str, Any]) -> list[str]:
    """Names of the logits among a model's outputs.

    Raises:
        TrainingError: there are none.
    """
    names = [name for name in outputs if name.endswith("logits")]
    if not names:
        raise TrainingError(
            f"a model that outputs {', '.join(outputs)} has no logits to distil; expected a head "
            f"for a task, such as AutoModelForSequenceClassification"
        )
    return names
