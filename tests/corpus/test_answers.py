"""An engine's answers as columns: those that the engine itself gives, and none for broken rows."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pytest

from fineprune import Engine
from fineprune.corpus.answers import Answerer
from fineprune.corpus.columns import Columns
from fineprune.corpus.json_lines import JsonLinesWriter
from fineprune.corpus.parquet import arrow_schema, arrow_table
from fineprune.corpus.rows import Row
from fineprune.engine.errors import InputError
from fineprune.engine.tasks.cuts import counting_cuts
from tests.corpus.conftest import MakeModel

TEXTS = ["w1 w2", "", "w3 w4 w5 w6 w7", "w8"]
NAMES = {"id2label": {0: "no", 1: "yes", 2: "perhaps"}}


def asked(*texts: Any) -> list[Row]:
    """Rows, with a broken one in their middle."""
    rows = [Row(n, one if isinstance(one, tuple) else (one,)) for n, one in enumerate(texts, 1)]
    return [*rows[:2], Row(100, fault="it is broken"), *rows[2:]]


def answers(answerer: Answerer, rows: list[Row]) -> list[dict[str, Any]]:
    """Answers to all but the broken row, of which nothing but the error is said."""
    found = answerer(rows)
    assert all(one.keys() == answerer.columns.keys() for one in found)
    broken = found.pop(2)
    assert broken.pop("error") == "it is broken"
    assert set(broken.values()) == {None}
    assert {one.pop("error") for one in found} == {None}
    check_arrow(answerer.columns, answerer(rows))
    return found


def check_arrow(columns: Columns, found: list[dict[str, Any]]) -> None:
    """The same comes back out of a table of Arrow."""
    table = arrow_table(found, arrow_schema(columns))
    for one, other in zip(table.to_pylist(), found, strict=True):
        assert one.keys() == other.keys()
        for name, value in other.items():
            if isinstance(value, np.ndarray):
                np.testing.assert_array_equal(np.asarray(one[name], np.float32), value)
            else:
                assert one[name] == value


def test_classification(model: MakeModel) -> None:
    engine = Engine(model(**NAMES))
    assert answers(Answerer(engine), asked(*TEXTS)) == engine(TEXTS)
    several = Answerer(engine, options={"top_k": 2})
    assert [one["answers"] for one in answers(several, asked(*TEXTS))] == engine(TEXTS, top_k=2)


def test_pairs(model: MakeModel) -> None:
    engine = Engine(model(**NAMES))
    pairs = [(text, "w9 w10") for text in TEXTS]
    assert answers(Answerer(engine, pairs=True), asked(*pairs)) == engine(pairs)
    assert answers(Answerer(engine, context="w9 w10"), asked(*TEXTS)) == engine(pairs)


def test_scores_of_one_class(model: MakeModel) -> None:
    engine = Engine(model(num_labels=1, sbert_ce_default_activation_function=IDENTITY))
    pairs = [(text, "w9 w10") for text in TEXTS]
    found = answers(Answerer(engine, pairs=True), asked(*pairs))
    assert [one["score"] for one in found] == engine.predict(pairs).tolist()
    regression = Engine(model(num_labels=1, problem_type="regression"))
    said = answers(Answerer(regression), asked(*TEXTS))
    assert [one["score"] for one in said] == [one["score"] for one in regression(TEXTS)]


IDENTITY = "torch.nn.modules.linear.Identity"


def test_embeddings(model: MakeModel) -> None:
    engine = Engine(model("none"))
    found = answers(Answerer(engine), asked(*TEXTS))
    np.testing.assert_array_equal([one["embedding"] for one in found], engine.encode(TEXTS))
    short = Answerer(engine, options={"truncate_dim": 5, "normalize_embeddings": True})
    expected = engine.encode(TEXTS, truncate_dim=5, normalize_embeddings=True)
    got = [one["embedding"] for one in answers(short, asked(*TEXTS))]
    np.testing.assert_array_equal(got, expected)
    kind = arrow_schema(short.columns).field("embedding").type
    assert kind == pyarrow.list_(pyarrow.float32(), 5)


def test_question_answering(model: MakeModel) -> None:
    engine = Engine(model("question"))
    contexts = ["w1 w2 w3", "w4", "w5 " * 60, "w6 w7"]
    rows = asked(*zip(TEXTS, contexts, strict=True))
    assert answers(Answerer(engine, pairs=True), rows) == engine(TEXTS, contexts)
    found = answers(Answerer(engine, context="w1 w2"), asked(*TEXTS))
    assert found == engine(TEXTS, "w1 w2")
    several = answers(Answerer(engine, pairs=True, options={"top_k": 2}), rows)
    assert [one["answers"] for one in several] == engine(TEXTS, contexts, top_k=2)


def test_entities(model: MakeModel) -> None:
    engine = Engine(model("token"))
    assert [one["entities"] for one in answers(Answerer(engine), asked(*TEXTS))] == engine(TEXTS)
    whole = {"aggregation_strategy": "simple"}
    found = answers(Answerer(engine, options=whole), asked(*TEXTS))
    assert [one["entities"] for one in found] == engine(TEXTS, **whole)


def test_what_cannot_be_answered_stands_alone(
    model: MakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = Engine(model(**NAMES))
    expected = engine(TEXTS)
    task = engine.task

    def refusing(texts: list[str], **options: Any) -> Any:
        if "w8" in texts:
            raise InputError("the text 'w8' is refused")
        return task(texts, **options)

    answerer = Answerer(engine)
    monkeypatch.setattr(answerer._form, "_task", refusing)
    found = answerer([Row(n, (text,)) for n, text in enumerate(TEXTS, 1)])
    assert [one["label"] for one in found[:3]] == [one["label"] for one in expected[:3]]
    assert found[3] == {"label": None, "score": None, "error": "the text 'w8' is refused"}


def cut(answerer: Answerer, rows: list[Row]) -> int:
    with counting_cuts() as cuts:
        answerer(rows)
    return cuts.number


def test_texts_that_are_cut(model: MakeModel) -> None:
    rows = asked("w1 " * 30, "w1 " * 31, "w1 " * 3)
    assert cut(Answerer(Engine(model(**NAMES))), rows) == 1
    assert cut(Answerer(Engine(model(num_labels=1))), rows) == 1
    assert cut(Answerer(Engine(model("none"))), rows) == 1
    assert cut(Answerer(Engine(model("none")), options={"prompt": "w2 "}), rows) == 2
    assert cut(Answerer(Engine(model("token"))), rows) == 0  # by windows
    assert cut(Answerer(Engine(model("question")), context="w1 w2"), rows) == 0


def test_texts_are_counted_once_where_a_call_is_repeated(
    model: MakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    answerer = Answerer(Engine(model(**NAMES)))
    task = answerer._form._task  # type: ignore[attr-defined]

    def refusing(texts: list[str], **options: Any) -> Any:
        said = task(texts, **options)
        if "w8" in texts:
            raise InputError("the text 'w8' is refused")
        return said

    monkeypatch.setattr(answerer._form, "_task", refusing)
    rows = [Row(n, (text,)) for n, text in enumerate(["w1 " * 40, "w2", "w8", "w3 " * 40], 1)]
    assert cut(answerer, rows) == 2


@pytest.mark.parametrize("given", [{"top_k": 2}, {"top_k": 2, "max_answer_len": 1}])
def test_windows_of_questions(given: dict[str, Any], model: MakeModel) -> None:
    engine = Engine(model("question"))
    options = {**given, "doc_stride": 2, "max_seq_len": 12, "max_question_len": 3}
    found = Answerer(engine, context="w5 w6 " * 20, options=options)(asked("w1", "w2"))
    expected = engine(["w1", "w2"], "w5 w6 " * 20, **options)
    assert [one["answers"] for one in found[:2]] == expected


def test_strides_and_functions(model: MakeModel) -> None:
    tokens, classes = Engine(model("token")), Engine(model(**NAMES))
    found = Answerer(tokens, options={"stride": 3})([Row(1, ("w1 " * 50,))])
    assert found[0]["entities"] == tokens("w1 " * 50, stride=3)
    found = Answerer(classes, options={"function_to_apply": "none"})([Row(1, ("w1",))])
    assert found[0]["score"] == classes("w1", function_to_apply="none")["score"]
    one = Engine(model(num_labels=1))
    found = Answerer(one, options={"function_to_apply": "none"})([Row(1, ("w1",))])
    assert found[0]["score"] == one("w1", function_to_apply="none")["score"]


@pytest.mark.parametrize(
    ("head", "arguments", "said"),
    [
        ("question", {}, "by a second column"),
        ("none", {"pairs": True}, "embeds single texts"),
        ("token", {"context": "w1"}, "in single texts"),
        ("sequence", {"options": {"prompt_name": "query"}}, "no 'prompt_name'; it has 'top_k', "),
        ("sequence", {"options": {"candidate_labels": "w1"}}, "'candidate_labels' cannot be given"),
        ("sequence", {"options": {"function_to_apply": "odd"}}, "function_to_apply is 'odd'"),
        ("sequence", {"pairs": True, "context": "w1"}, "give one of them"),
        ("question", {"pairs": True, "context": "w1"}, "give one of them"),
        ("question", {"context": 5}, "5 is no text"),
        ("question", {"context": "w1", "options": {"max_seq_len": 1000}}, "the model takes"),
        ("none", {"options": {"batch_size": 3}}, "'batch_size' cannot be given"),
        ("none", {"options": {"truncate_dim": "abc"}}, "truncate_dim is 'abc'"),
        ("token", {"options": {"stride": 1000}}, "stride is 1000; expected a whole number"),
        ("none", {"options": {"prompt_name": "nobody"}}, "no prompt 'nobody'"),
        ("none", {"options": {"truncate_dim": 0}}, "truncate_dim is 0"),
        ("token", {"options": {"aggregation_strategy": "odd"}}, "'odd'"),
    ],
)
def test_what_a_model_does_not_take(
    head: str, arguments: dict[str, Any], said: str, model: MakeModel
) -> None:
    with pytest.raises(InputError, match=said):
        Answerer(Engine(model(head)), **arguments)


def test_one_class_has_no_others(model: MakeModel) -> None:
    with pytest.raises(InputError, match="leave out top_k"):
        Answerer(Engine(model(num_labels=1)), options={"top_k": 2})


def test_numbers_that_json_does_not_have(tmp_path: Path) -> None:
    path = tmp_path / "part"
    vector = np.array([1, np.nan, -np.inf], np.float32)
    said = {"row": 1, "score": float("nan"), "all": [{"score": float("inf")}], "vector": vector}
    JsonLinesWriter().write(path, [said, {"row": 2, "score": 0.5}])
    assert path.read_text() == (
        '{"row": 1, "score": null, "all": [{"score": null}], "vector": [1.0, null, null]}\n'
        '{"row": 2, "score": 0.5}\n'
    )
