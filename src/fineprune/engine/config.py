"""What the engine takes from a model's `config.json`, which may hold anything."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from fineprune.engine.errors import UnsupportedModelError
from fineprune.wording import listed, quoted

Value = TypeVar("Value", int, float, str)

ACTIVATIONS = {
    "gelu": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_fast": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "relu": "relu",
    "tanh": "tanh",
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
        return default if value is None else self._typed(key, value, default)

    def setting(self, key: str, default: Value) -> Value:
        """The same of what a model is computed with: here null is no value that it could have.

        Args:
            key: of the value.
            default: what transformers takes where the config has no such key.

        Raises:
            UnsupportedModelError: it is not of the default's type.
        """
        return self._typed(key, self.values.get(key, default), default)

    def flag(self, key: str, default: bool = False) -> bool:
        """Whether something is so.

        Raises:
            UnsupportedModelError: it is neither true nor false.
        """
        value = self.values.get(key, default)
        if isinstance(value, bool):
            return value
        raise UnsupportedModelError(
            f"{key} in the model's config is {quoted(value)}; expected true or false"
        )

    def count(self, key: str) -> int:
        """A whole number without which nothing can be computed.

        Raises:
            UnsupportedModelError: there is none.
        """
        if key not in self.values:
            raise UnsupportedModelError(
                f"the model's config has no {key}; expected a whole number: save the model with "
                "save_pretrained and pack it again"
            )
        return self._typed(key, self.values[key], 12)

    def epsilon(self, key: str, default: float) -> float:
        """What a LayerNorm adds to a variance.

        Raises:
            UnsupportedModelError: it is no finite number, or a negative one.
        """
        value = self.setting(key, default)
        if not 0 <= value < float(np.finfo(np.float32).max):  # false for NaN
            raise UnsupportedModelError(
                f"{key} in the model's config is {value}; expected a small number, as {default}"
            )
        return value

    def _typed(self, key: str, value: Any, example: Value) -> Value:
        accepted = (int, float) if isinstance(example, float) else type(example)
        try:
            if isinstance(value, accepted) and not isinstance(value, bool):
                return type(example)(value)
        except OverflowError:  # an integer that no float can hold
            pass
        raise UnsupportedModelError(
            f"{key} in the model's config is {quoted(value)}; expected a value like {example!r}"
        )

    def activation(self, key: str, usual: str = "gelu") -> str:
        """The feed-forward activation, by the name that the native part knows.

        Args:
            key: of its name.
            usual: what transformers takes where the config has no such key.

        Raises:
            UnsupportedModelError: the engine does not know it.
        """
        name = self.setting(key, usual)
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
