import math
from typing import Any

import pytest
import torch

from fineprune.errors import TrainingError
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
def test_impossible_settings(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Distillation(**wrong)


# Tokens, padding, several labels, and heads that do not match.


def test_padding_of_tokens_is_left_out() -> None:
    student = torch.tensor(
        [[*STUDENT, [9.0, -9.0, 4.0]], [STUDENT[1], [5.0, 5.0, -5.0], [7.0] * 3]]
    )
    teacher = torch.tensor([[*TEACHER, [-3.0, 0.0, 1.0]], [TEACHER[1], [0.0, 1.0, 2.0], [0.0] * 3]])
    mask = torch.tensor([[1, 1, 0], [1, 0, 0]])
    found = Distillation().divergence({"logits": student}, {"logits": teacher}, mask)
    real = [*STUDENT, STUDENT[1]], [*TEACHER, TEACHER[1]]
    assert found.item() == pytest.approx(divergence(*real, 2.0), rel=1e-5)


@pytest.mark.parametrize("side", ["right", "left"])
def test_padding_wins_no_answer(side: str) -> None:
    def padded(rows: list[list[float]], value: float) -> torch.Tensor:
        wide = [[*row, value] if side == "right" else [value, *row] for row in rows]
        return torch.tensor(wide, requires_grad=True)

    mask = torch.tensor([[1, 1, 1, 0] if side == "right" else [0, 1, 1, 1]] * 2)
    student = {"start_logits": padded(STUDENT, 50.0), "end_logits": padded(STUDENT, -3.0)}
    teacher = {"start_logits": padded(TEACHER, 3.0), "end_logits": padded(TEACHER, 60.0)}
    found = Distillation().divergence(student, teacher, mask)
    assert found.item() == pytest.approx(divergence(STUDENT, TEACHER, 2.0), rel=1e-5)
    for gradient in torch.autograd.grad(found, list(student.values())):
        assert not gradient[mask == 0].any()
        assert gradient[mask == 1].all()


def test_an_attention_mask_says_nothing_of_whole_texts() -> None:
    outputs = {"logits": torch.tensor(STUDENT)}, {"logits": torch.tensor(TEACHER)}
    found = Distillation().divergence(*outputs, torch.tensor([[1, 0, 0], [1, 1, 0]]))
    assert found.item() == pytest.approx(divergence(STUDENT, TEACHER, 2.0), rel=1e-5)


def test_several_labels_are_answers_of_their_own() -> None:
    found = Distillation(temperature=3.0).divergence(
        {"logits": torch.tensor(STUDENT)}, {"logits": torch.tensor(TEACHER)}, multi_label=True
    )
    total = 0.0
    for q_row, p_row in zip(STUDENT, TEACHER, strict=True):
        for q, p in zip(q_row, p_row, strict=True):
            q, p = 1 / (1 + math.exp(-q / 3)), 1 / (1 + math.exp(-p / 3))
            total += p * math.log(p / q) + (1 - p) * math.log((1 - p) / (1 - q))
    assert found.item() == pytest.approx(9 * total / 6, rel=1e-5)


def test_heads_without_logits_are_refused_by_name() -> None:
    outputs = {"last_hidden_state": torch.zeros(1, 2, 3), "pooler_output": torch.zeros(1, 3)}
    with pytest.raises(TrainingError, match=r"last_hidden_state, pooler_output has no logits"):
        Distillation().divergence(outputs, outputs)


def test_logits_of_other_names_are_refused() -> None:
    student = {"logits": torch.zeros(1, 3)}
    teacher = {"start_logits": torch.zeros(1, 3), "end_logits": torch.zeros(1, 3)}
    with pytest.raises(TrainingError, match=r"outputs logits, and the teacher start_logits, end_"):
        Distillation().divergence(student, teacher)


def test_hidden_states_are_those_after_each_layer() -> None:
    states = tuple(torch.full((1, 2, 3), value) for value in (9.0, 1.0, 2.0))
    others = tuple(torch.full((1, 2, 3), value) for value in (5.0, 2.0, 2.0))
    mask = torch.tensor([[1, 0]])
    found = Distillation().hidden_difference(
        {"hidden_states": states}, {"hidden_states": others}, mask
    )
    assert found.item() == pytest.approx(1 / 4)


@pytest.mark.parametrize(
    ("layers", "width", "said"),
    [(2, 4, "the model has 2 layers of 3, and the teacher 2 layers of 4"), (3, 3, "3 layers of 3")],
)
def test_hidden_states_of_another_shape_are_refused(layers: int, width: int, said: str) -> None:
    student = {"hidden_states": (torch.ones(1, 2, 3),) * 3}
    teacher = {"hidden_states": (torch.ones(1, 2, width),) * (layers + 1)}
    with pytest.raises(TrainingError, match=said):
        Distillation().hidden_difference(student, teacher)


def test_outputs_without_hidden_states_are_refused() -> None:
    outputs = {"logits": torch.zeros(1, 3)}
    with pytest.raises(TrainingError, match=r"outputs logits has no hidden states.*set it to 0"):
        Distillation().hidden_difference(outputs, outputs)
