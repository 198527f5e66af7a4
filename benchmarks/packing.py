"""Sizes, errors and times of packed models, beside every rival, in one run.

    pip install ".[bench]"
    python benchmarks/packing.py [FOLDER]

The extra brings what the rivals are made with. With a finalized model's folder: ways to quantize
it, at equal error. Without: BERT-base in shape, with random normal weights of which 6% are kept,
once with an even random mask, once with one whose rows and columns differ in density. Times are
medians; CPU time stands beside wall time, because machines are shared.
"""

import io
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bert_base
import h5py
import numpy as np
import zstandard
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from fineprune.packing import SparseTensor, pack, read_packed
from fineprune.packing.folder import read_source
from fineprune.packing.quantize import OPTIMAL_STEPS, Role, optimal_step
from fineprune.packing.tables import entropy_bits

REPEATS = 5
LARGEST = 127  # code of the notebook's int8

Array = NDArray[np.float32]

console = Console(width=120)


def main() -> None:
    """Prints all tables."""
    if len(sys.argv) > 1:
        tensors = read_source(Path(sys.argv[1])).tensors
        layers = [one for name, one in tensors.items() if Role.of(name, one.shape) is Role.LAYER]
        console.print(quantizers(layers, f"{len(layers)} matrices of {sys.argv[1]}"))
        return
    with tempfile.TemporaryDirectory() as temporary:
        for mask in ("even", "uneven"):
            folder = Path(temporary) / mask
            model = bert_base.weights(uneven=mask == "uneven")
            encoder = {name: one for name, one in model.items() if "embeddings." not in name}
            bert_base.save(model, folder / "whole")
            bert_base.save(encoder, folder / "encoder")
            for bits in (8, 4):
                pack(folder / "encoder", folder / f"encoder.{bits}", bits=bits)
                pack(folder / "whole", folder / f"whole.{bits}", bits=bits, embedding_bits=bits)
            console.print(sizes(folder, encoder, mask), streams(folder, mask))
            console.print(quantizers(pruned(encoder), f"{mask} mask"), times(folder, mask))


def pruned(model: Mapping[str, Array]) -> list[Array]:
    """The matrices that have masks."""
    return [array for name, array in model.items() if bert_base.is_pruned(name)]


def relative_error(before: Iterable[Array], after: Iterable[Array]) -> float:
    """Root mean square of the differences over that of the weights."""
    squares = [
        (np.square(new - old, dtype=np.float64).sum(), np.square(old, dtype=np.float64).sum())
        for old, new in zip(before, after, strict=True)
    ]
    error, energy = np.sum(squares, axis=0)
    return float(np.sqrt(error / energy))


def table(title: str, *headings: str) -> Table:
    """An empty table; all columns but the first are numbers."""
    one = Table(title=title, title_justify="left")
    for index, heading in enumerate(headings):
        one.add_column(heading, justify="right" if index else "left")
    return one


# Sizes beside those of the rivals.


def sizes(folder: Path, encoder: Mapping[str, Array], mask: str) -> Table:
    """Bytes of the encoder with its head and of the whole model, all in them."""
    notebook, notebook_codes = notebook_recipe(encoder)
    embeddings = sum(
        4 * int(np.prod(shape)) for name, shape in bert_base.shapes().items() if "embed" in name
    )
    one = table(
        f"Sizes, {mask} mask",
        "stored as", "encoder and head, MB", "of the notebook's", "weight error", "whole model, MB",
    )  # fmt: skip

    def row(name: str, size: int, error: float, whole: int) -> None:
        share = f"{size / notebook:.1%}"
        one.add_row(name, f"{size / 1e6:.3f}", share, f"{error:.4f}", f"{whole / 1e6:.2f}")

    plain = [(folder / part / "model.safetensors").stat().st_size for part in ("encoder", "whole")]
    row("safetensors, float32", plain[0], 0.0, plain[1])
    error = relative_error(pruned(encoder), notebook_codes)
    row("the notebook: int8, CSR, gzip HDF5", notebook, error, notebook + embeddings)
    for bits in (8, 4):
        files = [folder / f"{part}.{bits}" for part in ("encoder", "whole")]
        tensors = read_packed(files[0]).tensors
        after = [tensors[name].to_array() for name in encoder if bert_base.is_pruned(name)]
        error = relative_error(pruned(encoder), after)
        row(f"zstd-19, same streams, {bits} bits", *with_zstandard(files[0], error, files[1]))
        row(f"fineprune, {bits} bits", files[0].stat().st_size, error, files[1].stat().st_size)
    return one


