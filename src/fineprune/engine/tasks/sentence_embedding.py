"""A vector for each text."""

from collections.abc import Sequence
from typing import Any, final

import numpy as np

from fineprune.engine.errors import InputError
from fineprune.engine.heads.head import Floats
from fineprune.engine.heads.sentence_embedding import normalized
from fineprune.engine.tasks.task import Task, TaskSource, as_list, in_batches, positive
from fineprune.engine.tasks.text import TextModel, check_text
from fineprune.text.prompts import Prompts
from fineprune.wording import listed, quoted


@final
class SentenceEmbedding(Task):
    """Embeddings of texts, made as the model's sentence-transformers files say.

    Attributes:
        prompts: what the model wants to stand before texts.
    """

    def __init__(self, source: TaskSource) -> None:
        self._text = TextModel.of(source, "sentence-embedding")
        self.limit = self._text.limit
        self.prompts = Prompts.read(source.attachments)

    def __call__(
        self,
        texts: Any,
        *,
        prompt_name: str | None = None,
        prompt: str | None = None,
        batch_size: int = 1024,
        normalize_embeddings: bool = False,
        truncate_dim: int | None = None,
        show_progress_bar: bool = False,
    ) -> Floats:
        """Embeds texts; the words are those of sentence-transformers.

        Args:
            texts: a text, or any iterable of texts. What is too long for the model is cut.
            prompt_name: name of the prompt that stands before each text; without, the default of
                the model, if it has one.
            prompt: the prompt itself, which goes before any name.
            batch_size: texts that are tokenized together. What is computed together is bounded by
                `max_batch_tokens` of the engine.
            normalize_embeddings: whether embeddings are scaled to length one, whatever the model.
            truncate_dim: how many of the first numbers of each embedding to keep.
            show_progress_bar: whether to show how far it has come, on standard error.

        Returns:
            Float32 of shape `(size,)` for a text, `(texts, size)` for several.

        Raises:
            InputError: there are no texts, one of them is none, or there is no such prompt.
        """
        batch, single = as_list(texts)
        if not batch:
            raise InputError("there is no text to embed; expected a text, or a list of texts")
        for text in batch:
            check_text(text)
        before = self._prompt(prompt_name, prompt)
        size = positive("batch_size", batch_size)
        parts = in_batches(batch, size, show=show_progress_bar)
        embeddings = np.concatenate([self._embed([before + text for text in one]) for one in parts])
        if truncate_dim is not None:
            embeddings = embeddings[:, : positive("truncate_dim", truncate_dim)]
        if normalize_embeddings:
            embeddings = normalized(embeddings)
        return embeddings[0] if single else embeddings

    def _embed(self, texts: Sequence[str]) -> Floats:
        return np.stack(self._text.values(self._text.encode(texts)))

    def _prompt(self, name: str | None, prompt: str | None) -> str:
        if prompt is not None:
            check_text(prompt)
            return prompt
        name = self.prompts.default if name is None else name
        if name is None:
            return ""
        if not isinstance(name, str) or name not in self.prompts.texts:
            raise InputError(
                f"there is no prompt {quoted(name)}; the model has {listed(self.prompts.texts)}"
            )
        return self.prompts.texts[name]
