"""From a recipe to a plain model, by the commands alone."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForSequenceClassification

from tests.cli.conftest import Command, assert_one_line, names, one_object, write
from tests.workspace import KINDS, VALIDATION_EXAMPLES, Kind, Workspace

SOFT = {"name": "soft_movement", "final_lambda": 1}


@pytest.mark.parametrize("kind", KINDS)
def test_train_evaluate_count_finalize_evaluate(
    kind: Kind, fineprune: Command, workspace: Workspace, tmp_path: Path
) -> None:
    values = workspace.recipe(kind, teacher=workspace.teacher(kind), pruning__method=SOFT)
    recipe, run, plain = write(values, tmp_path), tmp_path / "run", tmp_path / "plain"

    trained = fineprune("train", recipe, "--output", run, "training.log_every=6")
    assert trained.code == 0
    assert trained.out.startswith(f"{run}: ")
    assert "% kept" in trained.out
    assert all(line.startswith("step ") for line in trained.err.splitlines())
    assert "step 6/12  task loss " in trained.err

    evaluated = one_object(fineprune("evaluate", run, recipe, "--json").out)
    metrics = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    assert evaluated["metrics"] == pytest.approx(metrics["metrics"])
    assert evaluated["examples"] == VALIDATION_EXAMPLES
    assert evaluated["density"] == metrics["density"]

    told = fineprune("count", run).out
    assert all(len(line) <= 80 for line in told.splitlines()[1:])  # the first is the folder
    assert "layer 0 attention query" in told
    assert "layer 1 feed-forward down" in told

    counted = one_object(fineprune("count", run, "--json").out)
    matrices = counted["matrices"].values()
    assert len(matrices) == 12
    assert counted["kept"] == sum(matrix["kept"] for matrix in matrices)
    assert counted["prunable"] == sum(matrix["total"] for matrix in matrices)
    assert counted["density"] == counted["kept"] / counted["prunable"] == metrics["density"]
    rest = counted["encoder_total"] - counted["prunable"]
    assert counted["encoder_kept"] == counted["kept"] + rest
    assert counted["encoder_density"] == counted["encoder_kept"] / counted["encoder_total"]

    finalized = fineprune("finalize", run, plain)
    assert (finalized.code, finalized.err) == (0, "")
    assert f"{counted['density']:.2%}" in finalized.out
    again = one_object(fineprune("evaluate", plain, recipe, "--json").out)
    assert again["metrics"] == pytest.approx(evaluated["metrics"], rel=1e-6)
    recounted = one_object(fineprune("count", plain, "--json").out)
    for matrix in counted["matrices"].values():
        matrix["at_floor"] = False  # of what a plain model cannot know
    assert recounted == counted


def test_a_user_sees_lines_of_progress_and_nothing_else(
    workspace: Workspace, tmp_path: Path
) -> None:
    # In a process of its own, where warnings are errors and libraries are imported as they are
    # for a user.
    recipe = write(workspace.recipe(pruning__method=SOFT), tmp_path)
    code = "from fineprune.cli.main import main; main()"
    arguments = ["train", recipe, "--output", tmp_path / "run", "training.log_every=6"]
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 1
    assert [line.partition("  ")[0] for line in done.stderr.splitlines()] == [
        "step 4/12",  # an evaluation at the end of each epoch
        "step 6/12",
        "step 8/12",
        "step 12/12",
        "step 12/12",
    ]


def test_results_for_people(fineprune: Command, workspace: Workspace, tmp_path: Path) -> None:
    recipe = write(workspace.recipe(), tmp_path)
    evaluated = fineprune("evaluate", workspace.teacher(), recipe)
    assert evaluated.code == 0
    assert "accuracy" in evaluated.out
    assert "100.00% kept, 12 examples of validation" in evaluated.out
    counted = fineprune("count", workspace.teacher())
    assert counted.code == 0
    assert "layer 1 feed-forward down" in counted.out
    assert "all prunable weights" in counted.out


def test_predictions_are_written(fineprune: Command, workspace: Workspace, tmp_path: Path) -> None:
    recipe, file = write(workspace.recipe(), tmp_path), tmp_path / "answers.json"
    assert (
        fineprune("evaluate", workspace.teacher(), recipe, "--predictions", file, "--json").code
        == 0
    )
    answers = json.loads(file.read_text(encoding="utf-8"))
    assert len(answers) == VALIDATION_EXAMPLES
    assert answers[0].keys() == {"label", "score"}


def test_other_split(fineprune: Command, workspace: Workspace, tmp_path: Path) -> None:
    values = workspace.recipe(task__test=workspace.task("classification")["train"])
    recipe = write(values, tmp_path)
    found = fineprune("evaluate", workspace.teacher(), recipe, "--split", "test", "--json")
    assert one_object(found.out)["examples"] == 16
    overridden = fineprune(
        "evaluate", workspace.teacher(), recipe, "task.test=null", "--split", "test", "--json"
    )
    assert overridden.code == 2


# The original code's checkpoints.


@pytest.mark.shared
@pytest.mark.parametrize("method", ["topK", "sigmoied_threshold", "magnitude", "l0"])
def test_finalize_a_checkpoint_of_the_original_code(
    method: str, fineprune: Command, shared: Path, tmp_path: Path
) -> None:
    source = shared / "fixtures" / "emmental" / f"masked_bert_{method}"
    expected = json.loads((source / "expected_counts.json").read_text(encoding="utf-8"))
    options = ["--method", method]
    if expected["threshold"] is not None:
        options += ["--threshold", expected["threshold"]]
    found = fineprune("finalize", source, tmp_path / "plain", *options)
    assert (found.code, found.err) == (0, "")
    plain = load_file(tmp_path / "plain" / "model.safetensors")
    for name, value in load_file(source / "expected_plain_bert.safetensors").items():
        assert torch.equal(plain[name], value), name
    config = json.loads((tmp_path / "plain" / "config.json").read_text(encoding="utf-8"))
    assert config["model_type"] == "bert"
    counted = one_object(fineprune("count", source, *options, "--json").out)
    kept = {name: matrix["kept"] for name, matrix in counted["matrices"].items()}
    assert kept == expected["kept_weights_per_matrix"]
    assert counted["encoder_kept"] == expected["remaining_parameters"]
    assert counted["encoder_total"] == expected["encoder_parameters"]


@pytest.mark.shared
def test_checkpoints_of_the_original_code_carry_no_level(
    fineprune: Command, shared: Path, tmp_path: Path
) -> None:
    source = shared / "fixtures" / "emmental" / "masked_bert_topK"
    assert_one_line(fineprune, "finalize", source, tmp_path / "plain", said="give --threshold")
    assert_one_line(
        fineprune, "count", source, "--method", "topk", "--threshold", "0.1", said="'topk'"
    )
    assert names(tmp_path) == set()


# What is wrong is told on one line, and nothing is left half-written.


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["trian"], "No such command 'trian'. Did you mean 'train'?"),
        (["train"], "Missing argument 'RECIPE'. See fineprune --help."),
        (["train", "recipe.yaml"], "Missing option '--output'. See fineprune --help."),
        (["count", "folder", "--jason"], "No such option: --jason"),
        (["count"], "Missing argument 'MODEL'."),
        (["finalize", "a"], "Missing argument 'TARGET'."),
        (["finalize", "a", "b", "--threshold", "much"], "Invalid value for '--threshold'"),
        (["evaluate", "a"], "Missing argument 'RECIPE'."),
        (["count", "nowhere"], "nowhere is not a model folder"),
        (["finalize", "nowhere", "target"], "nowhere is not a model folder"),
        (["train", "nowhere.yaml", "--output", "run"], "nowhere.yaml: no such recipe"),
        (["evaluate", "nowhere", "nowhere.yaml"], "nowhere.yaml: no such recipe"),
    ],
)
def test_wrong_usage(
    arguments: list[str],
    said: str,
    fineprune: Command,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert_one_line(fineprune, *arguments, said=said)
    assert names(tmp_path) == set()


def test_without_a_command_there_is_help(fineprune: Command) -> None:
    found = fineprune()
    assert found.code == 2
    assert "Usage:" in found.out
    assert found.err == "fineprune: no command given. See fineprune --help.\n"


@pytest.mark.parametrize(
    "command",
    [[], ["train"], ["evaluate"], ["count"], ["finalize"], ["pack"], ["unpack"], ["demo"]],
)
def test_help(command: list[str], fineprune: Command) -> None:
    found = fineprune(*command, "--help")
    assert (found.code, found.err) == (0, "")
    assert "Usage:" in found.out


def test_a_recipe_that_is_wrong(fineprune: Command, workspace: Workspace, tmp_path: Path) -> None:
    recipe, run = write(workspace.recipe(), tmp_path), tmp_path / "run"
    assert_one_line(
        fineprune, "train", recipe, "--output", run, "training.epoch=3",
        said=f"{recipe}: training.epoch: unknown key; did you mean epochs?",
    )  # fmt: skip
    assert_one_line(
        fineprune, "train", recipe, "--output", run, "training.epochs",
        said="'training.epochs': expected key=value",
    )  # fmt: skip
    assert not run.exists()


def test_data_that_are_wrong(fineprune: Command, workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "train.tsv").write_text("text\tlabel\nw1 [bold]\tunheard\x1b of\n")
    recipe = write(workspace.recipe(task__validation=str(tmp_path / "train.tsv")), tmp_path)
    assert_one_line(fineprune, "train", recipe, "--output", tmp_path / "run", said="is unknown")
    assert not (tmp_path / "run").exists()


def test_a_folder_that_is_taken(fineprune: Command, workspace: Workspace, tmp_path: Path) -> None:
    recipe = write(workspace.recipe(), tmp_path)
    before = names(tmp_path)
    assert_one_line(fineprune, "train", recipe, "--output", tmp_path, said="is not empty")
    assert_one_line(fineprune, "finalize", workspace.teacher(), tmp_path, said="is not empty")
    assert names(tmp_path) == before


def test_nothing_to_finalize(fineprune: Command, workspace: Workspace, tmp_path: Path) -> None:
    target = tmp_path / "plain"
    assert_one_line(
        fineprune, "finalize", workspace.teacher(), target, said="is a plain model already"
    )
    assert_one_line(
        fineprune, "finalize", workspace.teacher(), target, "--threshold", "0.1",
        said="leave --method and --threshold out",
    )  # fmt: skip
    assert names(tmp_path) == set()


def test_a_model_of_another_task(fineprune: Command, workspace: Workspace, tmp_path: Path) -> None:
    recipe = write(workspace.recipe("regression"), tmp_path)
    assert_one_line(
        fineprune, "evaluate", workspace.teacher(), recipe, "--json", said="has 3 outputs"
    )


def test_a_file_that_cannot_be_written(
    fineprune: Command, workspace: Workspace, tmp_path: Path
) -> None:
    recipe = write(workspace.recipe(), tmp_path)
    file = tmp_path / "nowhere" / "answers.json"
    found = fineprune("evaluate", workspace.teacher(), recipe, "--predictions", file)
    assert found.code == 2
    [line] = found.err.splitlines()
    said = f"cannot be written: there is no folder {file.parent}; make it first"
    assert line == f"fineprune: {file} {said}"


def test_finalized_folder_is_an_ordinary_one(
    fineprune: Command, workspace: Workspace, tmp_path: Path
) -> None:
    recipe = write(workspace.recipe(pruning__method=SOFT), tmp_path)
    assert fineprune("train", recipe, "--output", tmp_path / "run", "training.epochs=1").code == 0
    assert fineprune("finalize", tmp_path / "run", tmp_path / "new" / "plain").code == 0
    assert names(tmp_path / "new") == {"plain"}
    assert names(tmp_path / "new" / "plain") == {
        "README.md",
        "config.json",
        "metrics.json",
        "model.safetensors",
        "recipe.yaml",
        "tokenizer.json",
        "tokenizer_config.json",
    }
    _, report = AutoModelForSequenceClassification.from_pretrained(
        tmp_path / "new" / "plain", output_loading_info=True
    )
    assert not any(report.values())