def notebook_recipe(encoder: Mapping[str, Array]) -> tuple[int, list[Array]]:
    """The original notebook's file: its size, and the matrices it holds.

    With HDF5's byte shuffle, without which the columns take a third more.
    """
    file, matrices = io.BytesIO(), []
    with h5py.File(file, "w") as hdf5:

        def store(name: str, data: NDArray[Any]) -> None:
            hdf5.create_dataset(
                name, data=data, compression="gzip", compression_opts=9, shuffle=True
            )

        for name, array in encoder.items():
            if not bert_base.is_pruned(name):
                store(name, array)
                continue
            scale = np.abs(array).max() / np.float32(LARGEST)
            codes = np.rint(array / scale).astype(np.int8)
            sparse = SparseTensor.of(array.shape, codes, None)
            store(f"{name}.data", sparse.values)
            store(f"{name}.indices", sparse.columns)
            store(f"{name}.indptr", sparse.row_pointers)
            hdf5.attrs[f"{name}.scale"] = scale
            matrices.append(codes * scale)
    return len(file.getvalue()), matrices


def with_zstandard(encoder: Path, error: float, whole: Path) -> tuple[int, float, int]:
    """What zstd makes of the gaps and values that a packed file holds: bytes, error, bytes."""

    def compressed(file: Path) -> int:
        gaps: list[bytes] = []
        codes: list[bytes] = []
        others: list[bytes] = []
        for tensor in read_packed(file).tensors.values():
            if isinstance(tensor, SparseTensor):
                gaps.append(byte_gaps(gap_lengths(tensor)))
            (codes if tensor.scales else others).append(tensor.values.tobytes())
        return sum(
            len(zstandard.ZstdCompressor(level=19).compress(b"".join(stream)))
            for stream in (gaps, codes, others)
        )

    return compressed(encoder), error, compressed(whole)


def gap_lengths(tensor: SparseTensor) -> NDArray[np.int64]:
    """Zeros before each kept weight, row by row."""
    flat = tensor.rows() * (tensor.shape[1]) + tensor.columns
    return np.diff(flat, prepend=-1) - 1


