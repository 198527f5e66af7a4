import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from transformers import (
    BertConfig,
    BertForQuestionAnswering,
    DataCollatorWithPadding,
    PreTrainedTokenizerBase,
)

from fineprune.errors import DataError
from fineprune.tasks.base import EvaluationSet, Logits
from fineprune.tasks.question_answering import (
    QuestionAnswering,
    QuestionAnsweringSettings,
    load_question_answering,
)
from fineprune.text.windows import WindowShape

Write = Callable[[object], str]
Data = dict[str, Any]


def load(**values: Any) -> QuestionAnswering:
    return load_question_answering(QuestionAnsweringSettings(**values))


def logits_at(starts: list[int], ends: list[int], cls: list[int], width: int) -> Logits:
    """Logits of a model that is sure of these positions, and less so where they are CLS."""
    rows = np.arange(len(starts))
    confidence = np.where(np.array(starts) == np.array(cls), 5.0, 9.0)
    start, end = (np.full((len(rows), width), -9.0, dtype=np.float32) for _ in range(2))
    start[rows, starts] = confidence
    end[rows, ends] = confidence
    return start, end


def perfect_logits(
    task: QuestionAnswering, tokenizer: PreTrainedTokenizerBase, sets: EvaluationSet
) -> Logits:
    """Logits that repeat the labels of the same windows."""
    features = task.training_features(tokenizer)
    assert features["input_ids"][:] == sets.features["input_ids"][:]
    cls = [ids.index(tokenizer.cls_token_id) for ids in features["input_ids"]]
    width = max(map(len, features["input_ids"])) + 3
    return logits_at(features["start_positions"][:], features["end_positions"][:], cls, width)


@pytest.fixture
def task(squad: Data, write: Write) -> QuestionAnswering:
    path = write(squad)
    return load(train=path, validation=path, max_length=120, stride=40)


def test_contract(task: QuestionAnswering, tokenizer: PreTrainedTokenizerBase) -> None:
    assert task.head.auto_model == "AutoModelForQuestionAnswering"
    assert task.metric == "f1"
    assert task.splits == {"validation"}
    training = task.training_features(tokenizer)
    (evaluation,) = task.evaluation_sets(tokenizer)
    inputs = set(tokenizer.model_input_names)
    assert set(evaluation.features.column_names) == inputs
    assert set(training.column_names) == inputs | {"start_positions", "end_positions"}
    assert evaluation.name == ""
    assert evaluation.examples == 3
    assert len(evaluation.features) >= 3


def test_perfect_logits_are_perfect(
    task: QuestionAnswering, tokenizer: PreTrainedTokenizerBase
) -> None:
    (evaluation,) = task.evaluation_sets(tokenizer)
    logits = perfect_logits(task, tokenizer, evaluation)
    assert evaluation.score(logits) == {"exact_match": 100.0, "f1": 100.0}


def test_predictions_are_json_and_hold_the_official_form(
    task: QuestionAnswering, bert_like: PreTrainedTokenizerBase
) -> None:
    (evaluation,) = task.evaluation_sets(bert_like)
    predictions = evaluation.predictions(perfect_logits(task, bert_like, evaluation))
    assert json.loads(json.dumps(predictions, allow_nan=False)) == predictions
    official = {identity: prediction["answer"] for identity, prediction in predictions.items()}
    assert official == {"n1": "France", "n2": "Denmark", "b1": "honey"}
    honey = predictions["b1"]
    assert (honey["start"], honey["end"]) == (10, 15)
    assert honey["score"] > 0.99
    assert honey["n_best"][0] == {key: honey[key] for key in ("answer", "score", "start", "end")}
    assert len(honey["n_best"]) <= 20
    assert "null_odds" not in honey


