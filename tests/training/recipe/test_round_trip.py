"""A resolved recipe, written and read back, is the recipe."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from fineprune.training.recipe import Recipe, parse_recipe, read_recipe, resolved, write_recipe

positive = st.floats(1e-9, 1e9)
not_negative = st.just(0.0) | positive
count = st.integers(1, 10**9)
name = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8)
interval = st.sampled_from(["epoch", "never"]) | count

# Without an end to the run, no schedule is too long for it.
training = st.fixed_dictionaries(
    {},
    optional={
        "epochs": positive,
        "batch_size": count,
        "accumulation": count,
        "learning_rate": not_negative,
        "score_learning_rate": not_negative,
        "warmup_steps": not_negative,
        "weight_decay": not_negative,
        "adam_epsilon": positive,
        "max_grad_norm": not_negative,
        "group_by_length": st.booleans(),
        "freeze_embeddings": st.booleans(),
        "dropout": st.floats(0, 1, exclude_max=True),
        "precision": st.sampled_from(["float32", "bfloat16", "float16"]),
        "seed": st.integers(0, 2**32 - 1),
        "evaluate_every": interval,
        "save_every": interval,
        "keep_checkpoints": st.integers(2, 100),
        "report_to": st.lists(name, max_size=2),
    },
)
schedule = st.fixed_dictionaries(
    {},
    optional={
        "warmup_steps": positive,
        "initial_warmup": not_negative,
        "final_warmup": not_negative,
    },
)
fraction = st.floats(0, 1, exclude_min=True)
inside = st.floats(0, 1, exclude_min=True, exclude_max=True)
score = st.floats(-100, 100)
method = st.one_of(
    st.fixed_dictionaries(
        {"name": st.sampled_from(["magnitude", "movement", "topK", "global_topK"])},
        optional={"keep": fraction},
    ),
    st.fixed_dictionaries(
        {
            "name": st.sampled_from(["soft_movement", "sigmoied_threshold"]),
            "final_lambda": not_negative,
        },
        optional={"cut": inside, "floor": inside, "initial_score": score},
    ),
    st.fixed_dictionaries(
        {"name": st.just("threshold")}, optional={"cut": score, "initial_cut": score}
    ),
    st.fixed_dictionaries(
        {"name": st.just("l0"), "final_lambda": not_negative}, optional={"initial_score": score}
    ),
)
pruning = st.fixed_dictionaries(
    {"method": method},
    optional={
        "schedule": schedule,
        "penalty_schedule": st.none() | schedule,
        "include": st.lists(name, max_size=2),
        "exclude": st.lists(name, max_size=2),
    },
)
questions = st.fixed_dictionaries(
    {"kind": st.just("question-answering")},
    optional={
        "train": name,
        "validation": name | st.fixed_dictionaries({"path": name}),
        "max_length": st.integers(200, 400),
        "stride": st.integers(0, 199),
        "n_best": count,
    },
)
texts = st.fixed_dictionaries(
    {
        "kind": st.just("text-classification"),
        "train": name | st.lists(name | st.fixed_dictionaries({"path": name}), min_size=1),
        "text": st.just("text") | st.just(["text", "pair"]),
        "label": st.just("label"),
    },
    optional={
        "labels": st.lists(name, min_size=2, max_size=3, unique=True),
        "validation": name | st.dictionaries(st.sampled_from(["a", "b"]), name, min_size=1),
        "max_length": st.integers(1, 400),
        "broken_rows": st.sampled_from(["refuse", "drop"]),
    },
)
distillation = st.fixed_dictionaries(
    {}, optional={"temperature": positive, "alpha_ce": not_negative, "alpha_kd": not_negative}
)


@st.composite
def recipes(draw: st.DrawFn) -> Recipe:
    values: dict[str, Any] = {"model": draw(name), "task": draw(questions | texts)}
    for key, strategy in {"training": training, "pruning": pruning}.items():
        if draw(st.booleans()):
            values[key] = draw(strategy)
    if draw(st.booleans()):
        values |= {"teacher": draw(name), "distillation": draw(st.none() | distillation)}
    return parse_recipe(values, "test")


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("recipes") / "recipe.yaml"


@given(recipe=recipes())
def test_written_and_read_back(recipe: Recipe, path: Path) -> None:
    write_recipe(recipe, path)
    assert read_recipe(path) == recipe
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


@given(recipe=recipes())
def test_resolved_is_plain_and_complete(recipe: Recipe) -> None:
    values = resolved(recipe)
    assert yaml.safe_load(yaml.safe_dump(values)) == values
    assert parse_recipe(values, "test") == recipe
    assert resolved(parse_recipe(values, "test")) == values
