"""Sizes, errors and times of packed models, beside every rival, in one run.

    pip install h5py zstandard
    python benchmarks/packing.py

BERT-base in shape, with random normal weights of which 6% are kept: once with an even random mask,
once with one whose rows and columns differ in density. Times are medians; CPU time stands beside
wall time, because machines are shared.
"""

import io
import statistics
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
from fineprune.packing.entropy import entropy_bits
from fineprune.packing.quantize import quantize

REPEATS = 5
LARGEST = 127  # code of the notebook's int8

Array = NDArray[np.float32]

console = Console(width=120)


def main() -> None:
    """Prints all tables."""
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
            console.print(quantizers(pruned(encoder), mask), times(folder, mask))


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
    """The original notebook's file: its size, and the matrices it holds."""
    file, matrices = io.BytesIO(), []
    with h5py.File(file, "w") as hdf5:

        def store(name: str, data: NDArray[Any]) -> None:
            hdf5.create_dataset(name, data=data, compression="gzip", compression_opts=9)

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
    """A way to round a matrix.

    Attributes:
        round: makes codes and the matrix that they stand for.
        scale_bytes: of its scales, for a matrix.
    """

    name: str
    round: Callable[[Array], tuple[NDArray[Any], Array]]
    scale_bytes: Callable[[Array], float]


def one_step(bits: int) -> Quantizer:
    """What packing does; its few exponents are in the entropy of their own."""

    def rounded(matrix: Array) -> tuple[NDArray[Any], Array]:
        codes, scales = quantize(matrix, bits)
        return codes, codes * scales.per_row()[:, None]

    def exponents(matrix: Array) -> float:
        return 4 + float(entropy_bits(np.bincount(quantize(matrix, bits)[1].exponents))) / 8

    return Quantizer("one step a matrix", rounded, exponents)


def largest_weight(name: str, bits: int, group: Callable[[Array], tuple[int, int]]) -> Quantizer:
    """Steps from the largest weight of each group; `group` gives its rows and columns."""
    largest = 2 ** (bits - 1) - 1

    def rounded(matrix: Array) -> tuple[NDArray[Any], Array]:
        rows, columns = group(matrix)
        blocks = matrix.reshape(len(matrix) // rows, rows, -1, columns)
        scales = np.abs(blocks).max(axis=(1, 3), keepdims=True) / largest
        codes = np.rint(blocks / np.where(scales, scales, 1))
        return codes.reshape(matrix.shape), (codes * scales).reshape(matrix.shape)

    def scales(matrix: Array) -> float:
        return 2 * matrix.size / np.prod(group(matrix))  # as float16

    return Quantizer(name, rounded, scales)


def quantizers(matrices: list[Array], mask: str) -> Table:
    """Bytes against error; the last column is what is comparable.

    A bit more a weight halves the error of any of them, so bytes are also given for the error of
    the first row of their bits.
    """
    one = table(
        f"Quantizers, {mask} mask: entropy of positions and codes, and scales",
        "quantizer", "bits", "MB", "weight error", "MB at the first one's error",
    )  # fmt: skip
    for bits in (8, 4):
        reference = None
        for quantizer in (
            one_step(bits),
            largest_weight("largest weight of a matrix", bits, lambda matrix: matrix.shape),
            largest_weight("largest weight of a row", bits, lambda matrix: (1, matrix.shape[1])),
            largest_weight("largest of 64 in a row", bits, lambda _: (1, 64)),
        ):
            size, kept, error = quantized_size(matrices, quantizer)
            reference = reference or error
            fair = size + kept * np.log2(error / reference) / 8
            one.add_row(
                quantizer.name, str(bits), f"{size / 1e6:.3f}", f"{error:.4f}", f"{fair / 1e6:.3f}"
            )
    return one


def quantized_size(matrices: list[Array], quantizer: Quantizer) -> tuple[float, int, float]:
    """Bytes, weights that are not zero, and error."""
    size, kept, after = 0.0, 0, []
    for matrix in matrices:
        codes, rounded = quantizer.round(matrix)
        sparse = SparseTensor.of(matrix.shape, codes.astype(np.int8), None)
        size += entropy_bytes(sparse) + quantizer.scale_bytes(matrix)
        kept += sparse.kept
        after.append(rounded)
    return size, kept, relative_error(matrices, after)


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
