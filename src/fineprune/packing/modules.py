"""The modules of a sentence-transformers model, as its `modules.json` lists them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from fineprune.errors import UnsupportedModelError
from fineprune.wording import listed, quoted

MODULES = "modules.json"
PRETRAINING = ("ForMaskedLM", "ForPreTraining")
"""How classes of pretraining end, whose head nobody needs who wants the encoder."""

WEIGHTS = "model.safetensors"

_LIBRARY = "sentence_transformers."
_ENCODER = "Transformer"
KINDS = (_ENCODER, "Pooling", "Dense", "Normalize", "Dropout")
"""What embeddings may go through; at inference a Dropout does nothing."""

_POOLINGS: Mapping[str, str] = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
"""Keys of older configs, in the order in which several poolings stand behind one another."""

ACTIVATIONS: Mapping[str, str] = {
    "torch.nn.modules.activation.Tanh": "tanh",
    "torch.nn.modules.linear.Identity": "identity",
    "torch.nn.modules.activation.ReLU": "relu",
    "torch.nn.modules.activation.GELU": "gelu",
}
"""What may follow a Dense, by the name of its class."""


@dataclass(frozen=True)
class Module:
    """A step from tokens to an embedding.

    Attributes:
        kind: one of `KINDS`.
        folder: of its files, in the model's folder.
    """

    kind: str
    folder: str

    @property
    def config(self) -> str:
        """The path of its config."""
        return f"{self.folder}/config.json"

    @property
    def weights(self) -> str:
        """The path of its weights."""
        return f"{self.folder}/{WEIGHTS}"

    def tensor(self, name: str) -> str:
        """What one of its tensors is called in a packed file."""
        return f"{self.folder}/{name}"


def read_modules(files: Mapping[str, bytes]) -> tuple[Module, ...]:
    """The modules behind the encoder; none where there is no `modules.json`.

    Args:
        files: content by path in the model's folder.

    Raises:
        UnsupportedModelError: one is of a kind that is not known here, or not where it may be.
    """
    if MODULES not in files:
        return ()
    content = read_json(files, MODULES)
    if not isinstance(content, list) or not all(isinstance(one, dict) for one in content):
        raise UnsupportedModelError(f"{MODULES} beside the model is no list of modules")
    modules = [_module(number, one) for number, one in enumerate(content)]
    kinds = [module.kind for module in modules]
    if kinds[:2] != [_ENCODER, "Pooling"] or len({"Transformer", "Pooling"} & {*kinds[2:]}) > 0:
        raise UnsupportedModelError(
            f"{MODULES} names {listed(kinds)}; expected a Transformer, a Pooling, and what follows"
        )
    if modules[0].folder:
        raise UnsupportedModelError(
            f"{MODULES} has the encoder in {quoted(modules[0].folder)}; expected it beside "
            "that file"
        )
    return tuple(modules[1:])


def module_folders(folder: Path) -> tuple[str, ...]:
    """Folders, inside of a model's, of all modules that it lists, of whatever kind.

    Raises:
        UnsupportedModelError: the list is none, or names a folder elsewhere.
    """
    if not (folder / MODULES).is_file():
        return ()
    content = read_json({MODULES: (folder / MODULES).read_bytes()}, MODULES)
    entries = [one for one in content if isinstance(one, dict)] if isinstance(content, list) else []
    names = [str(one.get("path", "")).strip("/") for one in entries]
    for name in names:
        if ".." in PurePosixPath(name).parts:
            raise UnsupportedModelError(f"{folder / MODULES} names {quoted(name)}")
    return tuple(name for name in names if name)


def _module(number: int, entry: Mapping[str, Any]) -> Module:
    name = str(entry.get("type"))
    kind = name.rpartition(".")[2]
    if kind not in KINDS or not name.startswith(_LIBRARY):
        raise UnsupportedModelError(f"{MODULES} names {quoted(name)}; known are {listed(KINDS)}")
    folder = entry.get("path", "" if kind == _ENCODER else f"{number}_{kind}")
    if not isinstance(folder, str):
        raise UnsupportedModelError(
            f"{MODULES} has a {kind} in {quoted(folder)}; expected a folder"
        )
    return Module(kind, folder.strip("/"))


def read_poolings(files: Mapping[str, bytes], path: str) -> tuple[str, ...]:
    """What a pooling's config asks for: the embeddings are these, one behind the other.

    Raises:
        UnsupportedModelError: it is missing, or asks for what is not known here.
    """
    config = read_config(files, path)
    asked = config.get("pooling_mode")
    if asked is None:
        older = [key for key, on in config.items() if key.startswith("pooling_mode") and on is True]
        modes = tuple(_POOLINGS.get(key, key) for key in sorted(older, key=_place)) or ("mean",)
    else:
        modes = (asked,) if isinstance(asked, str) else tuple(asked)
    known = (*_POOLINGS.values(),)
    if not modes or not all(mode in known for mode in modes):
        raise UnsupportedModelError(
            f"{path} asks for {listed(modes)}; the engine knows {listed(known)}"
        )
    if config.get("include_prompt", True) is not True:
        raise UnsupportedModelError(
            f"include_prompt in {path} is {quoted(config['include_prompt'])}; "
            "the engine pools over the prompt as well"
        )
    return modes


def _place(key: str) -> int:
    return [*_POOLINGS, key].index(key)


@dataclass(frozen=True)
class Dense:
    """A linear layer behind the pooling.

    Attributes:
        outputs: size of what it gives.
        bias: whether it has one.
        activation: what follows it, one of the values of `ACTIVATIONS`.
    """

    outputs: int
    bias: bool
    activation: str


def read_dense(files: Mapping[str, bytes], path: str) -> Dense:
    """The config of a Dense.

    Raises:
        UnsupportedModelError: it is missing, or asks for what is not known here.
    """
    config = read_config(files, path)
    for key, only in (
        ("use_residual", False),
        ("module_input_name", "sentence_embedding"),
        ("module_output_name", "sentence_embedding"),
    ):
        if config.get(key, only) not in (only, None):
            raise UnsupportedModelError(
                f"{key} in {path} is {quoted(config[key])}; the engine knows {only!r}"
            )
    name = config.get("activation_function", "torch.nn.modules.activation.Tanh")
    if not isinstance(name, str) or name not in ACTIVATIONS:
        raise UnsupportedModelError(
            f"activation_function in {path} is {quoted(name)}; the engine knows "
            f"{listed(ACTIVATIONS)}"
        )
    size, bias = config.get("out_features"), config.get("bias", True)
    if type(size) is not int or size < 1 or not isinstance(bias, bool):
        raise UnsupportedModelError(f"{path} says no size; expected out_features, and bias")
    return Dense(size, bias, ACTIVATIONS[name])


def read_config(files: Mapping[str, bytes], path: str) -> dict[str, Any]:
    """The config of a module.

    Raises:
        UnsupportedModelError: it is missing, or no JSON object.
    """
    if path not in files:
        raise UnsupportedModelError(f"{MODULES} names {quoted(path)}, which is missing")
    return read_object(files, path)


def read_object(files: Mapping[str, bytes], name: str) -> dict[str, Any]:
    """Content of an attached file that holds a JSON object.

    Raises:
        UnsupportedModelError: it holds something else.
    """
    content = read_json(files, name)
    if not isinstance(content, dict):
        raise UnsupportedModelError(f"{quoted(name)} beside the model is no JSON object")
    return content


def read_json(files: Mapping[str, bytes], name: str) -> Any:
    """Content of an attached file.

    Raises:
        UnsupportedModelError: it is no JSON.
    """
    try:
        return json.loads(files[name])
    except (ValueError, RecursionError) as error:
        raise UnsupportedModelError(f"{quoted(name)} beside the model is no JSON") from error
