"""Native kernels: weight matrices, embeddings and the encoder that runs them. Built from native/.

All arrays are C-contiguous. Whatever does not fit together (a shape, a dtype, an index outside of
its table) raises `ValueError` before anything is computed.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias, final

import numpy as np
from numpy.typing import NDArray

Weights: TypeAlias = NDArray[np.float32] | NDArray[np.int8]

def instruction_sets() -> list[str]:
    """Instruction sets that this CPU runs, fastest first: of avx512, avx2, neon, baseline."""

def has_bf16() -> bool:
    """Whether this CPU has instructions for precision "bf16"."""

def int8_state(instruction_set: str) -> str:
    """What an encoder of precision "int8" computes in beside its linears: "float32" or "bf16".

    It is bf16 where the CPU's attention is clearly faster in it. Matrices of that precision fit
    into such an encoder as those of int8 do.
    """

def checksum(array: NDArray[Any]) -> int:
    """64 bits that tell whether an array of shape (n,) is still what it was."""

def gelu(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """`x * P(X <= x)` of a standard normal X, of shape (n, m) as x is, computed in float64."""

@final
class Matrix:
    """A weight matrix of shape (rows, columns), immutable.

    It is prepared for one instruction set and one precision of activations, and copies what it
    needs. Values are float32, or int8 codes that the row's scale, float32 of shape (rows,), turns
    into numbers. For precision "int8", float32 values are rounded to codes: of each row, the
    largest magnitude becomes 127.
    """

    @staticmethod
    def sparse(
        rows: int,
        columns: int,
        row_pointers: NDArray[np.int32],
        column_indices: NDArray[np.uint16] | NDArray[np.uint32],
        values: Weights,
        scales: NDArray[np.float32] | None,
        *,
        precision: str,
        instruction_set: str,
    ) -> Matrix:
        """Make a matrix from its kept weights, in compressed sparse rows.

        Row `r` keeps `values[row_pointers[r]:row_pointers[r + 1]]`, of shape (kept,), in the
        columns that `column_indices` names at the same places.

        Raises:
            ValueError: row pointers do not ascend from 0 to the number of values, a column index is
                outside of the matrix, a dtype or shape is another than these, or this CPU lacks the
                instruction set or precision.
        """

    @staticmethod
    def dense(
        rows: int,
        columns: int,
        values: Weights,
        scales: NDArray[np.float32] | None,
        *,
        precision: str,
        instruction_set: str,
    ) -> Matrix:
        """Make a matrix from all of its weights, of shape (rows, columns) or flat in that order.

        Raises:
            ValueError: a dtype or shape is another than these, or this CPU lacks the instruction
                set or precision.
        """

    @property
    def rows(self) -> int: ...
    @property
    def columns(self) -> int: ...
    @property
    def kept(self) -> int:
        """How many weights are stored: all of them where the matrix is dense."""

    @property
    def kind(self) -> Literal["sparse", "dense"]: ...
    @property
    def nbytes(self) -> int: ...
    def multiply(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """Multiply `x`, of shape (tokens, columns), on one thread: (tokens, rows)."""

    def seconds(self, tokens: int, repeats: int) -> float:
        """Measure one multiplication of `tokens` tokens that already lie in tiles, on one thread.

        Returns:
            The least of `repeats`, in seconds of CPU, after one that does not count.
        """

@final
class Embedding:
    """A table of rows, kept as small as it was stored: a row is expanded when it is used.

    Values, of shape (rows, columns) or flat in that order, are float32, float16 (or its bits as
    uint16), or int8 codes with one scale a row. The arrays are kept, not copied.
    """

    def __init__(
        self,
        rows: int,
        columns: int,
        values: NDArray[Any],
        scales: NDArray[np.float32] | None,
    ) -> None: ...
    @property
    def rows(self) -> int: ...
    @property
    def columns(self) -> int: ...

@final
class Encoder:
    """A transformer encoder: a program over named buffers of features of every token.

    Steps are dictionaries, with `operation` and

    - `gather`: `target`, `tables` (an `Embedding` each for `tokens`, `positions` and `types`, or
      some of these): the sum of a row of each;
    - `normalize`: `source`, `target`, `weight`, `bias`, `epsilon`: LayerNorm, in place or not;
    - `linear`: `source`, `target`, `weight` (a `Matrix`), `bias`, `activation` ("none", "gelu",
      "gelu_tanh", "relu" or "tanh"), `adds`, whether to what is in the target already;
    - `multiply`: `source`, `target`, which is multiplied with it, number by number;
    - `rotate`: `target`, `angles`, `heads`: pairs of features of a head, the first half with the
      second, are turned by angles of which the buffer holds cosines, then sines;
    - `neighbours`: `source`, `target`, `width`: what a token and its neighbours, `width` of them
      with it in the middle, have in the source: feature f of the n-th is feature `f * width + n`;
    - `attention`: `queries`, which contexts take the place of, `keys`, `values`, `heads`, `window`
      (tokens that stand farther apart do not see each other; 0: all do) and `bias`, float32 of
      shape (heads, 2 * reach + 1), or None: what is added to scores of queries that stand `-reach`
      to `reach` tokens behind a key, farther ones as those. Scores are divided by the root of
      `terms` head sizes. `rows`, int32 of shape (2 * reach + 1,) or None, are rows of `row_keys`
      and `row_queries`, float32 of shape (rows, features) or None, by distance as well: to a score
      are added the products of its query with the one, and of its key with the other.

    Weights, biases and norms are float32 of shape (features,).

    Args:
        steps: in order.
        output: the buffer that holds hidden states at the end.
        precision: that the matrices were prepared for.
        instruction_set: one of `instruction_sets()`.
        threads: that one call runs on at most, the caller's included.

    Raises:
        ValueError: something is missing, is read before it is written, or does not fit.
        fineprune.engine.errors.ThreadsError: the system does not start so many threads.
    """

    def __init__(
        self,
        steps: Sequence[Mapping[str, Any]],
        *,
        output: str,
        precision: str,
        instruction_set: str,
        threads: int,
    ) -> None: ...
    @property
    def hidden_size(self) -> int: ...
    def run(
        self,
        tokens: NDArray[np.int32],
        positions: NDArray[np.int32],
        types: NDArray[np.int32],
        lengths: NDArray[np.int32],
        places: NDArray[np.int32] | None = None,
        *,
        first_only: bool = False,
    ) -> NDArray[np.float32]:
        """Compute hidden states. Sequences lie one after another, without padding.

        Calls from several threads run side by side, without the GIL: each takes those of the
        encoder's threads that are free, and its own at least. What it computes is the same to the
        last bit. A process that was forked starts threads of its own at its first call.

        Args:
            tokens: ids, of shape (sum of lengths,), as are `positions` and `types`.
            positions: rows of the position embeddings; not read where there are none.
            types: rows of the type embeddings; not read where there are none.
            lengths: tokens of each sequence, of shape (sequences,), at least 1 each.
            places: where tokens stand in their rows, ascending in each sequence; None where they
                stand one after another. Attention takes distances from it.
            first_only: give the state of each sequence's first token only; this is faster.

        Returns:
            float32 of shape (sum of lengths, hidden), or (sequences, hidden) with `first_only`.

        Raises:
            ValueError: an id is outside of its table, a length is below 1, lengths do not sum to
                the tokens, places do not ascend, or a dtype or rank is another than these.
            fineprune.engine.errors.ThreadsError: the system does not start a forked process's
                threads.
        """
    def phase_seconds(
        self,
        tokens: NDArray[np.int32],
        positions: NDArray[np.int32],
        types: NDArray[np.int32],
        lengths: NDArray[np.int32],
        places: NDArray[np.int32] | None = None,
        *,
        first_only: bool = False,
    ) -> list[float]:
        """For how long the parts of a run have a CPU, on one thread: the calling one.

        The arguments, and what is raised, are those of `run`.

        Returns:
            Seconds of what comes before the first attention, and for each attention, of itself and
            of all from there to the next one.
        """
