"""An encoder with its head, ready to run."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from fineprune.engine.architectures import Architecture
from fineprune.engine.config import Config
from fineprune.engine.encoder import build_encoder
from fineprune.engine.heads import Head, HeadSource
from fineprune.engine.heads.head import Floats
from fineprune.engine.inputs import InputRules, Sequences, room
from fineprune.engine.matrices import Arithmetic
from fineprune.engine.names import with_names_of_today
from fineprune.engine.native import Precision
from fineprune.engine.precision import LinearTensor, ModelPlan
from fineprune.engine.program import Program, bind
from fineprune.engine.support import architecture_of, class_to_run
from fineprune.engine.weights import Weights
from fineprune.packing import PackedModel

if TYPE_CHECKING:
    from fineprune.engine._native import Encoder

MOST_TOKENS = 4096
"""How many tokens are computed at the same time, which bounds the memory that activations take.
More at once are hardly faster: these are 64 pieces of work for threads to share."""


@dataclass(frozen=True, eq=False)
class Model:
    """An encoder with its head.

    Attributes:
        encoder: the native part.
        head: what stands on top of it.
        rules: what inputs must be like.
        plan: how the encoder's matrices run.
        most_tokens: how many are computed at the same time.
    """

    encoder: "Encoder"
    head: Head
    rules: InputRules
    plan: ModelPlan
    most_tokens: int = MOST_TOKENS

    def run(
        self,
        input_ids: ArrayLike,
        attention_mask: ArrayLike | None,
        token_type_ids: ArrayLike | None,
    ) -> dict[str, Floats]:
        """The head's outputs for arrays of shape `(batch, tokens)`; see `Engine.run`."""
        sequences, mask = self.rules.compact(input_ids, attention_mask, token_type_ids)
        parts = [
            self.head.outputs(self._hidden(part), part.lengths, mask[rows])
            for rows, part in sequences.parts(self.most_tokens)
        ]
        if len(parts) == 1:
            return parts[0]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def values(self, ids: Sequence[Sequence[int]], types: Sequence[Sequence[int]]) -> list[Floats]:
        """The head's values for each of many sequences, run in batches of like length.

        Args:
            ids: token ids of each sequence.
            types: token types of each sequence.
        """
        results: dict[int, Floats] = {}
        for batch in _batches([room(len(row)) for row in ids], self.most_tokens):
            sequences = self.rules.join([ids[i] for i in batch], [types[i] for i in batch])
            values = self.head(self._hidden(sequences), sequences.lengths)
            ends = np.cumsum(sequences.lengths)[:-1]
            parts = np.split(values, ends) if self.head.per_token else list(values)
            results |= zip(batch, parts, strict=True)
        return [results[i] for i in range(len(ids))]

    def phase_seconds(self, input_ids: ArrayLike) -> list[float]:
        """Seconds of the encoder's phases on one thread, see `Encoder.phase_seconds`.

        Args:
            input_ids: of shape `(batch, tokens)`, none of which is padding.
        """
        sequences, _ = self.rules.compact(input_ids, None, None)
        return self.encoder.phase_seconds(
            sequences.tokens,
            sequences.positions,
            sequences.types,
            sequences.lengths,
            sequences.places,
            first_only=self.head.first_only,
        )

    def _hidden(self, sequences: Sequences) -> Floats:
        return self.encoder.run(
            sequences.tokens,
            sequences.positions,
            sequences.types,
            sequences.lengths,
            sequences.places,
            first_only=self.head.first_only,
        )


def build_model(
    packed: PackedModel,
    precision: Precision,
    instruction_set: str,
    threads: int,
    most_tokens: int = MOST_TOKENS,
) -> Model:
    """Prepares a packed model.

    Args:
        packed: the model; it is not needed afterwards.
        precision: that is asked for.
        instruction_set: of the kernels.
        threads: how many run it.
        most_tokens: how many are computed at the same time.

    Raises:
        UnsupportedModelError: the engine does not know how to run it.
        WeightsError: a tensor is missing, or its shape does not fit.
    """
    config = Config(packed.config)
    architecture = architecture_of(config)
    name = class_to_run(config, packed.tensors, packed.attachments)
    every = Weights(with_names_of_today(packed.tensors, architecture, name))
    weights = every.below("" if name == architecture.base else architecture.prefix)
    program = bind(architecture, config, weights)
    linears = [LinearTensor(one.name, one.weight, one.norm) for one in program.linears]
    plan = ModelPlan(precision, instruction_set, linears)
    # Heads are small: always dense, and in float32.
    of_head = Arithmetic("float32", instruction_set)
    source = HeadSource(
        weights=every,
        config=config,
        hidden=program.hidden,
        matrix=lambda name, tensor: of_head.dense(tensor),
        attachments=packed.attachments,
    )
    return Model(
        head=architecture.heads[name](source),
        encoder=build_encoder(program, plan.make, plan.arithmetic, threads),
        rules=_rules(architecture, config, program),
        plan=plan,
        most_tokens=most_tokens,
    )


def _rules(architecture: Architecture, config: Config, program: Program) -> InputRules:
    # Models without a table of positions are trained with so many tokens.
    positions = program.rows("positions") or config.count("max_position_embeddings")
    return InputRules(
        vocabulary=program.rows("tokens"),
        types=program.rows("types") or 1,
        positions=positions,
        number=architecture.positions(config, positions),
        distances=program.knows_distances,
    )


def _batches(rooms: Sequence[int], most: int) -> list[list[int]]:
    """Indices of sequences, the longest first, in batches that take at most so much room."""
    batches: list[list[int]] = []
    left = 0
    for index in sorted(range(len(rooms)), key=lambda i: -rooms[i]):
        if rooms[index] > left or not batches:
            batches.append([])
            left = most
        batches[-1].append(index)
        left -= rooms[index]
    return batches