def byte_gaps(gaps: NDArray[np.int64]) -> bytes:
    """Gaps as bytes, of which 255 means 255 zeros and no weight."""
    symbols = np.full(len(gaps) + int((gaps // 255).sum()), 255, np.uint8)
    symbols[np.cumsum(gaps // 255 + 1) - 1] = gaps % 255
    return symbols.tobytes()


# Streams beside their entropy.


def streams(folder: Path, mask: str) -> Table:
    """Bytes of records, headers and all, beside the entropy of what they hold."""
    one = table(
        f"Streams, {mask} mask, and the empirical entropy of each tensor's own gaps and codes",
        "records", "entropy, MB", "stored, MB", "more", "bits a weight",
    )  # fmt: skip
    for bits in (8, 4):
        file = folder / f"whole.{bits}"
        report = pack(folder / "whole", file, bits=bits, embedding_bits=bits)
        tensors = read_packed(file).tensors
        for sparse, name in ((True, "pruned matrices"), (False, "embeddings")):
            chosen = [
                each for each in report.tensors if each.bits == bits and each.sparse == sparse
            ]
            ideal = sum(entropy_bytes(tensors[each.name]) for each in chosen)
            stored = sum(each.bytes for each in chosen)
            one.add_row(
                f"{name}, {bits} bits",
                f"{ideal / 1e6:.3f}",
                f"{stored / 1e6:.3f}",
                f"{stored / ideal - 1:+.2%}",
                f"{8 * stored / sum(each.kept for each in chosen):.3f}",
            )
    return one


def entropy_bytes(tensor: Any) -> float:
    """Empirical entropy of the codes of a tensor, and of its gaps."""
    symbols = [tensor.values.ravel().astype(np.int64) + LARGEST + 1]
    if isinstance(tensor, SparseTensor):
        symbols.append(gap_lengths(tensor))
    return sum(float(entropy_bits(np.bincount(each))) for each in symbols) / 8


# Ways to quantize, beside each other.


@dataclass(frozen=True)
class Quantizer:
    """A way to give each kept weight a step.

    Attributes:
        steps: for a matrix, the step of each weight that is not zero, but for a common factor.
        scale_bytes: what the scales of a matrix take.
    """

    name: str
    steps: Callable[[Array], Array]
    scale_bytes: Callable[[Array], float]


def one_step(matrix: Array) -> Array:
    """What packing does, where no outlier needs a coarser one."""
    return np.full(np.count_nonzero(matrix), optimal_step(matrix, 8))


def largest_of(rows: int | None, columns: int | None) -> Callable[[Array], Array]:
    """Steps in proportion to the largest weight of each block of a matrix; None is all."""

    def steps(matrix: Array) -> Array:
        height, width = rows or matrix.shape[0], columns or matrix.shape[1]
        blocks = np.abs(matrix).reshape(len(matrix) // height, height, -1, width)
        largest = np.broadcast_to(blocks.max(axis=(1, 3), keepdims=True), blocks.shape)
        return np.asarray(largest.reshape(matrix.shape)[matrix != 0])

    return steps


QUANTIZERS = (
    Quantizer("one step, from the mean square", one_step, lambda _: 4),
    Quantizer("largest weight of a matrix", largest_of(None, None), lambda _: 4),
    Quantizer("largest weight of 64 rows", largest_of(64, None), lambda w: 2 * len(w) / 64),
    Quantizer("largest weight of a row", largest_of(1, None), lambda w: 2 * len(w)),
    Quantizer("largest of 64 in a row", largest_of(1, 64), lambda w: 2 * w.size / 64),
)


def quantizers(matrices: list[Array], what: str) -> Table:
    """Bytes that each quantizer takes for one and the same error, that of packing."""
    one = table(
        f"Quantizers, {what}: entropy of gaps and codes, and float16 scales",
        "step", "MB at 8 bits' error", "MB at 4 bits' error",
    )  # fmt: skip
    kept = [matrix[matrix != 0] for matrix in matrices]
    for quantizer in QUANTIZERS:
        steps = [quantizer.steps(matrix) for matrix in matrices]
        scales = sum(quantizer.scale_bytes(matrix) for matrix in matrices)
        row = []
        for bits in (8, 4):
            codes = codes_with_error(kept, steps, OPTIMAL_STEPS[bits] / np.sqrt(12))
            row.append(f"{(scales + coded_bytes(matrices, codes)) / 1e6:.3f}")
        one.add_row(quantizer.name, *row)
    return one


def codes_with_error(kept: list[Array], steps: list[Array], error: float) -> list[Array]:
    """Codes with the steps times the factor that gives this relative error, found by bisection."""
    low, high = 1e-3, 1e3
    while high / low > 1.0005:
        factor = float(np.sqrt(low * high))
        codes = [np.rint(old / (step * factor)) for old, step in zip(kept, steps, strict=True)]
        after = (code * step * factor for code, step in zip(codes, steps, strict=True))
        low, high = (low, factor) if relative_error(kept, after) > error else (factor, high)
    return codes


def coded_bytes(matrices: list[Array], codes: list[Array]) -> float:
    """Entropy of the gaps and codes of each matrix; codes of zero are dropped."""
    bits = 0.0
    for matrix, code in zip(matrices, codes, strict=True):
        gaps = np.diff(np.flatnonzero(matrix)[code != 0], prepend=-1) - 1
        symbols = code[code != 0].astype(np.int64)
        for each in (gaps, symbols - symbols.min()):
            bits += float(entropy_bits(np.bincount(each)))
    return bits / 8


# Times.


def times(folder: Path, mask: str) -> Table:
    """Packing, and reading to arrays that an engine can use."""
    one = table(f"Times, whole model, {mask} mask, medians", "what", "wall, s", "CPU, s")
    for bits in (8, 4):
        file = folder / f"timed.{bits}"
        actions: dict[str, Callable[[], object]] = {
            "pack": lambda bits=bits, file=file: pack(  # type: ignore[misc]
                folder / "whole", file, bits=bits, embedding_bits=bits
            ),
            "read to codes, columns, scales": lambda file=file: read_packed(file),  # type: ignore[misc]
            "read to float32, zeros and all": lambda file=file: [  # type: ignore[misc]
                tensor.to_array() for tensor in read_packed(file).tensors.values()
            ],
        }
        for name, action in actions.items():
            wall, cpu = seconds(action)
            one.add_row(f"{name}, {bits} bits", f"{wall:.2f}", f"{cpu:.2f}")
    return one


def seconds(action: Callable[[], object]) -> tuple[float, float]:
    """Median wall and CPU time of a call."""
    walls, cpus = [], []
    for _ in range(REPEATS):
        wall, cpu = time.perf_counter(), time.process_time()
        action()
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    return statistics.median(walls), statistics.median(cpus)


if __name__ == "__main__":
    main()
