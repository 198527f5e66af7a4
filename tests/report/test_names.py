import pytest

from fineprune.pruning.targets import find_targets
from fineprune.report.names import MatrixName, order_of_parts
from tests.models import ARCHITECTURES, Architecture

PARTS = [
    "attention query",
    "attention key",
    "attention value",
    "attention output",
    "feed-forward up",
    "feed-forward down",
]


@pytest.mark.parametrize("architecture", ARCHITECTURES, ids=lambda one: one.name)
def test_matrices_are_called_the_same_in_all_architectures(architecture: Architecture) -> None:
    names = [MatrixName.of(one.weight_name) for one in find_targets(architecture.build())]
    assert len(set(names)) == len(names) == architecture.blocks * architecture.linears
    assert {name.layer for name in names} == set(range(architecture.blocks))
    # ModernBERT has one matrix for three of them.
    known = PARTS[3:] if architecture.name == "modernbert" else PARTS
    assert order_of_parts([name.part for name in names])[: len(known)] == known


@pytest.mark.parametrize(
    ("tensor", "words"),
    [
        ("bert.encoder.layer.11.output.dense.weight", "layer 11 feed-forward down"),
        ("distilbert.transformer.layer.0.ffn.lin1.weight", "layer 0 feed-forward up"),
        ("model.layers.3.attn.Wqkv.weight", "layer 3 attn Wqkv"),
        ("bert.embeddings.word_embeddings.weight", "embeddings word embeddings"),
        ("bert.pooler.dense.weight", "pooler"),
        ("classifier.weight", "classifier"),
        ("0.weight", "layer 0"),
    ],
)
def test_words(tensor: str, words: str) -> None:
    assert str(MatrixName.of(tensor)) == words
