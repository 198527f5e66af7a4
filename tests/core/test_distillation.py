import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from fineprune.core.distillation import (
    binary_divergence,
    hidden_difference,
    softened_divergence,
    squared_difference,
)
from tests.oracles import Doubles, sigmoid


def softmax(logits: Doubles) -> Doubles:
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    normalized: Doubles = powers / powers.sum(axis=-1, keepdims=True)
    return normalized


def divergence(student: Doubles, teacher: Doubles, temperature: float) -> float:
    """T^2 * KL(teacher || student), the mean over rows, term by term."""
    p, q = softmax(teacher / temperature), softmax(student / temperature)
    return float(temperature**2 * (p * np.log(p / q)).sum(axis=-1).mean())


@pytest.mark.shared
def test_value_of_the_original_code(shared: Path) -> None:
    folder = shared / "fixtures" / "emmental"
    tensors = load_file(folder / "layers.safetensors")
    scalars = json.loads((folder / "layers.json").read_text(encoding="utf-8"))["scalars"]
    found = softened_divergence(tensors["distill.student"], tensors["distill.teacher"], 2.0)
    torch.testing.assert_close(found, torch.tensor(scalars["distill_T2_batchmean"]))


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0, 5.5])
@pytest.mark.parametrize("shape", [(1, 2), (6, 3), (4, 7, 5)])
def test_divergence_follows_the_formula(shape: tuple[int, ...], temperature: float) -> None:
    torch.manual_seed(0)
    student, teacher = 3 * torch.randn(shape), 3 * torch.randn(shape)
    exact = divergence(student.double().numpy(), teacher.double().numpy(), temperature)
    found = softened_divergence(student, teacher, temperature)
    assert found.shape == ()
    assert found.item() == pytest.approx(exact, rel=1e-5)


def test_gradient_is_the_difference_of_the_softened_answers() -> None:
    torch.manual_seed(0)
    student, teacher = torch.randn(4, 3, requires_grad=True), torch.randn(4, 3)
    softened_divergence(student, teacher, 2.0).backward()  # type: ignore[no-untyped-call]
    p = softmax(teacher.double().numpy() / 2)
    q = softmax(student.detach().double().numpy() / 2)
    assert student.grad is not None
    # T^2 / T / rows.
    np.testing.assert_allclose(student.grad.numpy(), 2.0 * (q - p) / 4, rtol=1e-4, atol=1e-7)


def test_nobody_loses_against_themselves_or_against_a_constant_shift() -> None:
    logits = torch.tensor([[1.0, -2.0, 0.5], [0.0, 0.0, 9.0]])
    torch.testing.assert_close(softened_divergence(logits, logits, 2.0), torch.tensor(0.0))
    shifted = softened_divergence(logits + 4, logits, 2.0)
    torch.testing.assert_close(shifted, torch.tensor(0.0), atol=1e-5, rtol=0)


def test_certain_answers_stay_finite() -> None:
    student, teacher = torch.tensor([[300.0, -300.0]]), torch.tensor([[-300.0, 300.0]])
    # The teacher is certain of what the student gives a log-probability of -600.
    assert softened_divergence(student, teacher, 1.0).item() == pytest.approx(600.0)


def test_low_precision_is_computed_in_float32() -> None:
    student = torch.tensor([[0.5, -1.0], [2.0, 0.25]], dtype=torch.bfloat16)
    teacher = torch.tensor([[1.5, 0.5], [-1.0, 0.75]], dtype=torch.bfloat16)
    found = softened_divergence(student, teacher, 2.0)
    assert found.dtype == torch.float32
    exact = divergence(student.double().numpy(), teacher.double().numpy(), 2.0)
    assert found.item() == pytest.approx(exact, rel=1e-5)