def test_squad_2(squad: Data, write: Write, bert_like: PreTrainedTokenizerBase) -> None:
    squad["data"][0]["paragraphs"][0]["qas"][1].update(answers=[], is_impossible=True)
    path = write(squad)
    task = load(train=path, validation=path, unanswerable=True, max_length=120, stride=40)
    (evaluation,) = task.evaluation_sets(bert_like)
    logits = perfect_logits(task, bert_like, evaluation)
    metrics = evaluation.score(logits)
    assert len(metrics) == 6
    assert set(metrics.values()) == {100.0}
    predictions = evaluation.predictions(logits)
    assert predictions["n2"]["answer"] == ""
    assert predictions["n2"]["null_odds"] > 0 > predictions["n1"]["null_odds"]
    shy = replace(task, rules=replace(task.rules, null_threshold=-100.0))
    assert shy.evaluation_sets(bert_like)[0].score(logits)["exact_match"] == pytest.approx(100 / 3)


def test_missing_set_is_one_line(
    task: QuestionAnswering, bert_like: PreTrainedTokenizerBase
) -> None:
    with pytest.raises(DataError, match=r"no test data: set task\.test"):
        task.evaluation_sets(bert_like, "test")
    empty = replace(task, examples={})
    with pytest.raises(DataError, match=r"no train data: set task\.train"):
        empty.training_features(bert_like)


def test_notes_come_from_all_sets(squad: Data, write: Write) -> None:
    squad["data"][1]["paragraphs"][0]["qas"][0]["answers"][0]["answer_start"] = 9
    path = write(squad)
    first, second = load(train=path, validation=path).notes
    assert "left out of training" in first
    assert "kept" in second


def test_a_model_takes_the_features(
    task: QuestionAnswering, bert_like: PreTrainedTokenizerBase
) -> None:
    model = BertForQuestionAnswering(
        BertConfig(
            vocab_size=len(bert_like),
            hidden_size=8,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=8,
        )
    )
    rows = list(task.training_features(bert_like))
    with torch.no_grad():
        output = model(**DataCollatorWithPadding(bert_like)(rows))
    assert torch.isfinite(output.loss)
    (evaluation,) = task.evaluation_sets(bert_like)
    metrics = evaluation.score((output.start_logits.numpy(), output.end_logits.numpy()))
    assert 0 <= metrics["exact_match"] <= metrics["f1"] <= 100


@pytest.fixture(scope="session")
def xquad(shared: Path) -> str:
    return str(shared / "data" / "xquad" / "xquad.en.json")


@pytest.fixture(scope="session")
def xquad_tokenizer(
    xquad: str, character_tokenizer: Callable[..., PreTrainedTokenizerBase]
) -> PreTrainedTokenizerBase:
    text = Path(xquad).read_text(encoding="utf-8")
    return character_tokenizer(sorted(set(json.dumps(json.loads(text), ensure_ascii=False))))


@pytest.mark.shared
@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(article=st.integers(0, 47), max_length=st.integers(300, 512), stride=st.integers(150, 200))
def test_law_labels_give_full_marks_on_xquad(
    xquad: str,
    xquad_tokenizer: PreTrainedTokenizerBase,
    article: int,
    max_length: int,
    stride: int,
) -> None:
    """A stride as long as the longest answer puts each answer whole into some window.

    With a token for each character nothing is lost between answers and positions.
    """
    source = {"path": xquad, "articles": f"{article}:{article + 1}"}
    task = load(train=source, validation=source, max_answer_length=200)
    task = replace(task, windows=WindowShape(max_length, stride))
    (evaluation,) = task.evaluation_sets(xquad_tokenizer)
    longest = max(len(e.answers[0].text) for e in task.examples["validation"])
    logits = perfect_logits(task, xquad_tokenizer, evaluation)
    metrics = evaluation.score(logits)
    assert longest <= stride
    assert metrics == {"exact_match": 100.0, "f1": 100.0}


@pytest.mark.shared
def test_long_contexts_are_quick_and_quiet(
    shared: Path, bert_like: PreTrainedTokenizerBase, caplog: pytest.LogCaptureFixture
) -> None:
    """An article of COVID-QA, a token a character: contexts far beyond any model's length."""
    path = str(shared / "data" / "covid-qa" / "200423_covidQA.json")
    task = load(validation={"path": path, "articles": "0:1"})
    (evaluation,) = task.evaluation_sets(bert_like)
    assert len(evaluation.features) > 50 * evaluation.examples
    assert caplog.records == []
