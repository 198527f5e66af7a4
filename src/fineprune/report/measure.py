"""From models on disk to a report."""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from math import isfinite
from pathlib import Path
from typing import Any

from fineprune import __version__
from fineprune.engine.native import Precision
from fineprune.errors import CheckpointError, FinepruneError
from fineprune.report.density import (
    head_densities,
    histogram,
    in_order,
    masks_of,
    matrix_density,
    structure_of,
)
from fineprune.report.duration import measure_duration
from fineprune.report.findings import in_words
from fineprune.report.frontier.reading import read_frontier
from fineprune.report.frontier.records import FRONTIER_FILE
from fineprune.report.history import read_log
from fineprune.report.masks import MaskImage, block_for, image_of
from fineprune.report.points import frontier_of
from fineprune.report.records import Duration, ModelReport, Report
from fineprune.report.source import Opened, density_folders, open_model
from fineprune.report.storage import bytes_by_part

Say = Callable[[str], None]
Images = dict[str, list[MaskImage]]
"""Masks of each model, by the model's name in the report."""


def make_report(
    models: Sequence[Path],
    *,
    against: Path | None = None,
    images: bool = True,
    bits: int = 8,
    say: Say = lambda line: None,
) -> tuple[Report, Images]:
    """Measures models.

    Args:
        models: runs, plain folders, packed files, or runs with a `frontier.json`.
        against: the dense model, likewise.
        images: whether masks are drawn.
        bits: that models are packed with which are not packed yet, embeddings included.
        say: is told what is being done.

    Returns:
        The report, and images of masks, which are no numbers.

    Raises:
        FinepruneError: a model is none, or is damaged.
    """
    frontiers = [
        read_frontier(path / FRONTIER_FILE) for path in models if (path / FRONTIER_FILE).is_file()
    ]
    reported = [_model_of(path) for path in models]
    names = _names(reported)
    found, drawn = [], Images()
    for name, path in zip(names, reported, strict=True):
        model, drawn[name] = _measure(
            name, path, say, bits=bits, share=len(reported) if images else 0
        )
        found.append(model)
    dense = _measure("dense", against, say, bits=bits, precision="float32")[0] if against else None
    if not frontiers and (own := frontier_of(found, dense)):
        frontiers = [own]
    found = [replace(model, words=in_words(model, dense, frontiers)) for model in found]
    return Report(__version__, frontiers, found), drawn


def _model_of(path: Path) -> Path:
    """The model that stands for a path: of a frontier without one of its own, the smallest."""
    if (path / "config.json").is_file() or not (path / FRONTIER_FILE).is_file():
        return path
    folders = density_folders(path)
    if not folders:
        raise CheckpointError(
            f"{path} holds a {FRONTIER_FILE} and no model; name a model beside it"
        )
    return folders[-1]


def _names(paths: Sequence[Path]) -> list[str]:
    """What the models are called: the ends of their paths, as long as they need to be to differ."""
    resolved = [path.resolve() for path in paths]
    for length in range(1, 1 + max(len(path.parts) for path in resolved)):
        names = ["/".join(path.parts[-length:]) for path in resolved]
        if len(set(names)) == len(names):
            return names
    raise CheckpointError("a model is named twice; name each once")


def _measure(
    name: str, path: Path, say: Say, *, bits: int, share: int = 0, precision: Precision = "fast"
) -> tuple[ModelReport, list[MaskImage]]:
    """One model, and its masks drawn small enough for as many to share a page; 0 for none."""
    say(f"reading {path}")
    with tempfile.TemporaryDirectory(prefix="fineprune-") as scratch:
        model = open_model(path, Path(scratch) / "model", bits=bits)
        masks = dict(masks_of(model))
        matrices = in_order(matrix_density(tensor, mask) for tensor, mask in masks.items())
        if not matrices:
            raise CheckpointError(f"{path} has no layers whose matrices could be pruned")
        heads = head_densities(masks, model.packed.config)
        block = block_for(masks.values(), share) if share else 0
        drawn = [image_of(matrix.name, masks[matrix.tensor], block) for matrix in matrices if block]
        say(f"timing {path}")
        duration, why = _duration(model, precision)
        kept = (model.array(name).reshape(mask.shape)[mask] for name, mask in masks.items())
        report = ModelReport(
            name=name,
            path=str(path),
            kind=model.kind,
            architecture=_architecture(model.packed.config),
            base_model=str(model.recipe.get("model", "")),
            metrics=_metrics(model.metrics.get("metrics")),
            examples=_count(model.metrics.get("examples")),
            kept=sum(one.kept for one in matrices),
            prunable=sum(one.rows * one.columns for one in matrices),
            bits=_count(model.packed.provenance.get("bits")),
            embedding_bits=_count(model.packed.provenance.get("embedding_bits")),
            matrices=matrices,
            heads=heads,
            structure=structure_of(matrices, heads),
            weights=histogram(kept),
            scores=histogram(model.scores()),
            bytes=bytes_by_part(model),
            duration=duration,
            not_timed=why,
            log=read_log(model.log),
        )
    return report, drawn


def _duration(model: Opened, precision: Precision) -> tuple[Duration | None, str]:
    try:
        return measure_duration(model, precision), ""
    except FinepruneError as error:
        return None, str(error).replace(str(model.file), str(model.path))


def _architecture(config: Any) -> str:
    names = config.get("architectures")
    return str(names[0]) if isinstance(names, list) and names else str(config.get("model_type", ""))


def _metrics(recorded: Any) -> dict[str, float]:
    found = recorded if isinstance(recorded, dict) else {}
    return {
        str(name): float(value)
        for name, value in found.items()
        if isinstance(value, int | float) and isfinite(value)
    }


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
