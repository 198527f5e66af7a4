"""What a recipe may say, and the one line for all that it may not."""

from pathlib import Path
from typing import Any

import pytest

from fineprune.errors import RecipeError
from fineprune.pruning import Movement, SoftMovement
from fineprune.pruning.schedule import PruningSchedule
from fineprune.training import Distillation
from fineprune.training.recipe import Recipe, parse_recipe, read_recipe

SMALLEST = """
model: some/model
task: {kind: question-answering, train: train.json}
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "recipe.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def values(**sections: Any) -> dict[str, Any]:
    return {
        "model": "some/model",
        "task": {"kind": "question-answering", "train": "train.json"},
        **sections,
    }


def complaint(**sections: Any) -> str:
    """What is said of a recipe that is wrong."""
    with pytest.raises(RecipeError) as caught:
        parse_recipe(values(**sections), "recipe.yaml")
    message = str(caught.value)
    assert message.startswith("recipe.yaml: ")
    assert "\n" not in message
    return message.removeprefix("recipe.yaml: ")


def pruning(**settings: Any) -> dict[str, Any]:
    return {"method": {"name": "movement"}, **settings}


def test_a_recipe_in_full(tmp_path: Path) -> None:
    recipe = read_recipe(
        write(
            tmp_path,
            """
            model: google-bert/bert-base-uncased
            teacher: runs/dense
            task:
              kind: question-answering
              train: {path: train.json, articles: "0:38"}
              validation: dev.json
              max_length: 256
            pruning:
              method: {name: soft_movement, final_lambda: 400, cut: 1e-1}
              schedule: {warmup_steps: 5400, initial_warmup: 1, final_warmup: 2}
              penalty_schedule: {warmup_steps: 1e-1}
              exclude: ["*.query"]
            distillation: {temperature: 2, alpha_ce: 0.1, alpha_kd: 0.9}
            training: {epochs: 10, learning_rate: 3e-5, score_learning_rate: 1e-2, seed: 7}
            """,
        )
    )
    assert recipe.model == "google-bert/bert-base-uncased"
    assert recipe.pruning is not None
    assert recipe.pruning.method == SoftMovement(final_lambda=400.0, cut=0.1)
    assert recipe.pruning.schedule == PruningSchedule(5400, 1, 2)
    assert recipe.pruning.penalty_schedule == PruningSchedule(warmup_steps=0.1)
    assert recipe.pruning.exclude == ("*.query",)
    assert recipe.distillation == Distillation(temperature=2.0)
    training = recipe.training
    # YAML reads numbers such as 3e-5, which have no point, as text.
    assert (training.learning_rate, training.score_learning_rate) == (3e-5, 1e-2)
    assert (training.epochs, training.seed) == (10, 7)


def test_defaults(tmp_path: Path) -> None:
    recipe = read_recipe(write(tmp_path, SMALLEST))
    assert recipe.pruning is None
    assert recipe.teacher is None
    assert recipe.training.seed == 92  # the paper's


@pytest.mark.parametrize("name", ["topK", "sigmoied_threshold", "global_topK"])
def test_names_of_the_original_code(name: str) -> None:
    method = {"name": name, **({"final_lambda": 3} if "threshold" in name else {})}
    recipe = parse_recipe(values(pruning={"method": method}), "test")
    assert recipe.pruning is not None
    assert isinstance(recipe.pruning.method, Movement | SoftMovement)


# Keys.


@pytest.mark.parametrize(
    ("sections", "said"),
    [
        ({"modle": "x"}, "modle: unknown key; did you mean model?"),
        ({"training": {"epoch": 3}}, "training.epoch: unknown key; did you mean epochs?"),
        ({"training": {"zzz": 3}}, "training.zzz: unknown key (known here: epochs, max_steps,"),
        (
            {"pruning": pruning(schedule={"warmup": 3})},
            "pruning.schedule.warmup: unknown key; did you mean warmup_steps?",
        ),
        ({"distillation": {"alpha": 1}, "teacher": "x"}, "distillation.alpha: unknown key"),
        (
            {"task": {"kind": "question-answering", "trian": "x"}},
            "task.trian: unknown key; did you mean train?",
        ),
        (
            {
                "task": {
                    "kind": "text-classification",
                    "text": "a",
                    "label": "b",
                    "train": [{"path": "x", "splt": "y"}],
                }
            },
            "task.train.0.splt: unknown key; did you mean split?",
        ),
        (
            {"pruning": {"method": {"name": "movement", "kep": 1}}},
            "pruning.method: kep: movement has no such setting; it takes keep, scope, ",
        ),
    ],
)
def test_unknown_key(sections: dict[str, Any], said: str) -> None:
    assert complaint(**sections).startswith(said)


def test_key_that_is_no_text() -> None:
    assert complaint(task={"kind": "question-answering", 5: 6}) == (
        "task.5: keys should be strings, found 5"
    )


@pytest.mark.parametrize(
    ("given", "key"), [({"task": {}}, "model"), ({"model": "x"}, "task"), ({}, "model")]
)
def test_missing_key(given: dict[str, Any], key: str) -> None:
    with pytest.raises(RecipeError, match=rf"^recipe\.yaml: {key}: missing; a recipe needs it$"):
        parse_recipe(given, "recipe.yaml")


# Values.


KINDS = (
    "'question-answering', 'reranking', 'sentence-embedding', 'text-classification', "
    "'token-classification'"
)


@pytest.mark.parametrize(
    ("sections", "said"),
    [
        ({"model": 3}, "model: input should be a valid string, found 3"),
        ({"model": ""}, "model: string should have at least 1 character, found ''"),
        ({"training": 5}, "training: expected a mapping of keys to values, found 5"),
        ({"training": None}, "training: expected a mapping of keys to values, found None"),
        ({"pruning": ["movement"]}, "pruning: expected a mapping of keys to values, found ['mov"),
        ({"task": None}, "task: expected a mapping of keys to values, found None"),
        (
            {"task": {"train": "x"}},
            f"task.kind: expected one of {KINDS}, found None",
        ),
        (
            {"task": {"kind": "translation"}},
            f"task.kind: expected one of {KINDS}, found 'trans",
        ),
        ({"pruning": {"method": "movement"}}, "pruning.method: expected a mapping such as {name: "),
        ({"pruning": {}}, "pruning.method: missing; a recipe needs it"),
        ({"pruning": {"method": {}}}, "pruning.method: name: no method is called None; choose one"),
        (
            {"pruning": {"method": {"name": "random"}}},
            "pruning.method: name: no method is called 'random'; choose one of fisher, magnitude, ",
        ),
        (
            {"pruning": {"method": {"name": "soft_movement"}}},
            "pruning.method: soft_movement takes exactly one of keep (the fraction of weights to "
            "keep) and final_lambda (the weight of the paper's penalty); found neither",
        ),
        (
            {"pruning": {"method": {"name": "l0", "keep": 0.1, "final_lambda": 4}}},
            "pruning.method: l0 takes exactly one of keep (the fraction of weights to keep) and "
            "final_lambda (the weight of the paper's penalty); found both",
        ),
        (
            {"pruning": {"method": {"name": "soft_movement", "keep": 0.1, "final_lambda": 4}}},
            "pruning.method: soft_movement takes exactly one of keep (the fraction of weights to "
            "keep) and final_lambda (the weight of the paper's penalty); found both",
        ),
        (
            {"pruning": pruning(freeze_after=1.5)},
            "pruning.freeze_after: input should be less than or equal to 1, found 1.5",
        ),
        (
            {"pruning": pruning(freeze_after="late")},
            "pruning.freeze_after: input should be a valid number, unable to parse string as a "
            "number, found 'late'",
        ),
        (
            {"pruning": {"method": {"name": "magnitude", "keep": 10}}},
            "pruning.method: keep must be above 0 and at most 1, found 10",
        ),
        (
            {"pruning": {"method": {"name": "magnitude", "keep": "a lot"}}},
            "pruning.method: keep: expected a finite number, found 'a lot'",
        ),
        ({"pruning": pruning(include="*.dense")}, "pruning.include: expected a list, found '*.de"),
        (
            {"pruning": pruning(schedule={"warmup_steps": 0})},
            "pruning.schedule.warmup_steps: input should be greater than 0, found 0",
        ),
        (
            {"distillation": {}},
            "distillation needs a teacher: a run, a folder or a hub name",
        ),
        (
            {"distillation": {"temperature": -1}, "teacher": "x"},
            "distillation.temperature: input should be greater than 0, found -1",
        ),
    ],
)
def test_impossible_section(sections: dict[str, Any], said: str) -> None:
    assert complaint(**sections).startswith(said)


@pytest.mark.parametrize(
    ("key", "value", "allowed"),
    [
        ("epochs", 0, "greater than 0"),
        ("epochs", "three", "a valid number"),
        ("epochs", float("inf"), "a finite number"),
        ("epochs", True, "expected a number"),
        ("max_steps", 0, "greater than or equal to 1"),
        ("batch_size", 2.5, "a valid integer"),
        ("batch_size", False, "expected a number"),
        ("accumulation", -1, "greater than or equal to 1"),
        ("learning_rate", -1e-5, "greater than or equal to 0"),
        ("learning_rate", float("nan"), "a finite number"),
        ("score_learning_rate", [1e-2], "a valid number"),
        ("adam_epsilon", 0.0, "greater than 0"),
        ("freeze_embeddings", "maybe", "a valid boolean"),
        ("dropout", 1.0, "less than 1"),
        ("precision", "int8", "'auto', 'float32', 'bfloat16' or 'float16'"),
        ("precision", 16, "'auto', 'float32', 'bfloat16' or 'float16'"),
        ("seed", -1, "greater than or equal to 0"),
        ("seed", 2**32, "less than 4294967296"),
        ("evaluate_every", 0, "a number of steps, 'epoch' or 'never'"),
        ("evaluate_every", True, "a number of steps, 'epoch' or 'never'"),
        ("save_every", "step", "a number of steps, 'epoch' or 'never'"),
        ("save_every", {}, "a number of steps, 'epoch' or 'never'"),
        ("keep_checkpoints", 1, "greater than or equal to 2"),
        ("log_every", "often", "a valid integer"),
        ("report_to", "tensorboard", "expected a list"),
    ],
)
def test_impossible_value_of_training(key: str, value: Any, allowed: str) -> None:
    said = complaint(training={key: value})
    assert said.startswith(f"training.{key}: ")
    assert allowed in said
    assert value == {} or said.endswith(f"found {value!r}")


def test_only_the_start_of_a_long_value_is_told() -> None:
    assert len(complaint(training={"epochs": "x" * 10_000})) < 200


@pytest.mark.parametrize("key", ["schedule", "penalty_schedule"])
def test_schedule_too_short_for_the_steps_given(key: str) -> None:
    # (0.5 + 4) * 100 steps of warm-up leave nothing of 450.
    section = pruning(**{key: {"warmup_steps": 100}})
    assert parse_recipe(values(pruning=section, training={"max_steps": 451}), "test")
    assert complaint(pruning=section, training={"max_steps": 450}) == (
        f"pruning.{key}.warmup_steps=100: the run has 450 steps, and (0.5 + 4) warm-ups take 450; "
        "more steps than that are needed: train longer or warm up less"
    )


def test_a_run_without_steps_given_is_checked_once_its_data_are_known() -> None:
    recipe = parse_recipe(values(pruning=pruning(schedule={"warmup_steps": 5400})), "test")
    recipe.check_schedules(24_301)
    with pytest.raises(Exception, match=r"pruning\.schedule\.warmup_steps=5400"):
        recipe.check_schedules(24_300)


# Files.


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "expected sections such as model, task and training, found NoneType"),
        (b"- model", "expected sections such as model, task and training, found list"),
        (b"model: [", "not YAML: "),
        (b"model: !!python/object:os.system x", "not YAML: "),
        (b"\xff\xfe\x00", "not YAML: "),
    ],
)
def test_file_that_is_no_recipe(content: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_bytes(content)
    with pytest.raises(RecipeError) as caught:
        read_recipe(path)
    assert str(caught.value).startswith(f"{path}: {said}")
    assert "\n" not in str(caught.value)


def test_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="no such recipe; recipes/ holds some to start from"):
        read_recipe(tmp_path / "nowhere.yaml")
    with pytest.raises(RecipeError, match="cannot be read"):
        read_recipe(tmp_path)


# Overrides.


def overridden(folder: Path, *overrides: str) -> Recipe:
    return read_recipe(write(folder, SMALLEST), overrides)


def test_overrides_by_dotted_path(tmp_path: Path) -> None:
    recipe = overridden(
        tmp_path,
        "model=other/model",
        "training.epochs=5",
        "training.learning_rate=1e-4",
        "training.report_to=[]",
        "task.train={path: other.json, articles: '0:3'}",
    )
    assert recipe.model == "other/model"
    assert (recipe.training.epochs, recipe.training.learning_rate) == (5, 1e-4)
    assert recipe.training.report_to == ()
    assert recipe.task.train.path == "other.json"  # type: ignore[union-attr]


def test_overrides_make_sections(tmp_path: Path) -> None:
    recipe = overridden(
        tmp_path,
        "pruning.method={name: magnitude, keep: 0.05}",
        "pruning.schedule.final_warmup=3",
        "teacher=some/teacher",
        "distillation.temperature=4",
    )
    assert recipe.pruning is not None
    assert recipe.pruning.schedule.final_warmup == 3
    assert recipe.distillation == Distillation(temperature=4.0)


def test_overrides_take_sections_away(tmp_path: Path) -> None:
    overrides = ["teacher=x", "distillation={}", "teacher=null", "distillation=null"]
    recipe = overridden(tmp_path, *overrides)
    assert (recipe.teacher, recipe.distillation) == (None, None)


def test_the_last_override_counts(tmp_path: Path) -> None:
    assert overridden(tmp_path, "model=a", "model=b=c").model == "b=c"


@pytest.mark.parametrize(
    "override", ["training.epochs", "=3", ".epochs=3", "training.=3", "a..b=1", ""]
)
def test_override_that_is_no_override(override: str, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"expected key=value, such as training\.epochs=3"):
        overridden(tmp_path, override)


def test_override_below_a_value(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"model is 'some/model', which has no keys"):
        overridden(tmp_path, "model.name=x")


def test_override_that_is_not_yaml(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"'training.epochs=\[': '\[' is not a YAML value"):
        overridden(tmp_path, "training.epochs=[")


def test_override_of_an_unknown_key(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"training\.epoch: unknown key; did you mean epochs"):
        overridden(tmp_path, "training.epoch=3")
