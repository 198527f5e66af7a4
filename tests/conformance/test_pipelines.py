"""The engine's options against the pipelines of transformers, on the unpacked folder."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import transformers

from fineprune.engine.errors import InputError
from tests.conformance.models import KINDS, LABELS, Pair, make_pair
from tests.conformance.texts import TEXTS

EVERY = [*TEXTS.values()]
NEAR = 2e-5
NAMES = {0: "contradiction", 1: "neutral", 2: "entailment"}


def pipeline(task: str, pair: Pair) -> Any:
    make: Any = transformers.pipeline
    return make(task, model=pair.model, tokenizer=pair.tokenizer, device="cpu")


def assert_alike(found: Any, expected: Any) -> None:
    """The same, but for the last digits of numbers, whatever their type."""
    if isinstance(expected, dict):
        assert found.keys() == expected.keys()
        for key, value in expected.items():
            assert_alike(found[key], value)
    elif isinstance(expected, list):
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            assert_alike(one, other)
    elif isinstance(expected, float | np.floating):
        assert found == pytest.approx(float(expected), abs=NEAR)
    else:
        assert found == expected


STRATEGIES = ("none", "simple", "first", "average", "max")


@pytest.mark.filterwarnings("ignore:Tokenizer does not support real words")
@pytest.mark.parametrize("labels", [LABELS, {0: "O", 1: "S-LOC-B", 2: "E-LOC-B"}])
@pytest.mark.parametrize("kind", KINDS)
def test_entities(kind: str, labels: dict[int, str], tmp_path: Path) -> None:
    pair = make_pair(tmp_path, "bert", "token", kind, config={"id2label": labels})
    expected = pipeline("token-classification", pair)
    short = [text for text in EVERY if len(pair.fast.encode([text])[0].ids) <= pair.longest]
    for strategy in STRATEGIES:
        for ignored in (["O"], []):
            options: dict[str, Any] = {
                "aggregation_strategy": strategy,
                "ignore_labels": ignored,
            }
            for text in short:
                assert_alike(pair.engine(text, **options), expected(text, **options))


@pytest.mark.parametrize("config", [{}, {"problem_type": "multi_label_classification"}])
def test_functions_and_numbers_of_classes(config: dict[str, Any], tmp_path: Path) -> None:
    pair = make_pair(tmp_path, "bert", "sequence", "wordpiece", config=config)
    expected = pipeline("text-classification", pair)
    short = EVERY[:5] + EVERY[7:]
    texts = [text for text in short if len(pair.fast.encode([text])[0].ids) <= pair.longest]
    for top_k in (1, 2, None):
        for function in (None, "sigmoid", "softmax", "none"):
            options = {} if function is None else {"function_to_apply": function}
            said = expected(texts, top_k=top_k, **options)
            if top_k == 1:  # lists of one there
                said = [one[0] for one in said]
            assert_alike(pair.engine(texts, top_k=top_k, **options), said)
    two = {"text": "Ada lives", "text_pair": "in London"}
    assert_alike(pair.engine(two, top_k=None), expected(two, top_k=None))
    assert pair.engine({"text": "Ada"}) == pair.engine("Ada")


@pytest.mark.parametrize("names", [NAMES, {0: "ENTAILMENT", 1: "neutral", 2: "contradiction"}])
@pytest.mark.parametrize("kind", KINDS)
def test_candidate_labels(kind: str, names: dict[int, str], tmp_path: Path) -> None:
    config = {"id2label": names, "label2id": {name: place for place, name in names.items()}}
    pair = make_pair(tmp_path, "bert", "sequence", kind, config=config, model_max_length=48)
    expected = pipeline("zero-shot-classification", pair)
    texts = [text for text in EVERY if text]
    for labels in (["travel", "science", "東京"], ["one"], "war, peace"):
        for options in (
            {},
            {"multi_label": True},
            {"hypothesis_template": "About {}, then."},
        ):
            for text in texts[::3]:
                found = pair.engine(text, candidate_labels=labels, **options)
                assert_alike(found, expected(text, candidate_labels=labels, **options))
    found = pair.engine(texts[:2], candidate_labels=["a", "b"])
    assert [one["sequence"] for one in found] == texts[:2]


def test_windows_of_long_texts_with_another_overlap(tmp_path: Path) -> None:
    """A token's class is that of the window that has most text on both of its sides."""
    pair = make_pair(tmp_path, "bert", "token", "wordpiece")
    text = TEXTS["very long"]
    [encoding] = pair.fast.encode([text])
    inside = pair.longest - 2
    for stride in (0, 7, inside - 1):
        found = pair.engine(text, ignore_labels=(), stride=stride)
        assert len(found) == len(encoding.ids) - 2
        starts = [*range(0, len(found) - inside, inside - stride), len(found) - inside]
        for place in (0, 1, 40, 45, 46, 47, len(found) // 2, len(found) - 1):
            start = min(starts, key=lambda one: abs(one + (inside - 1) / 2 - place))
            ids = encoding.ids[1 + start : 1 + start + inside]
            logits = pair.engine.run([[encoding.ids[0], *ids, encoding.ids[-1]]])["logits"][0]
            best = LABELS[int(logits[1 + place - start].argmax())]
            assert found[place]["entity"] == best


def test_windows_of_questions(tmp_path: Path) -> None:
    pair = make_pair(tmp_path, "bert", "question", "wordpiece")
    question, context = "Where does Ada live?", TEXTS["very long"]
    usual = pair.engine(question=question, context=context, top_k=5)
    same = {"max_seq_len": 48, "doc_stride": 24, "max_question_len": 20}
    assert pair.engine(question=question, context=context, top_k=5, **same) == usual
    short = pair.engine(question=question, context=context, max_seq_len=20, doc_stride=2)
    assert short["answer"] == context[short["start"] : short["end"]]
    # One window is enough for a short context: how windows would overlap does not matter.
    for options in ({"doc_stride": 0}, {"doc_stride": 5}, {"max_seq_len": 40}):
        found = pair.engine(question=question, context="Ada lives in London.", **options)
        assert_alike(found, pair.engine(question=question, context="Ada lives in London."))


WRONG: dict[str, list[dict[str, Any]]] = {
    "sequence": [
        {"top_k": 0},
        {"top_k": "2"},
        {"function_to_apply": "relu"},
        {"function_to_apply": 3},
        {"candidate_labels": []},
        {"candidate_labels": " , "},
        {"candidate_labels": 3},
        {"candidate_labels": ["a", 3]},
        {"candidate_labels": ["a"], "function_to_apply": "none"},
        {"candidate_labels": ["a"], "hypothesis_template": "no place"},
        {"candidate_labels": ["a"], "hypothesis_template": "{} and {}"},
        {"candidate_labels": ["a"], "hypothesis_template": "{name}"},
        {"candidate_labels": ["a"], "hypothesis_template": "{"},
        {"candidate_labels": ["a"], "hypothesis_template": "{0.x}"},
        {"candidate_labels": ["a"], "hypothesis_template": None},
        {"candidate_labels": ["a"]},  # O, B-PER and I-PER are no entailment
    ],
    "token": [
        {"aggregation_strategy": "last"},
        {"aggregation_strategy": []},
        {"ignore_labels": 3},
        {"ignore_labels": [3]},
        {"stride": -1},
        {"stride": 46},
        {"stride": "3"},
    ],
    "question": [
        {"top_k": 0},
        {"max_answer_len": 0},
        {"null_threshold": "x"},
        {"max_seq_len": 0},
        {"max_seq_len": 49},
        {"max_seq_len": 8},
        {"doc_stride": 48},
        {"doc_stride": -1},
        {"doc_stride": "3"},
        {"max_question_len": 0},
    ],
}


@pytest.mark.parametrize("head", WRONG)
def test_options_that_are_none(head: str, tmp_path: Path) -> None:
    engine = make_pair(tmp_path, "bert", head, "wordpiece").engine
    text = TEXTS["very long"]
    inputs = {"question": "Where is it then?", "context": text} if head == "question" else {}
    for options in WRONG[head]:
        with pytest.raises(InputError) as caught:
            engine(*([] if inputs else [text]), **inputs, **options)
        assert "\n" not in str(caught.value), options
        assert json.dumps(str(caught.value))


def test_a_label_that_leaves_no_room(tmp_path: Path) -> None:
    config = {"id2label": NAMES}
    engine = make_pair(tmp_path, "bert", "sequence", "wordpiece", config=config).engine
    with pytest.raises(InputError, match="leaves no room for another text: the model takes 48"):
        engine("a", candidate_labels=["a", "b " * 60])
