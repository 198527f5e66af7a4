"""Runs from recipe to folder: what they leave behind, and what stops them at the start."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from fineprune.errors import FinepruneError, TrainingError
from fineprune.pruning.checkpoint import load_model
from fineprune.pruning.counts import count
from fineprune.pruning.finalize import finalize_folder
from fineprune.training import run as run_module
from fineprune.training.recipe import parse_recipe, read_recipe
from fineprune.training.run import run
from fineprune.training.run_folder import RunMetrics
from tests.workspace import (
    LABELS,
    VALIDATION_EXAMPLES,
    WORDS,
    Kind,
    Workspace,
    make_model,
    make_tokenizer,
)

SOFT = {"name": "soft_movement", "final_lambda": 1}


def train(values: dict[str, Any], output: Path, **options: Any) -> RunMetrics:
    return run(parse_recipe(values, "test"), output, **options)


METRICS: dict[Kind, set[str]] = {
    "classification": {"accuracy", "macro_f1"},
    "regression": {"pearson", "spearman", "mse"},
    "multi-label": {
        "macro_f1",
        "micro_f1",
        "ranking_average_precision",
        *(f"f1_{label}" for label in LABELS),
    },
    "reranking": {"ndcg@10", "mrr@10", "accuracy@1"},
    "token-classification": {"f1", "precision", "recall", "f1_first", "f1_second"},
    "question-answering": {"exact_match", "f1"},
}


@pytest.mark.parametrize("kind", METRICS)
def test_what_a_run_leaves_behind(kind: Kind, workspace: Workspace, tmp_path: Path) -> None:
    values = workspace.recipe(
        kind,
        teacher=workspace.teacher(kind),
        distillation={"temperature": 3},
        pruning__method=SOFT,
    )
    output = tmp_path / "run"
    result = train(values, output)
    assert {path.name for path in output.iterdir()} == {
        "checkpoint-8",
        "checkpoint-12",
        "config.json",
        "metrics.json",
        "model.safetensors",
        "predictions.json",
        "recipe.yaml",
        "tokenizer.json",
        "tokenizer_config.json",
        "trainer_state.json",
        "training_args.bin",
    }
    log = json.loads((output / "trainer_state.json").read_text(encoding="utf-8"))["log_history"]
    assert [logs["density"] for logs in log if "task_loss" in logs][-1] == result.density
    written = json.loads((output / "metrics.json").read_text(encoding="utf-8"))
    assert written == vars(result)
    assert result.metrics.keys() == METRICS[kind]
    assert (result.examples, result.steps) == (VALIDATION_EXAMPLES, 12)
    assert result.level == 0.1
    model = load_model(output)
    assert count(model).density == result.density < 1
    predictions = json.loads((output / "predictions.json").read_text(encoding="utf-8"))
    # Of rerankers, one of each query, which have three documents.
    assert len(predictions) == VALIDATION_EXAMPLES // (3 if kind == "reranking" else 1)
    written_recipe = read_recipe(output / "recipe.yaml")
    assert written_recipe.training.precision in ("float32", "bfloat16")
    assert written_recipe.with_precision("auto") == parse_recipe(values, "test")


def test_a_dense_run(workspace: Workspace, tmp_path: Path) -> None:
    result = train(workspace.recipe(training__epochs=1), tmp_path / "run")
    assert (result.density, result.level, result.steps) == (1.0, None, 4)


def test_without_validation_data_there_are_no_metrics(workspace: Workspace, tmp_path: Path) -> None:
    values = workspace.recipe(training__epochs=0.5)
    del values["task"]["validation"]
    result = train(values, tmp_path / "run")
    assert (result.metrics, result.examples, result.steps) == ({}, 0, 2)
    assert not (tmp_path / "run" / "predictions.json").exists()


def test_frozen_embeddings_stay_and_all_else_moves(workspace: Workspace, tmp_path: Path) -> None:
    values = workspace.recipe(training__epochs=1, training__freeze_embeddings=True)
    train(values, tmp_path / "run")
    before = load_file(workspace.folder / "encoder" / "model.safetensors")
    after = load_file(tmp_path / "run" / "model.safetensors")
    same = {name for name, value in before.items() if torch.equal(value, after[f"bert.{name}"])}
    assert same == {
        f"embeddings.{name}_embeddings.weight" for name in ("word", "position", "token_type")
    }


def test_dropout_of_the_recipe_is_that_of_the_run(workspace: Workspace, tmp_path: Path) -> None:
    losses = []
    for name, changes in {"own": {}, "none": {"dropout": 0.0}, "again": {"dropout": 0.0}}.items():
        values = workspace.recipe(training__max_steps=1, training__log_every=1)
        values["training"] |= {"precision": "float32", **changes}
        train(values, tmp_path / name)
        state = json.loads((tmp_path / name / "trainer_state.json").read_text(encoding="utf-8"))
        losses.append(next(line["loss"] for line in state["log_history"] if "loss" in line))
        kept = json.loads((tmp_path / name / "config.json").read_text(encoding="utf-8"))
        assert kept["hidden_dropout_prob"] == 0.1
    assert losses[1] == losses[2] != losses[0]


def test_notes_on_the_data_are_told(workspace: Workspace, tmp_path: Path) -> None:
    text = Path(workspace.task("classification")["train"]).read_text(encoding="utf-8")
    (tmp_path / "train.tsv").write_text(text + "w1 w2\tfourth\n", encoding="utf-8")
    told: list[str] = []
    values = workspace.recipe(
        training__max_steps=1,
        task__train=str(tmp_path / "train.tsv"),
        task__labels=["first", "second", "third"],
        task__broken_rows="drop",
    )
    train(values, tmp_path / "run", say=told.append)
    assert len(told) == 1
    assert "train.tsv: broken rows left out: 1" in told[0]


def test_tensorboard(workspace: Workspace, tmp_path: Path) -> None:
    output = tmp_path / "run"
    values = workspace.recipe(
        pruning__method=SOFT, training__report_to=["tensorboard"], training__log_every=2
    )
    train(values, output)
    [events] = output.rglob("events.out.tfevents*")
    accumulator = EventAccumulator(str(events))
    accumulator.Reload()
    scalars = set(accumulator.Tags()["scalars"])
    densities = {f"train/density/{name}" for name in count(load_model(output)).matrices}
    assert len(densities) == 12
    assert scalars >= densities | {
        "train/loss",
        "train/level",
        "train/density",
        "train/penalty",
        "train/penalty_weight",
        "train/learning_rate",
        "train/score_learning_rate",
        "eval/accuracy",
        "eval/level",
        "eval/density",
    }
    steps = [event.step for event in accumulator.Scalars(sorted(densities)[0])]
    assert steps == [2, 4, 6, 8, 10, 12]


# What stops a run before it begins: one line, and no folder.

Change = Callable[[Workspace, Path], dict[str, Any]]


def missing_data(workspace: Workspace, folder: Path) -> dict[str, Any]:
    return workspace.recipe(task__train=str(folder / "nowhere.tsv"))


def empty_data(workspace: Workspace, folder: Path) -> dict[str, Any]:
    (folder / "empty.tsv").write_text("text\tlabel\n", encoding="utf-8")
    return workspace.recipe(task__train=str(folder / "empty.tsv"))


def unknown_model(workspace: Workspace, folder: Path) -> dict[str, Any]:
    return workspace.recipe(model=str(folder / "no-model"))


def unknown_package(workspace: Workspace, folder: Path) -> dict[str, Any]:
    return workspace.recipe(model="package:no_such_package/model")


def teacher_of_another_task(workspace: Workspace, folder: Path) -> dict[str, Any]:
    return workspace.recipe(teacher=workspace.teacher("question-answering"))


def teacher_with_other_outputs(workspace: Workspace, folder: Path) -> dict[str, Any]:
    return workspace.recipe(teacher=workspace.teacher("regression"))


def teacher_without_a_head(workspace: Workspace, folder: Path) -> dict[str, Any]:
    return workspace.recipe(teacher=str(workspace.folder / "encoder"))


def teacher_of_other_tokens(workspace: Workspace, folder: Path) -> dict[str, Any]:
    make_model().save_pretrained(folder / "teacher")
    make_tokenizer(reversed(WORDS)).save_pretrained(folder / "teacher")
    return workspace.recipe(teacher=str(folder / "teacher"))


def teacher_without_a_tokenizer(workspace: Workspace, folder: Path) -> dict[str, Any]:
    make_model().save_pretrained(folder / "teacher")
    return workspace.recipe(teacher=str(folder / "teacher"))


def schedule_too_short(workspace: Workspace, folder: Path) -> dict[str, Any]:
    return workspace.recipe(pruning={"method": SOFT, "schedule": {"warmup_steps": 4}})


def penalty_schedule_too_short(workspace: Workspace, folder: Path) -> dict[str, Any]:
    return workspace.recipe(pruning={"method": SOFT, "penalty_schedule": {"warmup_steps": 4}})


def pattern_that_matches_nothing(workspace: Workspace, folder: Path) -> dict[str, Any]:
    return workspace.recipe(pruning={"method": SOFT, "exclude": ["no.such.layer"]})


def unknown_tracker(workspace: Workspace, folder: Path) -> dict[str, Any]:
    return workspace.recipe(training__report_to=["abacus"])


def batch_that_cannot_be_shared(workspace: Workspace, folder: Path) -> dict[str, Any]:
    return workspace.recipe(training__accumulation=3)


def float16_without_a_gpu(workspace: Workspace, folder: Path) -> dict[str, Any]:
    if torch.accelerator.is_available():
        pytest.skip("there is a GPU")
    return workspace.recipe(training__precision="float16")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (missing_data, "nowhere.tsv"),
        (empty_data, "empty.tsv"),
        (unknown_model, "no-model: no tokenizer could be loaded"),
        (unknown_package, "the Python package no_such_package is not installed"),
        (teacher_of_another_task, "is a BertForQuestionAnswering"),
        (teacher_with_other_outputs, "predicts 1 labels"),
        (teacher_without_a_head, "is a BertModel"),
        (teacher_of_other_tokens, "reads other tokens than the model"),
        (teacher_without_a_tokenizer, "teacher: no tokenizer could be loaded"),
        (schedule_too_short, "pruning.schedule.warmup_steps=4: the run has 12 steps"),
        (penalty_schedule_too_short, "pruning.penalty_schedule.warmup_steps=4: the run has 12"),
        (pattern_that_matches_nothing, "'no.such.layer' matches no linear layer"),
        (unknown_tracker, "training.report_to: no tracker 'abacus' is installed"),
        (batch_that_cannot_be_shared, "training.batch_size: 4 cannot be shared"),
        (float16_without_a_gpu, "training.precision: float16 needs a GPU"),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_a_run_that_cannot_start(
    change: Change, said: str, workspace: Workspace, tmp_path: Path
) -> None:
    values = change(workspace, tmp_path)
    with pytest.raises(FinepruneError) as caught:
        train(values, tmp_path / "run")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_schedules_are_checked_before_the_model_is_loaded(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("the model was loaded")

    monkeypatch.setattr(run_module, "load_with_head", refuse)
    monkeypatch.setattr(run_module, "load_teacher", refuse)
    with pytest.raises(TrainingError, match="warm-ups take 18"):
        train(schedule_too_short(workspace, tmp_path), tmp_path / "run")


@pytest.mark.parametrize("name", ["notes.txt", ".hidden"])
def test_a_folder_that_is_not_empty_is_left_alone(
    name: str, workspace: Workspace, tmp_path: Path
) -> None:
    (tmp_path / name).write_text("mine", encoding="utf-8")
    with pytest.raises(TrainingError, match="is not empty"):
        train(workspace.recipe(), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_file_in_the_place_of_the_folder(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "run").write_text("mine", encoding="utf-8")
    with pytest.raises(TrainingError, match="is not empty"):
        train(workspace.recipe(), tmp_path / "run")


def test_an_empty_folder_is_used(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    train(workspace.recipe(training__max_steps=1), tmp_path / "run")
    assert (tmp_path / "run" / "metrics.json").is_file()


def test_a_run_that_diverges_leaves_no_model(workspace: Workspace, tmp_path: Path) -> None:
    output = tmp_path / "run"
    with pytest.raises(TrainingError, match="step 2: the loss is not finite"):
        train(workspace.recipe(training__learning_rate=1e38, training__warmup_steps=0), output)
    assert {path.name for path in output.iterdir()} == {"recipe.yaml"}


# A run that is pruned to a density, by the commands' own parts.


def without_padding(workspace: Workspace, folder: Path) -> Path:
    """The workspace's encoder, with a tokenizer that has no padding token."""
    encoder = folder / "unpadded"
    encoder.mkdir()
    for file in (workspace.folder / "encoder").iterdir():
        (encoder / file.name).write_bytes(file.read_bytes())
    path = encoder / "tokenizer_config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    del config["pad_token"]
    path.write_text(json.dumps(config), encoding="utf-8")
    return encoder


