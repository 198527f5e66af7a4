"""Which of an architecture's classes a packed model is run as."""

from collections.abc import Iterable, Mapping
from typing import Any

from fineprune.engine.architectures import ARCHITECTURES, Architecture
from fineprune.engine.config import Config
from fineprune.engine.errors import UnsupportedModelError
from fineprune.packing.modules import MODULES, PRETRAINING
from fineprune.wording import listed, quoted


def architecture_of(config: Config) -> Architecture:
    """The architecture of a model.

    Raises:
        UnsupportedModelError: the engine does not run it.
    """
    kind = config.get("model_type", "")
    if kind not in ARCHITECTURES:
        raise _unsupported(f"models of type {quoted(kind)}", ARCHITECTURES)
    return ARCHITECTURES[kind]


def class_to_run(config: Config, tensors: Iterable[str], files: Mapping[str, Any]) -> str:
    """The class that a model is run as.

    That is the one that its config names, unless that is one of pretraining: then it is the
    encoder, if sentence-transformers would load it as one, or if the head is not there.

    Args:
        config: of the model.
        tensors: their names.
        files: that go with the model, by path.

    Raises:
        UnsupportedModelError: the engine does not run it.
    """
    architecture = architecture_of(config)
    name = config.class_name()
    if name in architecture.heads:
        return name
    of_encoder = (architecture.prefix, *architecture.roots)
    if name.endswith(PRETRAINING) and (
        MODULES in files or all(tensor.startswith(of_encoder) for tensor in tensors)
    ):
        return architecture.base
    raise _unsupported(quoted(name), architecture.heads)


def _unsupported(what: str, supported: Iterable[str]) -> UnsupportedModelError:
    return UnsupportedModelError(
        f"the engine does not run {what}, only {listed(supported)}; fineprune.load(FILE) gives "
        "this one as a model of transformers, with the same sparse kernels under its linear layers"
    )
