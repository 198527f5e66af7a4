"""From a model's program to the native encoder."""

from typing import TYPE_CHECKING, Any

import numpy as np

from fineprune.engine.architectures.architecture import HIDDEN
from fineprune.engine.architectures.operations import Multiply
from fineprune.engine.matrices import Arithmetic, as_dense
from fineprune.engine.program import (
    BoundAttention,
    BoundGather,
    BoundLinear,
    BoundNeighbours,
    BoundNorm,
    BoundOperation,
    BoundRotate,
    Program,
)
from fineprune.engine.weights import MatrixMaker
from fineprune.packing import Tensor
from fineprune.packing.tensors import matrix_shape

if TYPE_CHECKING:
    from fineprune.engine._native import Embedding, Encoder, Matrix


def build_encoder(
    program: Program, make: MatrixMaker, arithmetic: Arithmetic, threads: int
) -> "Encoder":
    """Prepares all of a model but its head.

    Args:
        program: what it computes.
        make: makes matrices ready to multiply with; each of them once, however often it is used.
        arithmetic: what for.
        threads: how many run it.
    """
    from fineprune.engine._native import Encoder

    matrices: dict[str, Matrix] = {}
    for linear in program.linears:
        if linear.name not in matrices:
            matrices[linear.name] = make(linear.name, linear.weight)
    return Encoder(
        [_step(operation, matrices) for operation in program.operations],
        output=HIDDEN,
        precision=arithmetic.precision,
        instruction_set=arithmetic.instruction_set,
        threads=threads,
    )


def _step(operation: BoundOperation, matrices: "dict[str, Matrix]") -> dict[str, Any]:
    """An operation as the native part takes it."""
    match operation:
        case BoundGather(target, tables):
            native = {ids: _table(tensor) for ids, tensor in tables.items()}
            return {"operation": "gather", "target": target, "tables": native}
        case BoundNorm(source, target, (weight, bias), epsilon):
            return {
                "operation": "normalize",
                "source": source,
                "target": target,
                "weight": weight,
                "bias": bias,
                "epsilon": epsilon,
            }
        case BoundLinear():
            return {
                "operation": "linear",
                "source": operation.source,
                "target": operation.target,
                "weight": matrices[operation.name],
                "bias": operation.bias,
                "activation": operation.activation,
                "adds": operation.adds,
            }
        case BoundNeighbours(source, target, width):
            return {"operation": "neighbours", "source": source, "target": target, "width": width}
        case Multiply(source, target):
            return {"operation": "multiply", "source": source, "target": target}
        case BoundRotate(target, angles, heads):
            return {"operation": "rotate", "target": target, "angles": angles, "heads": heads}
        case BoundAttention():
            distances = operation.distances
            return {
                "operation": "attention",
                "queries": operation.queries,
                "keys": operation.keys,
                "values": operation.values,
                "heads": operation.heads,
                "window": operation.window,
                "bias": operation.bias,
                "terms": operation.terms,
                "rows": distances and distances.rows,
                "row_keys": distances and distances.keys,
                "row_queries": distances and distances.queries,
            }


def _table(table: Tensor) -> "Embedding":
    from fineprune.engine._native import Embedding

    tensor = as_dense(table)
    shape = matrix_shape(tensor.shape)
    if tensor.scales is not None:
        return Embedding(*shape, tensor.values, tensor.scales.per_row())
    dtype = tensor.values.dtype if tensor.values.dtype == np.float16 else np.float32
    return Embedding(*shape, np.ascontiguousarray(tensor.values, dtype), None)
