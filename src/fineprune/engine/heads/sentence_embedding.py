"""No head: hidden states, and one vector for a whole sequence."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np

from fineprune.engine.errors import UnsupportedModelError
from fineprune.engine.heads.head import Floats, Head, HeadSource
from fineprune.engine.inputs import Mask, Tokens, scatter
from fineprune.wording import listed, quoted

_POOLING_FILE = "1_Pooling/config.json"
_MODULES_FILE = "modules.json"
# What a pooling config says, in its older and its newer form, and whether it is the mean.
_POOLINGS = {
    "pooling_mode_mean_tokens": True,
    "pooling_mode_cls_token": False,
    "mean": True,
    "cls": False,
}
_MODULE_TYPES = ("Transformer", "Pooling", "Normalize")


@final
@dataclass(frozen=True, eq=False)
class SentenceEmbedding(Head):
    """An encoder's hidden states, and embeddings of shape `(batch, hidden)`.

    Attributes:
        mean: whether an embedding is the mean over a sequence's tokens, or the first token's state.
        normalize: whether embeddings are scaled to length one.
    """

    mean: bool = True
    normalize: bool = True
    first_only: ClassVar[bool] = False
    per_token: ClassVar[bool] = False

    def __call__(self, hidden: Floats, lengths: Tokens) -> Floats:
        """Embeddings of shape `(sequences, hidden)`."""
        starts = np.cumsum(lengths) - lengths
        if self.mean:
            embeddings = np.add.reduceat(hidden, starts, axis=0) / lengths[:, None]
        else:
            embeddings = hidden[starts]
        if self.normalize:
            norms = np.linalg.norm(embeddings, axis=1, keepdims=True)
            with np.errstate(invalid="ignore"):  # of infinite states: NaN says enough
                embeddings = embeddings / np.maximum(norms, 1e-12)
        return embeddings.astype(np.float32, copy=False)

    def outputs(self, hidden: Floats, lengths: Tokens, mask: Mask) -> dict[str, Floats]:
        """`last_hidden_state`, `(batch, tokens, hidden)`, and `embeddings`, `(batch, hidden)`."""
        return {
            "last_hidden_state": scatter(hidden, mask, padding=0.0),
            "embeddings": self(hidden, lengths),
        }


def sentence_embedding(source: HeadSource) -> Head:
    """Embeddings as the model's sentence-transformers files say; without these, normalized means.

    Raises:
        UnsupportedModelError: they say something that is not known here.
    """
    pooling = _json(source.attachments, _POOLING_FILE)
    modules = _json(source.attachments, _MODULES_FILE)
    mean = _is_mean(pooling) if isinstance(pooling, dict) else True
    return SentenceEmbedding(mean, _normalizes(modules))


def _is_mean(pooling: Mapping[str, Any]) -> bool:
    named = pooling.get("pooling_mode")
    modes = [name for name, on in pooling.items() if name.startswith("pooling_mode") and on is True]
    modes = [named] if isinstance(named, str) else modes
    if len(modes) != 1 or modes[0] not in _POOLINGS:
        raise UnsupportedModelError(
            f"{_POOLING_FILE} asks for {listed(modes)}; the engine knows {listed(_POOLINGS)}"
        )
    return _POOLINGS[modes[0]]


def _normalizes(modules: Any) -> bool:
    if not isinstance(modules, list):
        return True
    types = [str(module.get("type")) for module in modules if isinstance(module, dict)]
    kinds = [name.rpartition(".")[2] for name in types]
    if unknown := set(kinds) - set(_MODULE_TYPES):
        raise UnsupportedModelError(
            f"{_MODULES_FILE} names {listed(sorted(unknown))}; the engine knows "
            f"{listed(_MODULE_TYPES)}"
        )
    return "Normalize" in kinds


def _json(attachments: Mapping[str, bytes], name: str) -> Any:
    """Content of an attached file; None without the file."""
    if name not in attachments:
        return None
    try:
        return json.loads(attachments[name])
    except ValueError as error:
        raise UnsupportedModelError(f"{quoted(name)} in the packed file is no JSON") from error
