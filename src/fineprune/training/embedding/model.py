"""Encoders with what makes embeddings of their states, as sentence-transformers has them."""

from pathlib import Path
from typing import Any

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Transformer
from sentence_transformers.sentence_transformer.modules import Normalize, Pooling
from sentence_transformers.util import is_sentence_transformer_model
from torch import nn
from transformers import PreTrainedModel

from fineprune.errors import RecipeError
from fineprune.packing.modules import MODULES
from fineprune.packing.places import require_plain
from fineprune.tasks.model_names import resolve_name
from fineprune.tasks.sentence_embedding import SentenceEmbeddingSettings
from fineprune.text.prompts import PROMPTS
from fineprune.training.models import loading
from fineprune.wording import quoted


def load_embedder(name: str, settings: SentenceEmbeddingSettings) -> SentenceTransformer:
    """A model that embeds, in float32 and on the CPU, with the recipe's prompts and length.

    What has modules keeps them; a plain encoder is pooled as the recipe says, to length one. A
    masked model is loaded as it is in eval mode, without its masks.

    Args:
        name: a folder, or a name on a hub.
        settings: the recipe's.

    Raises:
        CheckpointError: it cannot be loaded.
        RecipeError: the model has prompts, and the recipe names none.
    """
    path = resolve_name(name)
    require_plain(Path(path))
    with loading(name, "model"):
        model = _with_modules(path) if _has_modules(path) else _pooled(path, settings.pooling)
    _require_prompts(model, settings, name)
    model.prompts = {key: settings.prompts.get(key, "") for key in ("query", "document")}
    model.default_prompt_name = None
    model.max_seq_length = settings.max_length
    return model


def encoder_of(model: nn.Module) -> PreTrainedModel:
    """The encoder in a model that embeds."""
    return next(one for one in model.modules() if isinstance(one, PreTrainedModel))


def _has_modules(path: str) -> bool:
    folder = Path(path)
    if folder.is_dir():
        return (folder / MODULES).is_file()
    return bool(is_sentence_transformer_model(path))


def _with_modules(path: str) -> SentenceTransformer:
    return SentenceTransformer(path, device="cpu", model_kwargs={"dtype": torch.float32})


def _pooled(path: str, pooling: str) -> SentenceTransformer:
    options: dict[str, Any] = {"model_kwargs": {"dtype": torch.float32}}
    encoder = Transformer(path, **options)
    size = encoder.get_embedding_dimension()
    modules: list[nn.Module] = [encoder, Pooling(size, pooling_mode=pooling), Normalize()]
    return SentenceTransformer(modules=modules, device="cpu")


def _require_prompts(
    model: SentenceTransformer, settings: SentenceEmbeddingSettings, name: str
) -> None:
    own = {key: text for key, text in model.prompts.items() if text}
    if own and not settings.prompts:
        raise RecipeError(
            f"the model {name!r} has prompts ({quoted(own)}, in {PROMPTS}): say under task.prompts "
            f"what stands before texts, such as {{query: 'query: ', document: ''}}"
        )
