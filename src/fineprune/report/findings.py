"""What the figures of a model come to, in words: what dominates, and what would help next."""

from collections.abc import Iterator, Sequence

from fineprune.report.frontier.records import Frontier
from fineprune.report.numbers import megabytes, metric, millions, milliseconds, percent, times
from fineprune.report.records import Duration, ModelReport, PartBytes
from fineprune.report.storage import EMBEDDINGS, ENCODER

_MOST = 0.5  # of something: it dominates
_FINE_BITS = 4  # to which weights can usually be rounded at next to no loss
_NEAR_BOUND = 1.03
_STILL_FALLING = 0.05  # of the loss, in the last fifth of a run


def in_words(
    model: ModelReport, dense: ModelReport | None, frontiers: Sequence[Frontier]
) -> tuple[str, ...]:
    """Sentences about a model.

    Args:
        model: without words.
        dense: what it is compared with; None without.
        frontiers: that the report has.
    """
    return (
        *_of_size(model),
        *_of_accuracy(model, dense),
        *(line for frontier in frontiers for line in frontier.words),
        *_of_bytes(model),
        *(_of_time(model.duration, dense) if model.duration else _of_no_time(model)),
        *_of_structure(model),
        *_of_training(model, dense),
    )


def _of_size(model: ModelReport) -> Iterator[str]:
    yield (
        f"Of {millions(model.prunable)} weights that could be pruned, {percent(model.density)} are "
        f"kept. Packed, everything takes {megabytes(model.packed_bytes)}. The dense model takes "
        f"{megabytes(model.dense_bytes)}, "
        f"{times(model.dense_bytes / model.packed_bytes)} times as much."
    )


def _of_accuracy(model: ModelReport, dense: ModelReport | None) -> Iterator[str]:
    if dense is None:
        return
    for name in [name for name in model.metrics if name in dense.metrics][:1]:
        ours, theirs = model.metrics[name], dense.metrics[name]
        yield (
            f"Its {name} was {metric(name, ours)} when it was trained; that of the dense model was "
            f"{metric(name, theirs)}."
        )


def _is_as_good(model: ModelReport, dense: ModelReport) -> bool:
    shared = [name for name in model.metrics if name in dense.metrics]
    return bool(shared) and model.metrics[shared[0]] >= dense.metrics[shared[0]]


def _of_bytes(model: ModelReport) -> Iterator[str]:
    whole = model.packed_bytes
    largest = max(model.bytes, key=lambda part: part.packed)
    said = (
        f"Most of the file is {largest.part}"
        if largest.packed > _MOST * whole
        else (f"The largest part of the file is {largest.part}")
    )
    yield f"{said}, {percent(largest.packed / whole)} of it{_advice_on_bytes(model, largest)}."
    encoder = next(part for part in model.bytes if part.part == ENCODER)
    if encoder.bound and encoder.packed <= _NEAR_BOUND * encoder.bound:
        yield (
            f"The encoder takes {megabytes(encoder.packed)}. Its entropy, with positions spread "
            f"evenly, is {megabytes(encoder.bound)}: only fewer weights, or bits, will make it "
            "much smaller."
        )


def _advice_on_bytes(model: ModelReport, largest: PartBytes) -> str:
    bits = {EMBEDDINGS: model.embedding_bits, ENCODER: model.bits}.get(largest.part)
    if bits is None or bits <= _FINE_BITS:
        return ""
    option = "embedding-bits" if largest.part == EMBEDDINGS else "bits"
    return f": `fineprune pack --{option} {_FINE_BITS}` would shrink it most"


def _of_time(duration: Duration, dense: ModelReport | None) -> Iterator[str]:
    share = duration.linears / duration.whole
    yield (
        f"A text of {duration.tokens} tokens takes {milliseconds(duration.whole)} on one thread. "
        + (
            f"{percent(share)} of that is multiplications with the weights: keeping fewer would "
            "make it faster."
            if share > _MOST
            else f"Multiplications with the weights are {percent(share)} of that, attention itself "
            f"{percent(duration.attention / duration.whole)}: keeping fewer weights would save at "
            f"most {milliseconds(duration.linears)}."
        )
    )
    if dense is not None and dense.duration is not None:
        ratio = dense.duration.whole / duration.whole
        yield (
            f"In the same engine the dense model, in float32, takes "
            f"{milliseconds(dense.duration.whole)}, {times(ratio)} times as long."
        )
    run_dense = [one for one in duration.matrices if one.form == "dense"]
    if run_dense:
        yield (
            f"{len(run_dense)} of {len(duration.matrices)} matrices run dense, zeros and all, "
            "because that is measured to be faster for them here."
        )


def _of_no_time(model: ModelReport) -> Iterator[str]:
    yield f"It was not timed: {model.not_timed}."


def _of_structure(model: ModelReport) -> Iterator[str]:
    found = model.structure
    if model.density == 1.0:
        return
    zeros = model.prunable - model.kept
    in_lines = sum(
        one.empty_rows * one.columns + one.empty_columns * (one.rows - one.empty_rows)
        for one in model.matrices
    )
    heads = f", and {found.empty_heads} of {found.heads} attention heads" if found.heads else ""
    yield (
        f"{found.empty_rows:,} of {found.rows:,} rows and {found.empty_columns:,} of "
        f"{found.columns:,} columns of its matrices are empty{heads}: these hold "
        f"{percent(in_lines / zeros)} of the zeros. The others are scattered: an engine that "
        "multiplies with zeros, as PyTorch does, gains nothing from them."
    )


def _of_training(model: ModelReport, dense: ModelReport | None) -> Iterator[str]:
    if dense is not None and _is_as_good(model, dense):
        return
    lines = [line for line in model.log if line.task_loss is not None]
    end = len(lines) // 5
    if end < 2:
        return
    before, after = (
        sum(line.task_loss or 0.0 for line in part) / end
        for part in (lines[-2 * end : -end], lines[-end:])
    )
    if after < (1 - _STILL_FALLING) * before:
        yield (
            f"The task's loss was still falling, from {before:.3f} to {after:.3f} in the last two "
            "fifths of the run: longer training would probably help."
        )
