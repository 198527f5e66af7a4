"""Entities found against those expected: strict precision, recall and F1.

An entity counts if its borders and its kind are right, as in conlleval (Tjong Kim Sang and De
Meulder 2003) and in seqeval. Neither seqeval, which is not maintained and builds by an installer
that pip no longer has, nor a larger package is needed for what are three counts.
"""

from collections import Counter
from collections.abc import Sequence

from fineprune.tasks.base import Metrics
from fineprune.tasks.token_classification.tags import Span


def entity_metrics(
    found: Sequence[Sequence[Span]], expected: Sequence[Sequence[Span]], kinds: Sequence[str]
) -> Metrics:
    """`f1`, `precision` and `recall` over all entities, and `f1_KIND` of each kind; 0 for 0 of 0.

    Args:
        found: entities of each text.
        expected: the right ones.
        kinds: of entities that there are.
    """
    there = Counter(one.kind for text in expected for one in text)
    said = Counter(one.kind for text in found for one in text)
    right = Counter(
        one.kind for text, other in zip(found, expected, strict=True) for one in {*text} & {*other}
    )
    precision, recall, f1 = _scores(right.total(), said.total(), there.total())
    return {
        "f1": f1,
        "precision": precision,
        "recall": recall,
        **{f"f1_{kind}": _scores(right[kind], said[kind], there[kind])[2] for kind in kinds},
    }


def _scores(right: int, said: int, there: int) -> tuple[float, float, float]:
    precision = right / said if said else 0.0
    recall = right / there if there else 0.0
    return precision, recall, 2 * right / (said + there) if said + there else 0.0