def test_squared_difference_is_a_mean() -> None:
    student = torch.tensor([[1.0], [2.0]], dtype=torch.bfloat16)
    teacher = torch.tensor([[0.0], [5.0]])
    found = squared_difference(student, teacher)
    assert found.dtype == torch.float32
    assert found.item() == (1 + 9) / 2


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0, 5.5])
@pytest.mark.parametrize("shape", [(1, 1), (6, 3), (4, 7, 5)])
def test_binary_divergence_is_the_mean_over_independent_answers(
    shape: tuple[int, ...], temperature: float
) -> None:
    torch.manual_seed(0)
    student, teacher = 3 * torch.randn(shape), 3 * torch.randn(shape)
    p = sigmoid(teacher.numpy() / temperature)
    q = sigmoid(student.numpy() / temperature)
    exact = temperature**2 * (p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q))).mean()
    found = binary_divergence(student, teacher, temperature)
    assert found.shape == ()
    assert found.item() == pytest.approx(exact, rel=1e-4)
    torches = torch.distributions.kl_divergence(
        torch.distributions.Bernoulli(logits=teacher.double() / temperature),
        torch.distributions.Bernoulli(logits=student.double() / temperature),
    )
    assert found.item() == pytest.approx(temperature**2 * torches.mean().item(), rel=1e-4)


def test_two_labels_of_one_example_do_not_compete() -> None:
    # A softmax would see no difference here: both logits are shifted alike.
    student, teacher = torch.tensor([[1.0, 1.0]]), torch.tensor([[-1.0, -1.0]])
    assert softened_divergence(student, teacher, 1.0).item() == pytest.approx(0.0, abs=1e-6)
    assert binary_divergence(student, teacher, 1.0).item() > 0.1


def test_the_gradient_of_a_binary_divergence_is_the_difference_of_the_answers() -> None:
    torch.manual_seed(0)
    student, teacher = torch.randn(4, 3, requires_grad=True), torch.randn(4, 3)
    binary_divergence(student, teacher, 2.0).backward()  # type: ignore[no-untyped-call]
    p, q = sigmoid(teacher.numpy() / 2), sigmoid(student.detach().numpy() / 2)
    assert student.grad is not None
    # T^2 / T / answers.
    np.testing.assert_allclose(student.grad.numpy(), 2.0 * (q - p) / 12, rtol=1e-4, atol=1e-7)


def test_certain_yes_or_no_answers_stay_finite() -> None:
    student, teacher = torch.tensor([300.0, -300.0]), torch.tensor([-300.0, 300.0])
    assert binary_divergence(student, teacher, 1.0).item() == pytest.approx(300.0)
    assert binary_divergence(teacher, teacher, 1.0).item() == 0.0


def test_a_binary_divergence_of_low_precision_is_computed_in_float32() -> None:
    student = torch.tensor([0.5, -1.0], dtype=torch.bfloat16)
    found = binary_divergence(student, torch.tensor([1.5, 0.5], dtype=torch.bfloat16), 2.0)
    assert found.dtype == torch.float32
    exact = binary_divergence(student.double(), torch.tensor([1.5, 0.5]).double(), 2.0)
    torch.testing.assert_close(found, exact)


def test_hidden_states_differ_in_relation_to_the_size_of_the_teachers() -> None:
    # Layer 1: (1 + 1 + 4) / (4 + 1 + 9) over two real tokens of width 2; layer 2: 1 / 2.
    student = [torch.tensor([[[1.0, 2.0], [1.0, 0.0], [50.0, 9.0]]]), torch.full((1, 3, 2), 2.0)]
    teacher = [torch.tensor([[[2.0, 1.0], [3.0, 0.0], [-7.0, 1.0]]]), torch.full((1, 3, 2), 1.0)]
    student[1][0, :2] = torch.tensor([[1.0, 2.0], [2.0, 1.0]])
    real = torch.tensor([[True, True, False]])
    found = hidden_difference(student, teacher, real)
    assert found.item() == pytest.approx(6 / 14 + 2 / 4)
    assert hidden_difference(teacher, teacher, real).item() == 0.0
    # Of all tokens, and whatever the unit of the states.
    # Of several texts the mean, however many tokens they have.
    both = torch.tensor([[True, True, False], [True, False, False]])
    texts = [torch.cat([one, 2 * other]) for one, other in zip(student, teacher, strict=True)]
    taught = [torch.cat([one, one]) for one in teacher]
    doubled = 1 + 1  # a text with twice the teacher's states, over two layers
    both_texts = hidden_difference(texts, taught, both).item()
    assert both_texts == pytest.approx((6 / 14 + 2 / 4 + doubled) / 2)
    larger = [1e3 * one for one in student], [1e3 * one for one in teacher]
    everywhere = hidden_difference(student, teacher, None).item()
    assert hidden_difference(*larger, real=None).item() == pytest.approx(everywhere, rel=1e-6)
