"""How alike embeddings are: the larger, the more."""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import ArrayLike

from fineprune.engine.errors import InputError
from fineprune.engine.heads.head import Floats
from fineprune.engine.heads.sentence_embedding import normalized

Similarity = Callable[[ArrayLike, ArrayLike], Floats]


def _cosine(one: Floats, other: Floats) -> Floats:
    return _dot(normalized(one), normalized(other))


def _dot(one: Floats, other: Floats) -> Floats:
    products: Floats = one @ other.T
    return products


def _euclidean(one: Floats, other: Floats) -> Floats:
    distances: Floats = -np.linalg.norm(one[:, None] - other[None], axis=-1)
    return distances


def _manhattan(one: Floats, other: Floats) -> Floats:
    distances: Floats = -np.abs(one[:, None] - other[None]).sum(axis=-1)
    return distances


def _of_rows(compare: Callable[[Floats, Floats], Floats]) -> Similarity:
    """Takes single vectors as well, and checks shapes."""

    def similarity(one: ArrayLike, other: ArrayLike) -> Floats:
        rows = [np.atleast_2d(np.asarray(array, np.float32)) for array in (one, other)]
        if any(array.ndim != 2 for array in rows) or rows[0].shape[1] != rows[1].shape[1]:
            raise InputError(
                f"embeddings have shapes {np.shape(one)} and {np.shape(other)}; expected (n, size) "
                "and (m, size)"
            )
        return compare(*rows).astype(np.float32, copy=False)

    return similarity


SIMILARITIES: Mapping[str, Similarity] = {
    "cosine": _of_rows(_cosine),
    "dot": _of_rows(_dot),
    "euclidean": _of_rows(_euclidean),
    "manhattan": _of_rows(_manhattan),
}
"""By the names that sentence-transformers has for them."""
