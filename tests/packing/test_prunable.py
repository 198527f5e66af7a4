"""What names and shapes tell of prunable weights is what modules tell."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fineprune.packing.prunable import Prunable
from fineprune.pruning.targets import find_targets
from tests.engine import zoo
from tests.models import ARCHITECTURES, Architecture


def covered(rule: Prunable, model: Any) -> set[str]:
    return {name for name, tensor in model.state_dict().items() if rule.covers(name, tensor.shape)}


@pytest.mark.parametrize("includes", [False, True])
@pytest.mark.parametrize("excludes", [False, True])
@pytest.mark.parametrize("architecture", ARCHITECTURES, ids=lambda one: one.name)
def test_names_tell_what_modules_tell(
    architecture: Architecture, excludes: bool, includes: bool
) -> None:
    model = architecture.build()
    first, *_ = find_targets(model)
    patterns = {
        "include": ["classifier*"] if includes else [],
        "exclude": [f"{first.name[:-1]}?"] if excludes else [],
    }
    targets = {one.weight_name for one in find_targets(model, **patterns)}
    assert covered(Prunable(**patterns), model) == targets
    assert (first.weight_name in targets) is not excludes


@pytest.mark.parametrize("head", zoo.HEADS)
@pytest.mark.parametrize("architecture", zoo.ARCHITECTURES)
def test_all_that_the_engine_runs(architecture: str, head: str) -> None:
    model = zoo.initial(architecture, head)
    assert covered(Prunable(), model) == {one.weight_name for one in find_targets(model)}


@pytest.mark.parametrize(
    ("tensor", "shape", "expected"),
    [
        ("encoder.layer.0.output.dense.weight", (4, 8), True),
        ("encoder.layer.0.output.dense.bias", (4,), False),
        ("encoder.layer.0.output.LayerNorm.weight", (4,), False),
        ("encoder.layer.0.table", (4, 8), False),
        ("embeddings.word_embeddings.weight", (9, 4), False),
        ("pooler.dense.weight", (4, 4), False),
        ("classifier.weight", (2, 4), True),
        ("encoder.layer.1.output.dense.weight", (4, 8), False),
        ("classifier.1.weight", (2, 4), False),
    ],
)
def test_by_hand(tensor: str, shape: tuple[int, ...], expected: bool) -> None:
    rule = Prunable(include=["classifier"], exclude=["*.1.*", "classifier.1"])
    assert rule.covers(tensor, shape) is expected


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({}, Prunable()),
        ({"pruned": {"include": ["a"], "exclude": ["b", "c"]}}, Prunable(["a"], ["b", "c"])),
        ({"pruning": {"include": ["a"]}, "pruned": {"include": ["b"]}}, Prunable(["a"], [])),
        ({"pruned": {"exclude": "all"}}, Prunable([], [])),
        ({"pruned": {"exclude": [1, "b"]}}, Prunable([], ["b"])),
        ({"pruned": True}, Prunable()),
    ],
)
def test_notes_in_a_config(config: dict[str, Any], expected: Prunable) -> None:
    assert Prunable.of(config) == expected


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)


@given(JSON, JSON)
def test_whatever_a_config_of_others_holds(include: Any, exclude: Any) -> None:
    rule = Prunable.of({"pruned": {"include": include, "exclude": exclude}})
    assert isinstance(rule.covers("layer.0.weight", (2, 2)), bool)