@pytest.mark.parametrize("kind", ["classification", "question-answering"])
@pytest.mark.parametrize("precision", ["auto", "float32"])
def test_a_tokenizer_without_a_padding_token(
    kind: Kind, precision: str, workspace: Workspace, tmp_path: Path
) -> None:
    values = workspace.recipe(
        kind, model=str(without_padding(workspace, tmp_path)), training__precision=precision
    )
    with pytest.raises(FinepruneError, match="padding token") as caught:
        train(values, tmp_path / "run")
    message = str(caught.value)
    assert "\n" not in message
    assert "pad_token" in message, "how to set one"
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("pruned", [False, True])
def test_questions_from_an_encoder_with_three_labels(
    pruned: bool, workspace: Workspace, tmp_path: Path
) -> None:
    # That of a classifier, such as one that was trained on MNLI first.
    values = workspace.recipe("question-answering", model=workspace.teacher("classification"))
    if pruned:
        values["pruning"] = {"method": {"name": "magnitude", "keep": 0.5}}
    train(values, tmp_path / "run")
    model = load_model(tmp_path / "run")
    assert model.get_submodule("qa_outputs").weight.shape == (2, 16)
    assert model.config.num_labels == 2


@pytest.mark.parametrize("name", ["fisher", "magnitude", "movement", "soft_movement", "l0"])
def test_a_density_that_is_asked_for_is_what_a_run_ends_with(
    name: str, workspace: Workspace, tmp_path: Path
) -> None:
    values = workspace.recipe(
        pruning__method={"name": name, "keep": 0.05}, pruning__freeze_after=0.5
    )
    result = train(values, tmp_path / "run")
    weights = sum(2 * [*4 * [16 * 16], *2 * [16 * 24]])
    matrices = 12 if name in ("magnitude", "movement") else 1  # each rounds down by itself
    assert 0.05 - matrices / weights <= result.density <= 0.05
    assert count(load_model(tmp_path / "run")).density == result.density
    recipe = read_recipe(tmp_path / "run" / "recipe.yaml")
    assert recipe.pruning is not None
    assert recipe.pruning.freeze_after == 0.5
    assert recipe.pruning.method.final_level.value == 0.05


