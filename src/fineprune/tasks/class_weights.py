"""What classes weigh in a loss, by how often they occur."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from fineprune.errors import RecipeError
from fineprune.tasks.base import ClassWeights
from fineprune.wording import listed, quoted


def weights_of_classes(
    wanted: ClassWeights, names: Sequence[str], counts: NDArray[np.int64]
) -> NDArray[np.float32]:
    """A weight for each class, scaled so that examples weigh 1 in the mean.

    Args:
        wanted: `"balanced"` for weights that fall as classes get more frequent, as scikit-learn's
            `compute_class_weight` has them; or weights by name.
        names: of the classes.
        counts: how often each occurs, of shape `(classes,)`.

    Raises:
        RecipeError: a weight is given for what is no class.
    """
    rare = 1.0 / np.maximum(counts, 1)  # an absent class is never weighed
    weights = rare if wanted == "balanced" else named_weights(wanted, names)
    scaled: NDArray[np.float32] = (weights * counts.sum() / (weights @ counts)).astype(np.float32)
    return scaled


def weights_of_presence(
    wanted: ClassWeights, names: Sequence[str], present: NDArray[np.int64], examples: int
) -> NDArray[np.float32]:
    """What the presence of each label counts for, against 1 for its absence.

    Args:
        wanted: `"balanced"` for the number of texts without the label over that with it; or
            weights by name.
        names: of the labels.
        present: how many texts have each label, of shape `(labels,)`.
        examples: how many texts there are.

    Raises:
        RecipeError: a weight is given for what is no label.
    """
    if wanted == "balanced":
        # Of a label that all texts have, or none has, there is nothing to balance.
        both = (present > 0) & (present < examples)
        weights = np.where(both, (examples - present) / np.maximum(present, 1), 1.0)
    else:
        weights = named_weights(wanted, names)
    return weights.astype(np.float32)


def named_weights(wanted: Mapping[str, float], names: Sequence[str]) -> NDArray[np.float64]:
    """The weights in the order of the names, 1 for those that have none.

    Raises:
        RecipeError: one is given for what is no class.
    """
    if unknown := [name for name in wanted if name not in names]:
        raise RecipeError(
            f"training.class_weights: there is no label {quoted(unknown[0])}; the task has "
            f"{listed(names)}"
        )
    return np.array([wanted.get(name, 1.0) for name in names])
