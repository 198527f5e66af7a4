"""A vector for each text."""

from typing import final

import numpy as np

from fineprune.engine.errors import InputError
from fineprune.engine.heads.head import Floats
from fineprune.engine.tasks.task import Task, TaskSource, as_list
from fineprune.engine.tasks.text import TextModel


@final
class SentenceEmbedding(Task):
    """Embeddings of texts, pooled and normalised as the model's sentence-transformers files say."""

    def __init__(self, source: TaskSource) -> None:
        self._text = TextModel.of(source)

    def __call__(self, texts: str | list[str]) -> Floats:
        """Embeds texts.

        Args:
            texts: a text, or a list of texts. What is too long for the model is cut.

        Returns:
            Float32 of shape `(hidden,)` for a text, `(texts, hidden)` for a list.

        Raises:
            InputError: the list is empty.
        """
        batch, single = as_list(texts)
        if not batch:
            raise InputError("there is no text to embed; expected a text, or a list of texts")
        embeddings = np.stack(self._text.values(self._text.encode(batch)))
        return embeddings[0] if single else embeddings
