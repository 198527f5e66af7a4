"""Learning from a teacher beside the labels."""

from collections.abc import Mapping
from typing import Any, final

import torch
from pydantic import ConfigDict
from pydantic.dataclasses import dataclass
from torch import Tensor

from fineprune.core.distillation import softened_divergence, squared_difference
from fineprune.training.numbers import NotNegative, Positive


@final
@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Distillation:
    """How a teacher's outputs enter the loss: alpha_kd * T^2 * KL + alpha_ce * (task loss).

    Attributes:
        temperature: T; above 1 it softens both distributions.
        alpha_ce: weight of the task's own loss.
        alpha_kd: weight of the divergence from the teacher.
    """

    temperature: Positive = 2.0
    alpha_ce: NotNegative = 0.1
    alpha_kd: NotNegative = 0.9

    def divergence(self, student: Mapping[str, Any], teacher: Mapping[str, Any]) -> Tensor:
        """How far a student's outputs are from its teacher's: the mean over its sets of logits.

        (Question answering has two, for start and end.) A single output is a regression, and
        compared by its square; a distribution over one class has nothing to tell.

        Args:
            student: model outputs; every value whose name ends with `logits` counts.
            teacher: outputs of the same names and shapes.
        """
        names = [name for name in student if name.endswith("logits")]
        parts = [self._divergence_of(student[name], teacher[name]) for name in names]
        return torch.stack(parts).mean()

    def _divergence_of(self, student: Tensor, teacher: Tensor) -> Tensor:
        if student.shape[-1] == 1:
            return squared_difference(student, teacher)
        return softened_divergence(student, teacher, self.temperature)
