"""What is measured of models whose masks are known."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from fineprune import PackedModel, pack
from fineprune.errors import CheckpointError, FinepruneError
from fineprune.report.density import head_densities, histogram, matrix_density
from fineprune.report.history import read_log
from fineprune.report.masks import block_for, image_of
from fineprune.report.measure import make_report
from fineprune.report.records import ModelReport, Report
from fineprune.report.source import Opened
from tests.report.models import FRONTIER, LAYERS, LOG, VOCABULARY, Tensors, save, weights

QUERY = "bert.encoder.layer.0.attention.self.query.weight"
OUTPUT = "bert.encoder.layer.1.output.dense.weight"
METRICS = {"metrics": {"f1": 81.25, "exact_match": 70.5}, "examples": 12, "density": 0.5}


def report_of(*paths: Path, **options: Any) -> Report:
    return make_report(paths, images=False, **options)[0]


def model_of(path: Path) -> ModelReport:
    return report_of(path).models[0]


def pruned() -> Tensors:
    """One matrix without its first two rows (a head's), one with a single weight."""
    tensors = weights()
    tensors[QUERY][:2] = 0
    tensors[OUTPUT][:] = 0
    tensors[OUTPUT][1, 3] = 2.5
    return tensors


def test_what_was_pruned(tmp_path: Path) -> None:
    model = model_of(save(pruned(), tmp_path / "model", metrics=METRICS))
    total = LAYERS * (4 * 16 + 2 * 24)
    assert (model.kept, model.prunable) == (total - 8 - 23, total)
    first, *_, last = model.matrices
    assert (first.name, first.kept, first.empty_rows, first.empty_columns) == (
        "layer 0 attention query", 8, 2, 0,
    )  # fmt: skip
    assert (last.name, last.kept, last.empty_rows, last.empty_columns) == (
        "layer 1 feed-forward down", 1, 3, 5,
    )  # fmt: skip
    assert [one.density for one in model.heads] == [0.75, 1.0, 1.0, 1.0]
    assert model.structure.empty_rows == 5
    assert model.structure.empty_columns == 5
    assert (model.structure.heads, model.structure.empty_heads) == (4, 0)
    assert model.weights is not None
    assert sum(model.weights.counts) == model.kept
    assert model.metrics == METRICS["metrics"]
    assert (model.examples, model.kind) == (12, "folder")


def test_a_packed_file_says_the_same_as_its_folder(tmp_path: Path) -> None:
    folder = save(pruned(), tmp_path / "model", metrics=METRICS)
    pack(folder, tmp_path / "file", bits=8)
    ours, theirs = model_of(folder), model_of(tmp_path / "file")
    assert theirs.kind == "packed file"
    for name in ("kept", "prunable", "matrices", "heads", "structure", "bytes", "metrics"):
        assert getattr(theirs, name) == getattr(ours, name)


def test_what_was_left_alone_does_not_count(tmp_path: Path) -> None:
    note = {"method": {}, "include": [], "exclude": ["bert.encoder.layer.1.*"]}
    model = model_of(save(pruned(), tmp_path / "model", config={"pruned": note}))
    assert {one.layer for one in model.matrices} == {0}
    assert model.prunable == 4 * 16 + 2 * 24


def test_bytes_add_up_to_the_files(tmp_path: Path) -> None:
    folder = save(pruned(), tmp_path / "model", tokenizer={"model": "x" * 1000})
    report = pack(folder, tmp_path / "file")
    model = model_of(tmp_path / "file")
    assert model.packed_bytes == report.file_bytes == (tmp_path / "file").stat().st_size
    weights_only = [part for part in model.bytes if part.bound is not None]
    assert sum(part.dense for part in weights_only) == report.source_bytes
    by_part = {part.part: part for part in model.bytes}
    tensors = load_file(folder / "model.safetensors")
    embeddings = sum(one.nbytes for name, one in tensors.items() if "embeddings" in name)
    assert by_part["embeddings"].dense == embeddings
    assert by_part["tokenizer and settings"].dense == len((folder / "tokenizer.json").read_bytes())


def test_the_bound_is_the_entropy_of_positions_and_values(tmp_path: Path) -> None:
    tensors = weights()
    for name in tensors:
        if ".layer." in name and tensors[name].ndim == 2:
            tensors[name][:] = 0  # matrices without weights take nothing
    tensors[QUERY][0, :2] = 1.0, -1.0
    model = model_of(save(tensors, tmp_path / "model"))
    encoder = next(part for part in model.bytes if part.part == "encoder")
    shares = np.array([2 / 16, 14 / 16])
    positions = -16 * float(shares @ np.log2(shares))
    codes = 2.0  # two values, each half of the time
    halves = 16 * sum(
        one.size for name, one in tensors.items() if ".layer." in name and one.ndim == 1
    )
    assert encoder.bound is not None
    # Each tensor's is rounded to bytes.
    assert encoder.bound == pytest.approx((positions + codes + halves) / 8, abs=len(tensors))


def test_a_matrix_that_no_layer_has_is_not_pruned(tmp_path: Path) -> None:
    tensors = {"embeddings.weight": np.ones((VOCABULARY, 4), np.float32)}
    with pytest.raises(CheckpointError, match="no layers whose matrices"):
        model_of(save(tensors, tmp_path / "model"))


def test_a_model_that_the_engine_does_not_run_is_reported_without_times(tmp_path: Path) -> None:
    model = model_of(save(pruned(), tmp_path / "model", config={"model_type": "vit"}))
    assert model.duration is None
    assert "vit" in model.not_timed
    assert any(word.startswith("It was not timed: ") for word in model.words)


def test_times_fit_together(tmp_path: Path) -> None:
    duration = model_of(save(pruned(), tmp_path / "model")).duration
    assert duration is not None
    assert duration.whole > 0
    assert duration.linears == pytest.approx(sum(one.milliseconds for one in duration.matrices))
    layers = duration.layers
    by_layer = sum(one.attention_linears + one.feed_forward_linears for one in layers)
    assert by_layer == pytest.approx(duration.linears)
    assert sum(one.attention for one in layers) == pytest.approx(duration.attention)
    assert all(one.attention > 0 for one in layers)
    rest = duration.whole - duration.linears - duration.attention
    assert duration.rest == pytest.approx(max(0.0, rest))
    assert len(duration.matrices) == LAYERS * 6
    assert all(one.reason.startswith(one.form) for one in duration.matrices)


def test_a_dense_model_is_a_point_beside_ours(tmp_path: Path) -> None:
    ours = save(pruned(), tmp_path / "ours", metrics=METRICS)
    dense = save(weights(), tmp_path / "dense", metrics=METRICS)
    report = report_of(ours, against=dense)
    [frontier] = report.frontiers
    assert (frontier.metric, frontier.rows) == ("f1", 12)
    assert [point.density for point in frontier.points] == [report.models[0].density, 1.0]
    assert [point.precision for point in frontier.points][1] == "float32"
    assert report.models[0].words[1] == (
        "Its f1 was 81.2 when it was trained; that of the dense model was 81.2."
    )


# Frontiers.


def test_points_of_a_frontier(tmp_path: Path) -> None:
    run = save(pruned(), tmp_path / "run", frontier=FRONTIER)
    report = report_of(run)
    [frontier] = report.frontiers
    assert (frontier.source, frontier.task, frontier.rows) == ("run", FRONTIER["task"], 4500)
    assert [point.engine for point in frontier.points] == ["fineprune", "pytorch", "openvino"]
    assert frontier.points[0].bits == 8
    assert frontier.points[1].bits is None
    # Of the points, not of what the file says of them.
    assert (
        "5.0% kept reaches the accuracy of the dense model in int8, 94.7%: 94.7% in fast, 3.0 "
        "times as fast as openvino int8 static, and 3.6 times smaller." in report.models[0].words
    )


def test_without_a_model_of_its_own_the_smallest_density_stands_for_a_frontier(
    tmp_path: Path,
) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / "frontier.json").write_text(json.dumps(FRONTIER), encoding="utf-8")
    with pytest.raises(CheckpointError, match="no model"):
        report_of(run)
    save(weights(), run / "density-0.2")
    save(pruned(), run / "density-0.05")
    assert report_of(run).models[0].name == "density-0.05"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"version": 2}, "is of version 2"),
        ({"points": [{}]}, "no 'engine'"),
        ({"points": 3}, "not iterable"),
        ({"rows": "many"}, "invalid literal"),
        ({"rows": math.inf}, "cannot convert float infinity"),
        ({"machine": None}, "not subscriptable"),
        ({"points": [{**FRONTIER["points"][0], "milliseconds": math.nan}]}, "no measurement"),
    ],
)
def test_a_damaged_frontier_is_told_of(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    run = save(pruned(), tmp_path / "run", frontier={**FRONTIER, **change})
    with pytest.raises(CheckpointError, match=said):
        report_of(run)


# Runs.


def test_the_log_of_a_run() -> None:
    lines = read_log(LOG["log_history"])
    assert len(lines) == 20  # evaluations and the summary are none
    first = lines[0]
    assert (first.step, first.task_loss, first.teacher, first.penalty) == (
        10,
        2.125,
        1.0625,
        0.53125,
    )
    assert (first.learning_rate, first.score_learning_rate) == (0.0017, 0.0123)
    strange: list[dict[str, Any]] = [
        {"step": 1, "loss": 1.0, "task_loss": math.nan, "density": "x"},
        {"loss": 1.0},
    ]
    [line] = read_log(strange)
    assert (line.task_loss, line.density, line.penalty) == (None, None, None)


def test_a_log_of_another_kind_tells_nothing(tmp_path: Path) -> None:
    assert model_of(save(pruned(), tmp_path / "a", trainer_state=[1, 2])).log == []
    assert model_of(save(pruned(), tmp_path / "b", trainer_state={"log_history": "x"})).log == []


def test_a_run_that_goes_on_is_told_of_by_its_newest_checkpoint(tmp_path: Path) -> None:
    run = save(pruned(), tmp_path / "run")
    for step, lines in ((9, 3), (10, 4)):
        (run / f"checkpoint-{step}").mkdir()
        log = {"log_history": LOG["log_history"][:lines]}
        file = run / f"checkpoint-{step}" / "trainer_state.json"
        file.write_text(json.dumps(log), encoding="utf-8")
    assert len(model_of(run).log) == 4


# Names, and what is wrong.


def test_models_are_called_by_as_much_of_their_paths_as_tells_them_apart(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        save(pruned(), tmp_path / name / "plain")
    report = report_of(tmp_path / "one" / "plain", tmp_path / "two" / "plain")
    assert [model.name for model in report.models] == ["one/plain", "two/plain"]
    with pytest.raises(CheckpointError, match="named twice"):
        report_of(tmp_path / "one" / "plain", tmp_path / "one" / "plain")


def test_what_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "text").write_text("hello")
    for name in ("nowhere", "empty", "text"):
        with pytest.raises(FinepruneError, match=name):
            report_of(tmp_path / name)


# Parts.


def test_heads_are_rows_of_three_matrices_and_columns_of_one() -> None:
    masks = {
        f"layer.3.attention.self.{part}.weight": np.zeros((4, 6), bool)
        for part in ("query", "key", "value")
    }
    output = np.zeros((6, 4), bool)
    output[0, 3] = output[5, 2] = True
    masks["layer.3.attention.self.value.weight"][2] = True
    masks["layer.3.attention.output.dense.weight"] = output
    first, second = head_densities(masks, {"num_attention_heads": 2})
    assert (first.layer, first.head, first.kept) == (3, 0, 0)
    assert (second.head, second.kept, second.density) == (1, 8, 8 / 48)
    assert head_densities(masks, {"num_attention_heads": 3}) == []
    assert head_densities(masks, {}) == []


def test_empty_rows_and_columns() -> None:
    mask = np.array([[1, 0, 0], [0, 0, 0]], bool)
    found = matrix_density("layer.0.output.dense.weight", mask)
    assert (found.kept, found.empty_rows, found.empty_columns) == (1, 1, 2)
    assert found.density == 1 / 6


def test_a_histogram_loses_no_value() -> None:
    values = np.array([-1e9, -1.0, 0.25, 0.25, 3.0], np.float32)
    found = histogram([values, np.array([], np.float32)])
    assert found is not None
    assert sum(found.counts) == len(values)
    assert len(found.edges) == len(found.counts) + 1
    assert histogram([]) is None
    zeros = histogram([np.zeros(3, np.float32)])
    assert zeros is not None
    assert sum(zeros.counts) == 3


def test_a_pixel_is_as_bright_as_its_block_is_dense() -> None:
    mask = np.zeros((5, 4), bool)
    mask[:2, :2] = True  # a full block
    mask[0, 3] = True  # a quarter of one
    mask[4, 0] = True  # half of one at the edge, which has one row
    image = image_of("matrix", mask, 2)
    assert image.shades.tolist() == [[15, 4], [0, 0], [8, 0]]
    assert image_of("empty", np.zeros((4, 4), bool), 2).shades.tolist() == [[0, 0], [0, 0]]


def test_masks_of_bert_base_share_a_page() -> None:
    base = 12 * [*4 * [(768, 768)], (3072, 768), (768, 3072)]
    masks = [np.broadcast_to(np.False_, shape) for shape in base]
    assert block_for(masks, 1) == 8
    assert block_for(masks, 4) == 16
    assert block_for([np.zeros((8, 8), bool)], 1) == 1


def test_scores_are_those_of_the_masks(tmp_path: Path) -> None:
    file = tmp_path / "model.safetensors"
    name = "layer.0.output.dense.parametrizations.weight.0.scores"
    save_file({name: np.full((2, 3), 0.5, np.float32), "other": np.ones(2, np.float32)}, file)
    nothing = PackedModel({}, {}, {}, {})
    model = Opened(tmp_path, "run", file, nothing, None, {}, {}, {}, [], masked=file)
    [scores] = model.scores()
    assert scores.shape == (2, 3)
