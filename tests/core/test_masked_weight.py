import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from fineprune.core.masked_weight import masked_weight

Case = tuple[Tensor, Tensor, Tensor, Tensor]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Weight, scores, mask and the gradient of the masked weight, at random."""
    shape = draw(st.tuples(st.integers(1, 6), st.integers(1, 6)))
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    weight, scores, gradient = (
        torch.from_numpy(random.normal(size=shape).astype(np.float32)) for _ in range(3)
    )
    mask = torch.from_numpy(random.random(shape) < draw(st.sampled_from([0.0, 0.3, 1.0])))
    return weight.requires_grad_(), scores.requires_grad_(), mask, gradient


@given(cases())
def test_value_and_gradients_follow_the_formulas(case: Case) -> None:
    weight, scores, mask, gradient = case
    masked = masked_weight(weight, scores, mask)
    masked.backward(gradient)  # type: ignore[no-untyped-call]
    kept = mask.numpy().astype(np.float32)
    np.testing.assert_array_equal(masked.detach().numpy(), weight.detach().numpy() * kept)
    assert weight.grad is not None
    assert scores.grad is not None
    np.testing.assert_array_equal(weight.grad.numpy(), gradient.numpy() * kept)
    # Straight through: neither the mask nor the function behind it is in the scores' gradient.
    np.testing.assert_array_equal(scores.grad.numpy(), gradient.numpy() * weight.detach().numpy())


def test_gradient_reaches_the_scores_of_pruned_weights_through_a_layer() -> None:
    torch.manual_seed(0)
    weight, scores = torch.randn(3, 4), torch.zeros(3, 4, requires_grad=True)
    inputs, to_output = torch.randn(5, 4), torch.randn(5, 3)
    output = inputs @ masked_weight(weight, scores, torch.zeros(3, 4, dtype=torch.bool)).T
    assert torch.count_nonzero(output) == 0
    output.backward(to_output)  # type: ignore[no-untyped-call]
    torch.testing.assert_close(scores.grad, (to_output.T @ inputs) * weight)


def test_scores_of_a_bfloat16_weight_get_the_exact_product() -> None:
    torch.manual_seed(0)
    weight = torch.randn(8, 8, dtype=torch.bfloat16, requires_grad=True)
    gradient = torch.randn(8, 8, dtype=torch.bfloat16)
    scores = torch.zeros(8, 8, requires_grad=True)
    mask = torch.rand(8, 8) < 0.5
    masked = masked_weight(weight, scores, mask)
    assert masked.dtype == torch.bfloat16
    masked.backward(gradient)  # type: ignore[no-untyped-call]
    assert scores.grad is not None
    assert weight.grad is not None
    assert scores.grad.dtype == torch.float32
    assert weight.grad.dtype == torch.bfloat16
    # Two factors of 8 significant bits each: their product fits float32 without rounding.
    assert torch.equal(scores.grad.double(), gradient.double() * weight.detach().double())


@pytest.mark.parametrize("frozen", ["weight", "scores"])
def test_one_of_the_two_may_be_frozen(frozen: str) -> None:
    weight = torch.randn(2, 3, requires_grad=frozen != "weight")
    scores = torch.randn(2, 3, requires_grad=frozen != "scores")
    masked_weight(weight, scores, scores > 0).sum().backward()  # type: ignore[no-untyped-call]
    assert (weight.grad is None) == (frozen == "weight")
    assert (scores.grad is None) == (frozen == "scores")