def test_teachers_are_asked_once_for_all_runs_beside_each_other(
    workspace: Workspace, tmp_path: Path
) -> None:
    for name, seed in (("one", 1), ("two", 2)):
        values = workspace.recipe(
            teacher=workspace.teacher(), training__seed=seed, training__precision="float32"
        )
        train(values, tmp_path / "runs" / name)
        [file] = (tmp_path / "runs" / "teacher-logits").iterdir()
        if name == "one":
            file.write_bytes(file.read_bytes())  # a new time, and the same content
            before = file.stat().st_mtime_ns
    assert file.stat().st_mtime_ns == before
    assert not (tmp_path / "runs" / "one" / "teacher-logits").exists()


def test_a_pruned_model_learns_another_task_with_the_same_zeros(
    workspace: Workspace, tmp_path: Path
) -> None:
    method = {"name": "magnitude", "keep": 0.3}
    train(workspace.recipe(pruning__method=method), tmp_path / "first")
    finalize_folder(tmp_path / "first", tmp_path / "plain")
    values = workspace.recipe(
        "regression", model=str(tmp_path / "plain"), pruning__method={"name": "locked"}
    )
    result = train(values, tmp_path / "second")
    finalize_folder(tmp_path / "second", tmp_path / "again")
    before, after = (
        load_file(tmp_path / name / "model.safetensors") for name in ("plain", "again")
    )
    pruned = [name for name in before if ".layer." in name and before[name].ndim == 2]
    assert len(pruned) == 12
    for name in pruned:
        assert torch.equal(before[name] == 0, after[name] == 0), name
        assert not torch.equal(before[name], after[name]), name
    assert result.density == pytest.approx(count(load_model(tmp_path / "plain")).density)


def test_locked_without_zeros(workspace: Workspace, tmp_path: Path) -> None:
    with pytest.raises(FinepruneError, match="locked keeps the zeros"):
        train(workspace.recipe(pruning__method={"name": "locked"}), tmp_path / "run")
    assert not (tmp_path / "run").exists()
