"""The words in which people ask for embeddings and rankings: those of sentence-transformers."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Self

from numpy.typing import ArrayLike

from fineprune.engine.errors import InputError
from fineprune.engine.heads.head import Floats
from fineprune.engine.similarity import SIMILARITIES
from fineprune.engine.tasks import SentenceEmbedding, Task, TextClassification
from fineprune.wording import listed, quoted

_DOCUMENT_PROMPTS = ("document", "passage", "corpus")


class Calls(ABC):
    """What an engine can be asked by name; each model answers what it was made for."""

    @property
    @abstractmethod
    def task(self) -> Task:
        """What the model does with texts."""

    @property
    @abstractmethod
    def path(self) -> Path:
        """The file that the engine was made of."""

    @property
    @abstractmethod
    def origin(self) -> Path:
        """What the engine was made of, as it was named: a file, or a folder."""

    @classmethod
    def from_pretrained(
        cls,
        repo_or_path: str | Path,
        *,
        filename: str | None = None,
        revision: str | None = None,
        token: str | bool | None = None,
        cache_dir: str | Path | None = None,
        local_files_only: bool = False,
        **options: Any,
    ) -> Self:
        """An engine on a packed model by name.

        Args:
            repo_or_path: a packed file, a folder with one, or the name of a repository on the
                Hugging Face hub (`user/model`).
            filename: of the file there; without, `model.fineprune.safetensors`.
            revision: of the repository: a branch, a tag or a commit.
            token: for private repositories; without, the one that is saved.
            cache_dir: in place of the cache of huggingface_hub.
            local_files_only: whether nothing is downloaded. Offline mode (`HF_HUB_OFFLINE`) is
                heard.
            **options: of the engine: `threads`, `precision` and so on.

        Raises:
            HubError: there is no such file, or it cannot be had.
            FinepruneError: as `Engine` itself.
        """
        from fineprune.hub import pull  # not needed by who has a file

        file = pull(
            repo_or_path,
            filename=filename,
            revision=revision,
            token=token,
            cache_dir=cache_dir,
            local_files_only=local_files_only,
        )
        folder = Path(repo_or_path)
        of_folder = filename is None and folder.is_dir()
        return cls(folder if of_folder else file, **options)  # type: ignore[call-arg]

    def push_to_hub(
        self,
        repo_id: str,
        *,
        filename: str | None = None,
        revision: str | None = None,
        token: str | bool | None = None,
        private: bool | None = None,
        commit_message: str = "Upload a packed model",
        create_pr: bool = False,
    ) -> str:
        """Uploads the engine's file, with a model card where the repository has none.

        Of an engine that was made of a folder which transformers loads, all that belongs to the
        model is uploaded, so that `AutoModel.from_pretrained(repo_id)` loads it as well.

        Args:
            repo_id: name of the repository, such as `user/model`; it is created if it is not there.
            filename: of the file there; without, `model.fineprune.safetensors`. In such a folder it
                has no other name.
            revision: branch to commit to.
            token: of somebody who may write there; without, the one that is saved.
            private: whether a repository that is created is private.
            commit_message: of the commit.
            create_pr: whether to propose the commit and not to make it.

        Returns:
            The address of the commit.

        Raises:
            HubError: the file cannot be uploaded.
        """
        from fineprune.hub import push

        return push(
            self.origin,
            repo_id,
            filename=filename,
            revision=revision,
            token=token,
            private=private,
            commit_message=commit_message,
            create_pr=create_pr,
        )

    # Models that embed texts.

    def encode(
        self,
        texts: str | Iterable[str],
        prompt_name: str | None = None,
        prompt: str | None = None,
        batch_size: int = 1024,
        show_progress_bar: bool | None = None,
        *,
        normalize_embeddings: bool = False,
        truncate_dim: int | None = None,
    ) -> Floats:
        """Embeds texts, as `SentenceTransformer.encode` does.

        Args:
            texts: a text, or any iterable of texts. What is too long for the model is cut.
            prompt_name: name of the prompt that stands before each text; without, the default of
                the model, if it has one.
            prompt: the prompt itself, which goes before any name.
            batch_size: texts that are tokenized together; what is computed together is bounded by
                `max_batch_tokens` of the engine.
            show_progress_bar: whether to show how far it has come, on standard error.
            normalize_embeddings: whether embeddings are scaled to length one, whatever the model.
            truncate_dim: how many of the first numbers of each embedding to keep, before scaling.

        Returns:
            Float32 of shape `(size,)` for a text, `(texts, size)` for several.

        Raises:
            InputError: the model embeds no texts, there are none, one of them is none, or there is
                no such prompt.
        """
        return self._embedding()(
            texts,
            prompt_name=prompt_name,
            prompt=prompt,
            batch_size=batch_size,
            normalize_embeddings=normalize_embeddings,
            truncate_dim=truncate_dim,
            show_progress_bar=bool(show_progress_bar),
        )

    def encode_query(self, texts: str | Iterable[str], *arguments: Any, **options: Any) -> Floats:
        """`encode`, by the prompt for queries if the model has one and the call names none."""
        return self._encode_as(("query",), texts, *arguments, **options)

    def encode_document(
        self, texts: str | Iterable[str], *arguments: Any, **options: Any
    ) -> Floats:
        """`encode`, by the prompt for documents if the model has one and the call names none."""
        return self._encode_as(_DOCUMENT_PROMPTS, texts, *arguments, **options)

    def similarity(self, embeddings: ArrayLike, others: ArrayLike) -> Floats:
        """How alike embeddings are, as the model's files say: by cosine, unless they do.

        Args:
            embeddings: of shape `(n, size)`, or one of shape `(size,)`.
            others: of shape `(m, size)`, or one of shape `(size,)`.

        Returns:
            Float32 of shape `(n, m)`; the larger, the more alike.

        Raises:
            InputError: the model embeds no texts, or the shapes do not fit.
        """
        name = self._embedding().prompts.similarity
        if name not in SIMILARITIES:
            raise InputError(
                f"the model's files compare embeddings by {quoted(name)}; the engine knows "
                f"{listed(SIMILARITIES)}"
            )
        return SIMILARITIES[name](embeddings, others)

    # Models that score pairs of texts.

    def predict(
        self, pairs: Any, batch_size: int = 1024, show_progress_bar: bool | None = None
    ) -> Floats:
        """Scores pairs of texts, as `CrossEncoder.predict` does.

        Args:
            pairs: one pair of texts, or any iterable of pairs.
            batch_size: as for `encode`.
            show_progress_bar: as for `encode`.

        Returns:
            Float32: for one class a score for each pair, of shape `(pairs,)`; for several of shape
            `(pairs, classes)`; without the first dimension for one pair. Scores are what the
            model's config asks for; without, a probability of one class, and logits of several.

        Raises:
            InputError: the model scores no texts, or an input is no pair.
        """
        task = self._classification()
        return task.scores(pairs, batch_size=batch_size, show=bool(show_progress_bar))

    def rank(
        self,
        query: str,
        documents: Iterable[str],
        top_k: int | None = None,
        return_documents: bool = False,
        batch_size: int = 1024,
        show_progress_bar: bool | None = None,
    ) -> list[dict[str, Any]]:
        """Ranks documents for a query, as `CrossEncoder.rank` does.

        Args:
            query: a text.
            documents: texts.
            top_k: how many to return, all if None.
            return_documents: whether to return their texts as well.
            batch_size: as for `encode`.
            show_progress_bar: as for `encode`.

        Returns:
            Best first, dictionaries with `corpus_id`, the place of the document, `score`, and
            `text` if asked for.

        Raises:
            InputError: the model has not one class, or an input is no text.
        """
        texts = list(documents)
        scores = self.predict([(query, text) for text in texts], batch_size, show_progress_bar)
        if scores.ndim != 1:
            raise InputError(
                f"the model has {scores.shape[1]} classes; rank needs one that has one: use predict"
            )
        order = sorted(range(len(texts)), key=lambda place: -scores[place])[:top_k]
        return [
            {"corpus_id": place, "score": float(scores[place])}
            | ({"text": texts[place]} if return_documents else {})
            for place in order
        ]

    def _encode_as(
        self, names: tuple[str, ...], texts: Any, *arguments: Any, **options: Any
    ) -> Floats:
        known = self._embedding().prompts.texts
        unnamed = not arguments and options.get("prompt_name") is None
        if unnamed and options.get("prompt") is None:
            options["prompt_name"] = next((name for name in names if name in known), None)
        return self.encode(texts, *arguments, **options)

    def _embedding(self) -> SentenceEmbedding:
        if not isinstance(self.task, SentenceEmbedding):
            raise InputError(
                "this model embeds no texts: it has a head; call the engine itself for its answers"
            )
        return self.task

    def _classification(self) -> TextClassification:
        if not isinstance(self.task, TextClassification):
            raise InputError("this model scores no texts: it has no head for classification")
        return self.task
