"""Answers to texts are those of the pipelines of transformers, or of the formula."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import PreTrainedTokenizerBase, pipeline

from fineprune import Engine, pack
from fineprune.engine.errors import InputError, UnsupportedModelError
from tests.engine.zoo import Packed, build, save_packed
from tests.workspace import make_tokenizer

TEXTS = ["w1 w2 w3", "w4", "w5 w6 w7 w8 w9 w10 w11 unheard-of", "w3 " * 20, "w1 w2 w2"]
POSITIONS = 32


def with_tokenizer(
    tmp_path: Path, head: str, architecture: str = "bert", **changes: Any
) -> tuple[Packed, PreTrainedTokenizerBase]:
    folder = tmp_path / "model"
    tokenizer = make_tokenizer()
    tokenizer.save_pretrained(folder)
    model = build(architecture, head, max_position_embeddings=POSITIONS, **changes)
    return save_packed(model, folder, head), tokenizer


def of_transformers(task: str, model: Packed, tokenizer: PreTrainedTokenizerBase) -> Any:
    return pipeline(task, model=model.reference, tokenizer=tokenizer)  # type: ignore[call-overload]


def assert_alike(found: Any, expected: Any) -> None:
    """Equal, but for the rounding of scores."""
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        if isinstance(one, list):
            assert_alike(one, other)
            continue
        assert one.keys() == other.keys()
        assert one == other | {"score": pytest.approx(other["score"], rel=1e-4, abs=1e-6)}
        assert type(one["score"]) is float


@pytest.mark.parametrize(
    ("problem", "classes"),
    [
        (None, 1),
        (None, 2),
        ("regression", 1),
        ("regression", 2),
        ("multi_label_classification", 1),
        ("multi_label_classification", 5),
        ("single_label_classification", 5),
    ],
)
def test_classification(problem: str | None, classes: int, tmp_path: Path) -> None:
    labels = {index: f"class {index}" for index in range(classes)}
    model, tokenizer = with_tokenizer(
        tmp_path, "sequence", num_labels=classes, problem_type=problem, id2label=labels
    )
    engine, pipe = (
        Engine(model.file, threads=1),
        of_transformers("text-classification", model, tokenizer),
    )
    assert_alike(engine(TEXTS), pipe(TEXTS))
    assert_alike(engine(TEXTS, top_k=None), pipe(TEXTS, top_k=None))
    assert_alike(engine(TEXTS, top_k=2), pipe(TEXTS, top_k=2))
    assert_alike([engine(TEXTS[0])], engine(TEXTS)[:1])
    assert engine([]) == []


def test_pairs_of_texts(tmp_path: Path) -> None:
    model, tokenizer = with_tokenizer(tmp_path, "sequence")
    pairs = [("w1 w2", "w3"), ("w4", "w5 w6 w7")]
    found = Engine(model.file, threads=1)(pairs)
    pipe = of_transformers("text-classification", model, tokenizer)
    assert_alike(found, pipe([{"text": one, "text_pair": other} for one, other in pairs]))


def test_long_texts_are_cut(tmp_path: Path) -> None:
    model, tokenizer = with_tokenizer(tmp_path, "sequence")
    text = " ".join(f"w{index % 36}" for index in range(200))
    pipe = of_transformers("text-classification", model, tokenizer)
    assert_alike([Engine(model.file, threads=1)(text)], pipe([text], truncation=True))


@pytest.mark.parametrize("aggregation", ["none", "simple"])
def test_token_classification(aggregation: str, tmp_path: Path) -> None:
    labels = dict(enumerate(["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]))
    model, tokenizer = with_tokenizer(tmp_path, "token", id2label=labels, num_labels=len(labels))
    engine = Engine(model.file, threads=1)
    pipe = of_transformers("token-classification", model, tokenizer)
    for text in TEXTS:
        expected = pipe(text, aggregation_strategy=aggregation)
        assert_alike(engine(text, aggregation_strategy=aggregation), expected)
    everything = engine(TEXTS, ignore_labels=())
    assert [len(entities) for entities in everything] == [len(text.split()) for text in TEXTS]


# Sentence embeddings.

POOLING = "1_Pooling/config.json"


def embedder(tmp_path: Path, **files: Any) -> tuple[Packed, PreTrainedTokenizerBase]:
    for name, content in files.items():
        path = tmp_path / "model" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content), encoding="utf-8")
    return with_tokenizer(tmp_path, "none")


def modules(*kinds: str) -> list[dict[str, str]]:
    return [{"type": f"sentence_transformers.models.{kind}"} for kind in kinds]


@pytest.mark.parametrize(
    ("files", "mean", "normalized"),
    [
        ({}, True, True),
        (
            {POOLING: {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}},
            False,
            True,
        ),
        ({POOLING: {"pooling_mode": "cls"}}, False, True),
        (
            {
                POOLING: {"pooling_mode_cls_token": False, "pooling_mode_mean_tokens": True},
                "modules.json": modules("Transformer", "Pooling"),
            },
            True,
            False,
        ),
        (
            {
                POOLING: {"pooling_mode": "mean"},
                "modules.json": modules("Transformer", "Pooling", "Normalize"),
            },
            True,
            True,
        ),
    ],
)
def test_sentence_embeddings(
    files: dict[str, Any], mean: bool, normalized: bool, tmp_path: Path
) -> None:
    model, tokenizer = embedder(tmp_path, **files)
    engine = Engine(model.file, threads=1)
    found = engine(TEXTS)
    for text, embedding in zip(TEXTS, found, strict=True):
        with torch.inference_mode():
            states = model.reference(**tokenizer(text, return_tensors="pt")).last_hidden_state[0]
        expected = states.mean(dim=0) if mean else states[0]
        expected = expected / expected.norm() if normalized else expected
        np.testing.assert_allclose(embedding, expected.numpy(), atol=1e-5)
    assert found.dtype == np.float32
    np.testing.assert_allclose(engine(TEXTS[0]), found[0], atol=1e-6)
    ids = np.array(tokenizer(TEXTS[0])["input_ids"])[None]
    np.testing.assert_allclose(engine.run(ids)["embeddings"][0], found[0], atol=1e-6)


def test_longest_text_of_a_sentence_transformer(tmp_path: Path) -> None:
    model, _ = embedder(tmp_path, **{"sentence_bert_config.json": {"max_seq_length": 5}})
    engine = Engine(model.file, threads=1)
    np.testing.assert_array_equal(engine("w1 w2 w3"), engine("w1 w2 w3 w4 w5 w6"))


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({POOLING: {"pooling_mode_sum_tokens": True}}, "asks for 'pooling_mode_sum_tokens'"),
        ({POOLING: {"pooling_mode": "first"}}, "asks for 'first'; the engine knows 'cls'"),
        ({POOLING: {"include_prompt": False}}, "include_prompt in 1_Pooling/config.json is False"),
    ],
)
def test_unknown_pooling(files: dict[str, Any], said: str, tmp_path: Path) -> None:
    model, _ = embedder(tmp_path, **files)
    with pytest.raises(UnsupportedModelError, match=said):
        Engine(model.file)


# Question answering.


def best_span(
    model: Packed, tokenizer: PreTrainedTokenizerBase, question: str, context: str, longest: int
) -> dict[str, Any]:
    """The best answer by trying all spans of all windows, words being tokens here.

    Its score is its probability among the best 20.
    """
    stride = POSITIONS // 2
    windows = tokenizer(
        question,
        context,
        truncation="only_second",
        max_length=POSITIONS,
        stride=stride,
        return_overflowing_tokens=True,
        return_offsets_mapping=True,
    )
    sums: dict[tuple[int, int], float] = {}
    for number, ids in enumerate(windows["input_ids"]):
        said = model.expected(
            input_ids=np.array([ids]), token_type_ids=np.array([windows["token_type_ids"][number]])
        )
        places = [i for i, part in enumerate(windows.sequence_ids(number)) if part == 1]
        start, end = (said[name][0].astype(float) for name in ("start_logits", "end_logits"))
        spans = windows["offset_mapping"][number]
        for first in sorted(places, key=lambda place: -start[place])[:20]:
            for last in sorted(places, key=lambda place: -end[place])[:20]:
                if first <= last < first + longest:
                    span = spans[first][0], spans[last][1]
                    sums[span] = max(start[first] + end[last], sums.get(span, -np.inf))
    best = sorted(sums.items(), key=lambda item: -item[1])[:20]
    weights = np.exp([score - best[0][1] for _, score in best])
    (first, last), _ = best[0]
    score = float(1 / weights.sum())
    return {"score": score, "start": first, "end": last, "answer": context[first:last]}


@pytest.mark.parametrize("longest", [1, 3, 15])
@pytest.mark.parametrize("words", [1, 5, 24, 25, 100])
def test_question_answering(words: int, longest: int, tmp_path: Path) -> None:
    model, tokenizer = with_tokenizer(tmp_path, "question")
    draw = np.random.default_rng(words)
    context = "  ".join(f"w{word}" for word in draw.integers(0, 36, words))
    question = "w1 w2 w3"
    engine = Engine(model.file, threads=1)
    found = engine(question=question, context=context, max_answer_len=longest)
    assert_alike([found], [best_span(model, tokenizer, question, context, longest)])


def test_several_questions_and_answers(tmp_path: Path) -> None:
    model, _ = with_tokenizer(tmp_path, "question")
    engine = Engine(model.file, threads=1)
    contexts = ["w1 w2 w3 w4 w5", "w9 " * 60]
    alone = [engine(question="w7", context=context) for context in contexts]
    together = engine(question=["w7", "w7"], context=contexts)
    assert_alike(together, alone)
    assert_alike(engine(question=["w7", "w7"], context=contexts[0]), [alone[0]] * 2)
    several = engine(question="w7", context=contexts[0], top_k=4)
    assert_alike(several[:1], alone[:1])
    assert len({(one["start"], one["end"]) for one in several}) == 4
    assert sorted(several, key=lambda one: -one["score"]) == several


def test_questions_without_an_answer(tmp_path: Path) -> None:
    model, _ = with_tokenizer(tmp_path, "question")
    engine = Engine(model.file, threads=1)
    every = engine(question="w7", context="w1 w2", top_k=9, handle_impossible_answer=True)
    [null] = [one for one in every if not one["answer"]]
    assert (null["start"], null["end"]) == (0, 0)
    assert len(every) == 4  # and three spans of two words
    assert len(engine(question="w7", context="w1 w2", top_k=9)) == 3


@pytest.mark.parametrize("texts", [("", "w1 w2"), ("w1", ""), ("  ", "\u2028"), ("", "")])
def test_nothing_to_ask_or_to_answer_from(texts: tuple[str, str], tmp_path: Path) -> None:
    """An answer for each question, as in evaluation."""
    model, _ = with_tokenizer(tmp_path, "question")
    question, context = texts
    answers = Engine(model.file, threads=1)(question=[question, "w1"], context=[context, "w1"])
    assert answers[0]["answer"] == context[answers[0]["start"] : answers[0]["end"]]
    assert answers[1]["answer"] == "w1"


def test_long_questions_are_cut(tmp_path: Path) -> None:
    model, _ = with_tokenizer(tmp_path, "question")
    engine = Engine(model.file, threads=1)
    question = " ".join(f"w{index % 36}" for index in range(100))
    assert engine(question=question, context="w1 w2 w3 w4")["answer"]


# What is wrong is told.


@pytest.mark.parametrize("text", [5, None, ["w1", 7], [["w1", "w2"]], ("w1",), b"w1"])
def test_what_is_no_text(text: Any, tmp_path: Path) -> None:
    engine = Engine(with_tokenizer(tmp_path, "sequence")[0].file, threads=1)
    with pytest.raises(InputError, match="is no text; expected a string, or a pair of strings"):
        engine(text)


@pytest.mark.parametrize("head", ["token", "none"])
def test_only_classification_takes_pairs(head: str, tmp_path: Path) -> None:
    engine = Engine(with_tokenizer(tmp_path, head)[0].file, threads=1)
    with pytest.raises(InputError, match=r"\('w1', 'w2'\) is no text; expected a string"):
        engine(("w1", "w2"))


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ({"question": "w1", "context": 3}, "3 is no text; expected a string"),
        ({"question": None, "context": "w1"}, "None is no text; expected a string"),
        ({"question": ["w1"], "context": ["w1", "w2"]}, "there are 1 questions and 2 contexts"),
        ({"question": "w1", "context": "w2", "top_k": 0}, "top_k is 0; expected a whole number"),
        ({"question": "w1", "context": "w2", "max_answer_len": -1}, "max_answer_len is -1"),
    ],
)
def test_what_is_no_question(inputs: dict[str, Any], said: str, tmp_path: Path) -> None:
    engine = Engine(with_tokenizer(tmp_path, "question")[0].file, threads=1)
    with pytest.raises(InputError, match=said):
        engine(**inputs)


def test_unknown_aggregation(tmp_path: Path) -> None:
    engine = Engine(with_tokenizer(tmp_path, "token")[0].file, threads=1)
    with pytest.raises(InputError, match="aggregation_strategy is 'last'; expected one of 'none'"):
        engine("w1", aggregation_strategy="last")


def test_nothing_to_embed(tmp_path: Path) -> None:
    engine = Engine(with_tokenizer(tmp_path, "none")[0].file, threads=1)
    with pytest.raises(InputError, match="no text to embed"):
        engine([])


@pytest.mark.parametrize("problem", ["ranking", 3])
def test_unknown_problem(problem: Any, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    with_tokenizer(tmp_path, "sequence")
    config = json.loads((folder / "config.json").read_text("utf-8"))
    file = repacked(folder, config | {"problem_type": problem}, tmp_path / "other")
    with pytest.raises(UnsupportedModelError, match="problem_type in the model's config is"):
        Engine(file)("w1")


def repacked(folder: Path, config: dict[str, Any], file: Path) -> Path:
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    pack(folder, file)
    return file


def test_without_a_tokenizer(tmp_path: Path) -> None:
    model = save_packed(build("bert", "sequence"), tmp_path / "model", "sequence")
    with pytest.raises(InputError, match=r"has no tokenizer.json: pass token ids to Engine.run"):
        Engine(model.file)("w1")


def test_a_tokenizer_that_is_none(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "tokenizer.json").write_text("{}", encoding="utf-8")
    model = save_packed(build("bert", "sequence"), folder, "sequence")
    with pytest.raises(UnsupportedModelError, match=r"tokenizer.json in the file"):
        Engine(model.file)("w1")


def test_a_tokenizer_with_more_tokens_than_the_model(tmp_path: Path) -> None:
    model, _ = with_tokenizer(tmp_path, "sequence", vocab_size=20)
    with pytest.raises(InputError, match="the tokenizer gives token 39; the model knows 20"):
        Engine(model.file)("w35")
