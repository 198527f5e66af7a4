"""The models that a run left, as plain folders and as packed files."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from fineprune.errors import CheckpointError
from fineprune.packing import pack
from fineprune.pruning.checkpoint import load_model
from fineprune.pruning.counts import count
from fineprune.pruning.finalize import finalize_folder
from fineprune.pruning.masks import has_masks
from fineprune.pruning.model_folder import model_folder
from fineprune.report.source import density_folders

Bits = tuple[int, int]
"""Of packed weights in layers, and of embeddings."""


@dataclass(frozen=True)
class PackedPoint:
    """A packed model.

    Attributes:
        file: the file.
        density: kept over prunable weights.
        bits: it is packed with.
    """

    file: Path
    density: float
    bits: Bits


def packed_models(run: Path, all_bits: Sequence[Bits], scratch: Path) -> Iterator[PackedPoint]:
    """Packs what a run left: a model for each of its densities, or its only one.

    Args:
        run: of `fineprune train`, or a plain folder.
        all_bits: what each of them is packed with.
        scratch: an empty folder, in which files appear.

    Raises:
        CheckpointError: `run` holds no model.
    """
    for number, plain in enumerate(plain_folders(run, scratch / "plain")):
        density = count(load_model(plain)).density
        for bits in all_bits:
            file = scratch / f"{number}-{bits[0]}-{bits[1]}.safetensors"
            pack(plain, file, bits=bits[0], embedding_bits=bits[1])
            yield PackedPoint(file, density, bits)


def pack_exactly(model: Path, file: Path) -> None:
    """Packs a model, masked ones as they stand, without rounding.

    Raises:
        CheckpointError: `model` holds none.
    """
    with model_folder(model) as folder:
        plain = _plain(folder, file.with_suffix(".plain"))
        pack(plain, file, bits=32, embedding_bits=32)


def plain_folders(run: Path, scratch: Path) -> list[Path]:
    """Finalized folders of what a run left, from the densest to the sparsest.

    Args:
        run: of `fineprune train`, or a plain folder.
        scratch: does not exist; where a masked model is finalized.

    Raises:
        CheckpointError: `run` holds no model.
    """
    return density_folders(run) or [_plain(run, scratch)]


def _plain(run: Path, scratch: Path) -> Path:
    if not (run / "config.json").is_file():
        raise CheckpointError(
            f"{run} holds no model; name a run that `fineprune train` has ended, or a plain folder"
        )
    if not has_masks(load_model(run)):
        return run
    finalize_folder(run, scratch)
    return scratch
