"""What a student loses against its teacher."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional


def softened_divergence(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """T^2 * KL(softmax(teacher / T) || softmax(student / T)), the mean over rows (Hinton 2015).

    Args:
        student: logits of shape `(..., classes)`.
        teacher: logits of the same shape, without gradient.
        temperature: T > 0; the factor T^2 keeps gradients of one size over temperatures.

    Returns:
        Scalar, in float32.
    """
    classes = student.shape[-1]
    divergence = functional.kl_div(
        functional.log_softmax(student.float().reshape(-1, classes) / temperature, dim=-1),
        functional.log_softmax(teacher.float().reshape(-1, classes) / temperature, dim=-1),
        reduction="batchmean",
        log_target=True,
    )
    return divergence * temperature**2


def binary_divergence(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """T^2 * KL of independent yes-or-no answers, sigmoid(logit / T), the mean over all of them.

    Args:
        student: logits of any shape, one an answer.
        teacher: logits of the same shape, without gradient.
        temperature: T > 0.

    Returns:
        Scalar, in float32.
    """
    softened, target = student.float() / temperature, teacher.float() / temperature
    probability = target.sigmoid()
    yes = functional.logsigmoid(target) - functional.logsigmoid(softened)
    no = functional.logsigmoid(-target) - functional.logsigmoid(-softened)
    return (probability * yes + (1 - probability) * no).mean() * temperature**2


def hidden_difference(
    student: Sequence[Tensor], teacher: Sequence[Tensor], real: Tensor | None
) -> Tensor:
    """Squared difference of hidden states, of each layer in relation to the teacher's own size.

    Sum over layers of mean((student - teacher)^2) / mean(teacher^2) (Kurtic et al. 2023, arXiv
    2310.06927), of each text over its tokens that are no padding; the mean over texts, so that it
    is the same however a batch is shared by processes or accumulated.

    Args:
        student: states after each layer, shape `(batch, tokens, width)`.
        teacher: the same of the teacher, without gradient.
        real: True for tokens that are no padding, shape `(batch, tokens)`; None for all.

    Returns:
        Scalar, in float32.
    """
    parts = []
    for ours, theirs in zip(student, teacher, strict=True):
        ours, theirs = ours.float(), theirs.float()
        kept = 1.0 if real is None else real[..., None].float()
        # Products, not a selection of rows: how many are left would have to be waited for.
        error, size = ((ours - theirs).square() * kept), theirs.square() * kept
        parts.append((error.sum((1, 2)) / size.sum((1, 2))).mean())
    return torch.stack(parts).sum()


def squared_difference(student: Tensor, teacher: Tensor) -> Tensor:
    """Mean squared difference of two regression outputs of the same shape. Scalar float32."""
    return functional.mse_loss(student.float(), teacher.float())


def embedding_distance(student: Tensor, teacher: Tensor) -> Tensor:
    """Squared distance of a student's embeddings from its teacher's, the mean over texts.

    Args:
        student: embeddings of shape `(texts, size)`.
        teacher: of the same shape, without gradient.

    Returns:
        Scalar, in float32; of embeddings of length one, twice one minus their cosine.
    """
    return (student.float() - teacher.float()).square().sum(dim=-1).mean()


def margin_difference(student: tuple[Tensor, Tensor], teacher: tuple[Tensor, Tensor]) -> Tensor:
    """Mean squared difference of margins (Hofstaetter et al. 2020), of all texts of a batch.

    A margin is by how much the cosine of an anchor and its own text exceeds that of the anchor and
    another text. Student and teacher may embed into spaces of different size.

    Args:
        student: embeddings of anchors, shape `(anchors, size)`, and of other texts, of which the
            first ones are the anchors' own, shape `(texts, size)`.
        teacher: the same of the teacher, without gradient.

    Returns:
        Scalar, in float32.
    """
    return functional.mse_loss(_margins(*student), _margins(*teacher))


def _margins(anchors: Tensor, texts: Tensor) -> Tensor:
    cosines = functional.normalize(anchors.float()) @ functional.normalize(texts.float()).T
    return cosines.diagonal()[:, None] - cosines
