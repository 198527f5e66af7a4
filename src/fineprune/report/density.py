"""What was pruned of a model: by matrix, row, column and head; and how what is left is spread."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fineprune.packing.prunable import Prunable
from fineprune.report.names import MatrixName, order_of_parts
from fineprune.report.records import HeadDensity, Histogram, MatrixDensity, Structure
from fineprune.report.source import Opened

Mask = NDArray[np.bool_]

_BINS = 60
_TAIL = 0.999  # of values that a histogram spans; the few outside count to its ends
_HEADS = ("num_attention_heads", "n_heads")
# The matrices of a head: of the first three it is rows, of the last columns.
_BY_ROWS = ("attention query", "attention key", "attention value")
_BY_COLUMNS = "attention output"


def masks_of(model: Opened) -> Iterator[tuple[str, Mask]]:
    """For each prunable matrix its name, and which of its weights are not zero; tied ones once."""
    rule = Prunable.of(model.packed.config)
    seen: set[int] = set()
    for name, tensor in model.packed.tensors.items():
        if rule.covers(name, tensor.shape) and id(tensor) not in seen:
            seen.add(id(tensor))
            array = model.array(name)
            yield name, (array != 0).reshape(array.shape[0], -1)


def matrix_density(name: str, mask: Mask) -> MatrixDensity:
    """What a matrix keeps."""
    words = MatrixName.of(name)
    return MatrixDensity(
        name=str(words),
        tensor=name,
        layer=words.layer,
        part=words.part,
        rows=mask.shape[0],
        columns=mask.shape[1],
        kept=int(np.count_nonzero(mask)),
        empty_rows=int(np.count_nonzero(~mask.any(axis=1))),
        empty_columns=int(np.count_nonzero(~mask.any(axis=0))),
    )


def in_order(matrices: Iterable[MatrixDensity]) -> list[MatrixDensity]:
    """Matrices as data passes them, whatever the order of a file."""
    found = list(matrices)
    parts = order_of_parts([one.part for one in found])
    return sorted(
        found, key=lambda one: (-1 if one.layer is None else one.layer, parts.index(one.part))
    )


def head_densities(masks: Mapping[str, Mask], config: Mapping[str, Any]) -> list[HeadDensity]:
    """What each attention head keeps of its share of query, key, value and output.

    Args:
        masks: of all matrices, by name.
        config: of the model.

    Returns:
        Heads by layer; none where a layer's matrices are not those four, or have other shapes.
    """
    heads = next((config[key] for key in _HEADS if isinstance(config.get(key), int)), 0)
    layers: dict[int, dict[str, Mask]] = {}
    for name, mask in masks.items():
        words = MatrixName.of(name)
        if words.layer is not None:
            layers.setdefault(words.layer, {})[words.part] = mask
    found = []
    for number, parts in sorted(layers.items()):
        shares = _shares(parts, heads)
        for head, share in enumerate(shares):
            kept = sum(int(np.count_nonzero(part)) for part in share)
            found.append(HeadDensity(number, head, kept, kept / sum(part.size for part in share)))
    return found


def _shares(parts: Mapping[str, Mask], heads: int) -> list[list[Mask]]:
    """For each head, its rows and columns of the layer's matrices."""
    if not {*_BY_ROWS, _BY_COLUMNS} <= parts.keys() or heads < 1:
        return []
    outputs, inputs = [parts[name] for name in _BY_ROWS], parts[_BY_COLUMNS]
    if any(len(mask) % heads for mask in outputs) or inputs.shape[1] % heads:
        return []
    by_rows = [np.split(mask, heads) for mask in outputs]
    by_columns = np.split(inputs, heads, axis=1)
    return [[*(part[head] for part in by_rows), by_columns[head]] for head in range(heads)]


def structure_of(matrices: Sequence[MatrixDensity], heads: Sequence[HeadDensity]) -> Structure:
    """How much of whole rows, columns and heads is gone."""
    return Structure(
        rows=sum(one.rows for one in matrices),
        empty_rows=sum(one.empty_rows for one in matrices),
        columns=sum(one.columns for one in matrices),
        empty_columns=sum(one.empty_columns for one in matrices),
        heads=len(heads),
        empty_heads=sum(one.kept == 0 for one in heads),
    )


def histogram(arrays: Iterable[NDArray[Any]]) -> Histogram | None:
    """How values are spread, over as much of an axis around zero as nearly all of them lie on.

    Args:
        arrays: of numbers; None comes of there being none.
    """
    parts = [array.ravel() for array in arrays if array.size]
    if not parts:
        return None
    values = np.concatenate(parts)
    reach = float(np.quantile(np.abs(values), _TAIL)) or 1.0
    edges = np.linspace(-reach, reach, _BINS + 1)
    counts, _ = np.histogram(np.clip(values, -reach, reach), edges)
    return Histogram([float(f"{edge:.6g}") for edge in edges], counts.tolist())
