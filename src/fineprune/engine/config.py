"""What the engine takes from a model's `config.json`, which may hold anything."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from fineprune.engine.errors import UnsupportedModelError
from fineprune.wording import listed, quoted

Value = TypeVar("Value", int, float, str)

ACTIVATIONS = {
    "gelu": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_fast": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "relu": "relu",
}
"""Names of feed-forward activations in a config, and what the native part calls them."""


@dataclass(frozen=True)
class Config:
    """Typed access to a config.

    Attributes:
        values: its content.
    """

    values: Mapping[str, Any]

    def get(self, key: str, default: Value) -> Value:
        """A value, or the default where there is none.

        Raises:
            UnsupportedModelError: it is not of the default's type.
        """
        value = self.values.get(key)
        if value is None:
            return default
        accepted = (int, float) if isinstance(default, float) else type(default)
        if not isinstance(value, accepted) or isinstance(value, bool):
            raise UnsupportedModelError(
                f"{key} in the model's config is {quoted(value)}; expected a value like {default!r}"
            )
        return type(default)(value)

    def activation(self, key: str) -> str:
        """The feed-forward activation, by the name that the native part knows."""
        name = self.get(key, "gelu")
        if name not in ACTIVATIONS:
            raise UnsupportedModelError(
                f"{key} in the model's config is {quoted(name)}; "
                f"the engine knows {listed(ACTIVATIONS)}"
            )
        return ACTIVATIONS[name]

    def class_name(self) -> str:
        """The model's class.

        Raises:
            UnsupportedModelError: the config does not tell.
        """
        names = self.values.get("architectures")
        if not isinstance(names, list) or not names or not isinstance(names[0], str):
            raise UnsupportedModelError(
                f"architectures in the model's config is {quoted(names)}; "
                "expected the name of its class: save the model with save_pretrained and pack again"
            )
        return names[0]

    def labels(self, count: int) -> tuple[str, ...]:
        """Names of the classes; `LABEL_0` and so on where the config has none for each."""
        names = self.values.get("id2label")
        named = names if isinstance(names, dict) and len(names) == count else {}
        return tuple(str(named.get(str(index), f"LABEL_{index}")) for index in range(count))
