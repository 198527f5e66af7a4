"""The model that is timed, in the forms that engines take."""

import inspect
import json
import warnings
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from fineprune.report.rows import Inputs, Rows

INPUTS = ("input_ids", "attention_mask")
"""What every model takes."""

_TYPES = "token_type_ids"
_CALIBRATION_BATCHES = 16  # of random tokens, where no texts are given
_CALIBRATION_TOKENS = 128

# The newest set of operators that DeepSparse 1.8 runs whole: later ones have LayerNormalization.
_OPSET = 13
_OUTPUTS = ("logits", "start_logits", "end_logits", "last_hidden_state")


@dataclass(frozen=True)
class Subject:
    """A packed model, and a folder for what is made of it.

    Attributes:
        packed: the file.
        folder: where other forms are written when they are first asked for.
        typed: whether its inputs come with `token_type_ids`, as those of pairs do.
        calibration: texts in whose ranges activations are quantized; random tokens without them.
    """

    packed: Path
    folder: Path
    typed: bool = False
    calibration: Rows | None = None

    @cached_property
    def plain(self) -> Path:
        """A Hugging Face folder."""
        # Here, because the environments of other engines lack what it needs.
        from fineprune.packing import unpack

        unpack(self.packed, self.folder / "plain")
        return self.folder / "plain"

    @cached_property
    def config(self) -> dict[str, Any]:
        """Its config."""
        content: dict[str, Any] = json.loads((self.plain / "config.json").read_text("utf-8"))
        return content

    @cached_property
    def onnx(self) -> Path:
        """An ONNX file whose batch and number of tokens are free."""
        inputs = (*INPUTS, _TYPES) if self.typed else INPUTS
        return _export(load_plain(self.plain), inputs, self.folder / "model.onnx")

    def calibration_batches(self) -> list[Inputs]:
        """Inputs to calibrate with, one text each."""
        if self.calibration is not None:
            return [self.calibration.inputs([place]) for place in range(len(self.calibration))]
        random = np.random.default_rng(0)
        size = 1, _CALIBRATION_TOKENS
        return [
            dict(
                zip(INPUTS, (random.integers(5, 1000, size), np.ones(size, np.int64)), strict=True)
            )
            for _ in range(_CALIBRATION_BATCHES)
        ]


def load_plain(folder: Path, attention: str | None = "eager") -> Any:
    """The model of a Hugging Face folder, as the engine runs it.

    Args:
        folder: of the model.
        attention: implementation of attention; the fastest that the model has if None.
    """
    # Here, because the environments of other engines lack what it needs.
    from fineprune.packing.modules import PRETRAINING

    transformers = import_module("transformers")
    name = json.loads((folder / "config.json").read_text("utf-8"))["architectures"][0]
    model = transformers.AutoModel if name.endswith(PRETRAINING) else getattr(transformers, name)
    return model.from_pretrained(folder, attn_implementation=attention).eval()


def outputs(answer: Any) -> tuple[Any, ...]:
    """What a model of transformers says, without what only some models add to it."""
    return tuple(answer[name] for name in _OUTPUTS if name in answer)


def _export(model: Any, inputs: tuple[str, ...], file: Path) -> Path:
    torch = import_module("torch")
    takes_types = _TYPES in inspect.signature(model.forward).parameters

    class Traced(torch.nn.Module):  # type: ignore[misc,name-defined,unused-ignore]
        """The model with the additive mask that every engine's optimizer knows from BERT."""

        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(
            self, input_ids: Any, attention_mask: Any, token_type_ids: Any = None
        ) -> tuple[Any, ...]:
            mask = (1.0 - attention_mask[:, None, None, :].float()) * -10000.0
            if takes_types and token_type_ids is None:
                token_type_ids = torch.zeros_like(input_ids)
            types = {_TYPES: token_type_ids} if takes_types else {}
            return outputs(self.model(input_ids=input_ids, attention_mask=mask, **types))

    example = torch.full((2, 8), 5), *(torch.ones((2, 8), dtype=torch.long) for _ in inputs[1:])
    names = [f"output_{index}" for index in range(len(Traced().eval()(*example)))]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tracing warns of what is meant
        torch.onnx.export(
            Traced().eval(),
            example,
            str(file),
            input_names=list(inputs),
            output_names=names,
            dynamic_axes={name: {0: "batch", 1: "tokens"} for name in inputs}
            | {name: {0: "batch"} for name in names},
            opset_version=_OPSET,
            dynamo=False,
        )
    return file
