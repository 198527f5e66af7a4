import re
from collections.abc import Iterable

import pytest
import transformers
from torch import Tensor, nn

from fineprune.errors import TargetError
from fineprune.pruning import Movement, attach
from fineprune.pruning.targets import encoder_parameters, find_blocks, find_targets
from tests.models import BERT, Architecture, in_blocks


class Mixer(nn.Module):
    """A block of four linear layers whose names say nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(4, 12), nn.Linear(4, 4)
        self.embeddings, self.classifier = nn.Linear(4, 8), nn.Linear(8, 4)
        self.norm = nn.LayerNorm(4)


class Thin(nn.Module):
    """A block with fewer linear layers than any encoder's."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 4)


class Model(nn.Module):
    """A stack under names that mislead, with linear layers beside it."""

    def __init__(self, members: Iterable[nn.Module]) -> None:
        super().__init__()
        self.attention = nn.Linear(4, 4)
        self.pooler = nn.ModuleList(members)
        self.encoder = nn.Linear(4, 4)


def names(
    model: nn.Module, *, include: list[str] | None = None, exclude: list[str] | None = None
) -> list[str]:
    targets = find_targets(model, include=include or [], exclude=exclude or [])
    return [target.name for target in targets]


def identities(tensors: Iterable[Tensor]) -> list[int]:
    return [id(tensor) for tensor in tensors]


def test_every_linear_layer_of_the_blocks_and_no_other(architecture: Architecture) -> None:
    model = architecture.build()
    expected = in_blocks(model)
    assert len(expected) == architecture.blocks * architecture.linears
    targets = find_targets(model)
    assert {target.name: target.module for target in targets} == expected
    assert [target.name for target in targets] == list(expected)  # in the model's order
    assert {target.weight_name for target in targets} <= set(model.state_dict())


def test_blocks(architecture: Architecture) -> None:
    model = architecture.build()
    blocks = find_blocks(model)
    assert len(blocks) == architecture.blocks
    assert all(model.get_submodule(name) is block for name, block in blocks)


def test_a_model_without_a_head_has_the_same_targets(architecture: Architecture) -> None:
    model = architecture.build()
    body = getattr(model, model.base_model_prefix)
    assert len(names(body)) == architecture.blocks * architecture.linears


@pytest.mark.parametrize(
    "head",
    [
        transformers.BertForMaskedLM,
        transformers.BertForQuestionAnswering,
        transformers.BertForTokenClassification,
        transformers.BertForMultipleChoice,
    ],
)
def test_a_head_is_never_pruned(head: type[transformers.PreTrainedModel]) -> None:
    model = head(BERT.config())
    assert names(model) == list(in_blocks(model))


def test_encoder_parameters_are_all_of_the_blocks(architecture: Architecture) -> None:
    model = architecture.build()
    expected = [
        parameter for name, parameter in model.named_parameters() if re.search(r"\.\d+\.", name)
    ]
    assert identities(encoder_parameters(model)) == identities(expected)
    attach(model, Movement())
    # Scores do not count; the weights do, although they have moved.
    assert set(identities(encoder_parameters(model))) == set(identities(expected))


def test_structure_decides_and_names_do_not() -> None:
    model = Model([Mixer(), Mixer()])
    assert names(model) == [
        f"pooler.{block}.{linear}"
        for block in (0, 1)
        for linear in ("a", "b", "embeddings", "classifier")
    ]


def test_one_block_is_a_stack() -> None:
    assert len(names(Model([Mixer()]))) == 4


def test_linear_layers_of_a_list_inside_of_a_block_are_found_once() -> None:
    class Experts(Mixer):
        def __init__(self) -> None:
            super().__init__()
            self.experts = nn.ModuleList([Mixer(), Mixer()])

    model = Model([Experts(), Experts()])
    assert len(find_blocks(model)) == 2
    assert len(names(model)) == 2 * 3 * 4


def test_layers_that_are_no_linear_layers_are_left_alone() -> None:
    class WithConvolution(Mixer):
        def __init__(self) -> None:
            super().__init__()
            self.convolution, self.lookup = nn.Conv1d(4, 4, 3), nn.Embedding(5, 4)

    assert len(names(Model([WithConvolution()]))) == 4


def test_include_adds_layers_in_the_model_s_order() -> None:
    model = Model([Mixer()])
    found = names(model, include=["encoder", "attention"])
    assert found[0] == "attention"
    assert found[-1] == "encoder"
    assert len(found) == 6
    assert names(model, include=["*"]) == found
    assert names(model, include=["pooler.0.a"]) == names(model)


def test_exclude_takes_layers_away_and_wins() -> None:
    model = Model([Mixer(), Mixer()])
    assert names(model, exclude=["pooler.1.*"]) == names(Model([Mixer()]))
    assert names(model, exclude=["*.a", "*.b"]) == [
        "pooler.0.embeddings",
        "pooler.0.classifier",
        "pooler.1.embeddings",
        "pooler.1.classifier",
    ]
    assert names(model, include=["encoder"], exclude=["encoder"]) == names(model)


def test_include_makes_any_model_prunable() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2))
    assert names(model, include=["2"]) == ["2"]


@pytest.mark.parametrize("pattern", ["pooler.7.*", "POOLER.0.a", "pooler", "norm", ""])
@pytest.mark.parametrize("what", ["include", "exclude"])
def test_a_pattern_that_matches_nothing_is_refused(pattern: str, what: str) -> None:
    with pytest.raises(TargetError) as caught:
        names(Model([Mixer()]), **{what: [pattern]})
    message = str(caught.value)
    assert message.startswith(f"the pattern {pattern!r} matches no linear layer")
    assert "'pooler.0.a', 'pooler.0.b', 'pooler.0.embeddings'" in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("model", "looked_at"),
    [
        (Model([Thin(), Thin()]), ["pooler (2 x Thin)", "attention", "pooler.0.a", "pooler.1.c"]),
        (Model([Mixer(), Thin()]), ["pooler (2 x Mixer)", "pooler.0.classifier"]),
        (Model([]), ["lists none", "'attention', 'encoder'"]),
        (nn.Sequential(nn.Conv2d(1, 1, 3)), ["Sequential", "lists none", "layers none"]),
    ],
)
def test_nothing_to_prune_lists_what_was_looked_at(model: nn.Module, looked_at: list[str]) -> None:
    with pytest.raises(TargetError) as caught:
        find_targets(model)
    message = str(caught.value)
    assert message.startswith(f"{type(model).__name__} has no weights to prune")
    assert all(part in message for part in looked_at), message
    assert message.endswith("name layers to prune with include")
    assert "\n" not in message


def test_nothing_left_to_prune_says_what_was_excluded() -> None:
    with pytest.raises(TargetError, match=r"no weights to prune.*excluded: pooler\.\*"):
        names(Model([Mixer()]), exclude=["pooler.*"])


def test_a_long_list_is_abridged() -> None:
    with pytest.raises(TargetError, match=r"'1\.a', '1\.b', .*\.\.\. \(600 in all\)") as caught:
        find_targets(nn.Sequential(nn.Identity(), *[Thin() for _ in range(200)]))
    assert len(str(caught.value)) < 500
