"""The engine against sentence-transformers, on the unpacked folder."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from fineprune.engine.errors import InputError
from tests.conformance.models import Pair, make_pair
from tests.conformance.texts import TEXTS

sentence_transformers = pytest.importorskip("sentence_transformers")

EVERY = [*TEXTS.values()]
HIDDEN = 24


def files(*modules: str, **others: Any) -> dict[str, str]:
    """`modules.json` and what it names; a module is a kind, or a kind and its folder."""
    listed = [
        {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"}
    ]
    for number, module in enumerate(modules, 1):
        kind, _, folder = module.partition("@")
        listed.append(
            {
                "idx": number,
                "name": str(number),
                "path": folder or f"{number}_{kind}",
                "type": f"sentence_transformers.models.{kind}",
            }
        )
    contents = {"modules.json": listed, **others}
    return {name: json.dumps(content) for name, content in contents.items()}


def pooling(*modes: str) -> dict[str, Any]:
    keys = "cls_token max_tokens mean_tokens mean_sqrt_len_tokens weightedmean_tokens lasttoken"
    return {
        "word_embedding_dimension": HIDDEN,
        **{f"pooling_mode_{key}": key in modes for key in keys.split()},
    }


def both(pair: Pair) -> tuple[Any, Any]:
    return pair.engine, sentence_transformers.SentenceTransformer(str(pair.folder), device="cpu")


def assert_alike(found: Any, expected: Any) -> None:
    found, expected = np.asarray(found, float), np.asarray(expected, float)
    assert found.shape == expected.shape
    norms = np.linalg.norm(found, axis=-1) * np.linalg.norm(expected, axis=-1)
    assert ((found * expected).sum(axis=-1) > 0.99999 * norms).all()
    assert np.abs(found - expected).max() <= 2e-5 * np.abs(expected).max()


MEAN = {"1_Pooling/config.json": pooling("mean_tokens")}


@pytest.mark.parametrize("kind", ["wordpiece", "byte-level", "unigram"])
@pytest.mark.parametrize(
    "modes",
    [
        ("cls_token",),
        ("max_tokens",),
        ("mean_tokens",),
        ("mean_sqrt_len_tokens",),
        ("weightedmean_tokens",),
        ("lasttoken",),
        ("lasttoken", "cls_token", "mean_tokens"),
        (),
    ],
)
def test_poolings(modes: tuple[str, ...], kind: str, tmp_path: Path) -> None:
    listed = files("Pooling", **{"1_Pooling/config.json": pooling(*modes)})
    engine, expected = both(make_pair(tmp_path, "bert", "none", kind, listed))
    assert_alike(engine(EVERY), expected.encode(EVERY))


@pytest.mark.parametrize(
    "listed",
    [
        files("Pooling@2_Pooling", **{"2_Pooling/config.json": pooling("cls_token")}, **MEAN),
        files("Pooling@pooled/by", **{"pooled/by/config.json": pooling("cls_token")}),
        files("Pooling", "Normalize", **MEAN),
        files("Pooling", "Normalize", "Normalize", **MEAN),
        files("Pooling", **{"1_Pooling/config.json": {"embedding_dimension": HIDDEN}}),
        files(
            "Pooling",
            **{
                "1_Pooling/config.json": {
                    "embedding_dimension": HIDDEN,
                    "pooling_mode": ["max", "cls"],
                }
            },
        ),
    ],
)
def test_modules(listed: Mapping[str, str], tmp_path: Path) -> None:
    engine, expected = both(make_pair(tmp_path, "bert", "none", "wordpiece", listed))
    assert_alike(engine(EVERY), expected.encode(EVERY))


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(
    "activation",
    ["activation.Tanh", "linear.Identity", "activation.ReLU", "activation.GELU"],
)
def test_dense(activation: str, bias: bool, tmp_path: Path) -> None:
    dense = {
        "in_features": HIDDEN,
        "out_features": 8,
        "bias": bias,
        "activation_function": f"torch.nn.modules.{activation}",
    }
    listed = files("Pooling", "Dense", "Normalize", **MEAN, **{"2_Dense/config.json": dense})
    torch.manual_seed(1)
    tensors = {"linear.weight": torch.randn(8, HIDDEN), "linear.bias": torch.randn(8)}
    folder = tmp_path / "source/2_Dense"
    folder.mkdir(parents=True)
    save_file(
        {name: tensors[name] for name in (tensors if bias else ["linear.weight"])},
        folder / "model.safetensors",
    )
    engine, expected = both(make_pair(tmp_path, "bert", "none", "wordpiece", listed))
    assert_alike(engine(EVERY), expected.encode(EVERY))
    assert engine(EVERY).shape == (len(EVERY), 8)


PROMPTS = {
    "prompts": {"query": "query: ", "passage": "passage: ", "none": ""},
    "default_prompt_name": "passage",
}


@pytest.mark.parametrize("kind", ["wordpiece", "unigram"])
def test_prompts(kind: str, tmp_path: Path) -> None:
    others = MEAN | {"config_sentence_transformers.json": PROMPTS}
    pair = make_pair(tmp_path, "bert", "none", kind, files("Pooling", **others))
    engine, expected = both(pair)
    assert_alike(engine(EVERY), expected.encode(EVERY))
    assert np.abs(engine(EVERY) - engine(EVERY, prompt="")).max() > 0.1
    for options in (
        {"prompt_name": "query"},
        {"prompt_name": "none"},
        {"prompt": "ask "},
        {"prompt": "", "prompt_name": "query"},
    ):
        assert_alike(engine(EVERY, **options), expected.encode(EVERY, **options))


@pytest.mark.parametrize("config", [{"do_lower_case": False}, {}])
@pytest.mark.parametrize("kind", ["wordpiece", "byte-level", "unigram"])
def test_small_letters(kind: str, config: dict[str, Any], tmp_path: Path) -> None:
    others = MEAN | {"sentence_bert_config.json": {"do_lower_case": True, "max_seq_length": 24}}
    pair = make_pair(tmp_path, "bert", "none", kind, files("Pooling", **others), **config)
    engine, expected = both(pair)
    assert_alike(engine(EVERY), expected.encode(EVERY))
    text = TEXTS["capitals"]
    assert_alike(engine(text), engine(text.lower()))


@pytest.mark.parametrize("most", [8, 24, 46])
@pytest.mark.parametrize("tokenizer", [12, 512])
@pytest.mark.parametrize("name", ["sentence_bert_config.json", "sentence_roberta_config.json"])
def test_longest_text(name: str, most: int, tokenizer: int, tmp_path: Path) -> None:
    """What sentence-transformers says goes before what the tokenizer says."""
    others = MEAN | {name: {"max_seq_length": most}}
    pair = make_pair(
        tmp_path,
        "roberta",
        "none",
        "byte-level",
        files("Pooling", **others),
        model_max_length=tokenizer,
    )
    engine, expected = both(pair)
    assert_alike(engine(EVERY), expected.encode(EVERY))
    assert (engine.limit.tokens, engine.limit.source) == (most, f"max_seq_length in {name}")


# The same words.


@pytest.mark.parametrize(
    "prompts",
    [
        {},
        PROMPTS,
        {"prompts": {"document": "d: ", "passage": "p: "}},
        {"prompts": {"passage": "p: "}, "default_prompt_name": "passage"},
        {"prompts": {"query": "q: "}, "default_prompt_name": "query"},
    ],
)
def test_queries_and_documents(prompts: dict[str, Any], tmp_path: Path) -> None:
    others = MEAN | {"config_sentence_transformers.json": prompts}
    pair = make_pair(tmp_path, "bert", "none", "wordpiece", files("Pooling", **others))
    engine, expected = both(pair)
    for name in ("encode", "encode_query", "encode_document"):
        for options in ({}, {"prompt": "x "}, {"normalize_embeddings": True}, {"truncate_dim": 7}):
            found = getattr(engine, name)(EVERY, **options)
            assert_alike(found, getattr(expected, name)(EVERY, **options))
    both_ways = {"normalize_embeddings": True, "truncate_dim": 5}
    assert_alike(engine.encode(EVERY, **both_ways), expected.encode(EVERY, **both_ways))
    assert_alike(engine.encode("a"), expected.encode("a"))
    assert_alike(engine.encode(EVERY, batch_size=3), engine.encode(EVERY))


@pytest.mark.parametrize("name", ["cosine", "dot", "euclidean", "manhattan", None])
def test_similarity(name: str | None, tmp_path: Path) -> None:
    others = MEAN | {"config_sentence_transformers.json": {"similarity_fn_name": name}}
    pair = make_pair(tmp_path, "bert", "none", "wordpiece", files("Pooling", **others))
    engine, expected = both(pair)
    one, other = engine.encode(EVERY[:5]), engine.encode(EVERY[5:8])
    for arrays in ((one, other), (one[0], other), (one[0], other[0])):
        said = expected.similarity(*arrays).numpy()
        np.testing.assert_allclose(engine.similarity(*arrays), said, rtol=1e-4, atol=1e-5)


ACTIVATIONS = [
    {},
    {"sentence_transformers": {"activation_fn": "torch.nn.modules.linear.Identity"}},
    {"sbert_ce_default_activation_function": "torch.nn.modules.activation.Tanh"},
]


@pytest.mark.parametrize("classes", [1, 3])
@pytest.mark.parametrize("config", ACTIVATIONS)
def test_rerankers(config: dict[str, Any], classes: int, tmp_path: Path) -> None:
    labels = {"id2label": {i: f"LABEL_{i}" for i in range(classes)}}
    pair = make_pair(tmp_path, "bert", "sequence", "wordpiece", config={**config, **labels})
    engine = pair.engine
    expected = sentence_transformers.CrossEncoder(str(pair.folder), device="cpu")
    pairs = [(EVERY[i], EVERY[-i]) for i in range(1, 12)]
    said = expected.predict([list(one) for one in pairs])
    np.testing.assert_allclose(engine.predict(pairs), said, atol=2e-5)
    np.testing.assert_allclose(engine.predict(map(list, pairs)), said, atol=2e-5)
    np.testing.assert_allclose(engine.predict(pairs[0]), said[0], atol=2e-5)
    if classes > 1:
        with pytest.raises(InputError, match="the model has 3 classes; rank needs one"):
            engine.rank(EVERY[0], EVERY[1:4])
        return
    for options in ({}, {"top_k": 2}, {"return_documents": True}):
        found = engine.rank(EVERY[0], EVERY[5:12], **options)
        for one, other in zip(found, expected.rank(EVERY[0], EVERY[5:12], **options), strict=True):
            assert one == other | {"score": pytest.approx(float(other["score"]), abs=2e-5)}


def test_each_model_answers_what_it_was_made_for(tmp_path: Path) -> None:
    labels = make_pair(tmp_path / "labels", "bert", "sequence", "wordpiece").engine
    vectors = make_pair(tmp_path / "vectors", "bert", "none", "wordpiece").engine
    calls: list[Callable[[], Any]] = [
        lambda: labels.encode("a"),
        lambda: labels.similarity([1.0], [1.0]),
        lambda: vectors.predict([("a", "b")]),
        lambda: vectors.encode("a", prompt_name="poem"),
        lambda: vectors.similarity([[1.0]], [[1.0, 2.0]]),
        lambda: vectors.encode(["a", 3]),  # type: ignore[list-item]
    ]
    for call in calls:
        with pytest.raises(InputError):
            call()
