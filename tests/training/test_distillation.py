import math

import pytest
import torch

from fineprune.training.distillation import Distillation


def divergence(student: list[list[float]], teacher: list[list[float]], temperature: float) -> float:
    """T^2 * mean over rows of sum p (log p - log q), on plain numbers."""
    total = 0.0
    for q_row, p_row in zip(student, teacher, strict=True):
        q, p = ([math.exp(value / temperature) for value in row] for row in (q_row, p_row))
        q, p = [value / sum(q) for value in q], [value / sum(p) for value in p]
        total += sum(pi * math.log(pi / qi) for pi, qi in zip(p, q, strict=True))
    return temperature**2 * total / len(student)


STUDENT = [[1.0, -2.0, 0.5], [0.0, 0.0, 3.0]]
TEACHER = [[2.0, 0.0, -1.0], [-1.0, 1.0, 1.0]]


@pytest.mark.parametrize("temperature", [1.0, 2.0, 5.5])
def test_classes(temperature: float) -> None:
    found = Distillation(temperature=temperature).divergence(
        {"loss": torch.tensor(9.0), "logits": torch.tensor(STUDENT)},
        {"loss": torch.tensor(7.0), "logits": torch.tensor(TEACHER)},
    )
    assert found.item() == pytest.approx(divergence(STUDENT, TEACHER, temperature), rel=1e-5)


def test_answers_are_the_mean_of_start_and_end() -> None:
    found = Distillation(temperature=2.0).divergence(
        {"start_logits": torch.tensor(STUDENT), "end_logits": torch.tensor(TEACHER)},
        {"start_logits": torch.tensor(TEACHER), "end_logits": torch.tensor(STUDENT)},
    )
    expected = (divergence(STUDENT, TEACHER, 2.0) + divergence(TEACHER, STUDENT, 2.0)) / 2
    assert found.item() == pytest.approx(expected, rel=1e-5)


def test_a_number_is_compared_by_its_square() -> None:
    found = Distillation().divergence(
        {"logits": torch.tensor([[1.0], [2.0]])}, {"logits": torch.tensor([[1.5], [0.0]])}
    )
    assert found.item() == pytest.approx((0.25 + 4.0) / 2)


def test_teacher_gets_no_gradient_and_low_precision_is_lifted() -> None:
    student = torch.tensor(STUDENT, dtype=torch.bfloat16, requires_grad=True)
    found = Distillation().divergence(
        {"logits": student}, {"logits": torch.tensor(TEACHER, dtype=torch.bfloat16)}
    )
    assert found.dtype == torch.float32
    [gradient] = torch.autograd.grad(found, student)
    assert gradient.isfinite().all()


@pytest.mark.parametrize(
    "wrong",
    [
        {"temperature": 0},
        {"alpha_ce": -0.1},
        {"alpha_kd": math.inf},
        {"temperature": True},
        {"hardness": 1},
    ],
)
def test_impossible_settings(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Distillation(**wrong)
