"""Classes that a model was never trained for: does a text entail that it is about one?"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fineprune.engine.errors import InputError
from fineprune.engine.heads.head import Floats
from fineprune.engine.tasks.task import softmax
from fineprune.wording import listed, quoted

HYPOTHESIS = "This example is {}."
"""The template of the pipeline `zero-shot-classification` of transformers."""


@dataclass(frozen=True)
class Hypotheses:
    """Classes, and the texts that say that a text is of them.

    Attributes:
        labels: the classes.
        texts: one for each.
        multi_label: whether several may be true.
    """

    labels: tuple[str, ...]
    texts: tuple[str, ...]
    multi_label: bool

    @classmethod
    def of(cls, labels: Any, template: Any, multi_label: bool) -> "Hypotheses":
        """The hypotheses of a template.

        Args:
            labels: the classes, as a list or with commas between them.
            template: a text with `{}`, where a class is put.
            multi_label: whether several may be true.

        Raises:
            InputError: there is no class, or no place in the template for it.
        """
        names = _names(labels)
        if not isinstance(template, str):
            raise InputError(
                f"hypothesis_template is {quoted(template)}; expected a text with {{}}"
            )
        try:
            texts = tuple(template.format(name) for name in names)
        except (IndexError, KeyError, ValueError, AttributeError) as error:
            raise InputError(
                f"hypothesis_template is {quoted(template)}; expected a text with {{}}, once"
            ) from error
        if texts[0] == template:
            raise InputError(f"hypothesis_template {quoted(template)} has no {{}} for the class")
        return cls(names, texts, bool(multi_label))

    def rank(self, logits: Floats, classes: Sequence[str]) -> dict[str, Any]:
        """The labels and their scores, best first.

        Args:
            logits: of shape `(labels, classes)`.
            classes: what the model calls its own classes.

        Raises:
            InputError: none of them is entailment.
        """
        entailment = _entailment(classes)
        if self.multi_label or len(self.labels) == 1:
            # Against contradiction, which by custom is the first or the last class.
            contradiction = -1 if entailment == 0 else 0
            scores = softmax(logits[:, [contradiction, entailment]])[:, 1]
        else:
            scores = softmax(logits[:, entailment])
        order = np.argsort(scores)[::-1]
        return {
            "labels": [self.labels[place] for place in order],
            "scores": [float(scores[place]) for place in order],
        }


def _names(labels: Any) -> tuple[str, ...]:
    parts = labels.split(",") if isinstance(labels, str) else labels
    names = tuple(parts) if isinstance(parts, Iterable) else ()
    if isinstance(labels, str):
        names = tuple(name.strip() for name in names if name.strip())
    if not names or not all(isinstance(name, str) for name in names):
        raise InputError(f"candidate_labels is {quoted(labels)}; expected a list of classes")
    return names


def _entailment(classes: Sequence[str]) -> int:
    for place, name in enumerate(classes):
        if name.lower().startswith("entail") and len(classes) > 1:
            return place
    raise InputError(
        f"the model has the classes {listed(classes)}; candidate_labels need a model that was "
        "trained on entailment, one of whose classes is called so"
    )
