"""Batches of every library get the engine's answers beside what they have."""

import sys
from typing import Any

import numpy as np
import pandas
import pyarrow
import pytest

from fineprune import BatchPredictor, Engine
from fineprune.corpus.spark import batch_function, spark_type
from fineprune.engine.errors import InputError
from fineprune.errors import MissingExtraError
from tests.corpus.conftest import MakeModel

TEXTS = ["w1 w2", None, "w3 w4 w5", "w6"]
GOOD = [0, 2, 3]
NAMES = {"id2label": {0: "no", 1: "yes", 2: "perhaps"}}
MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "classification": ("sequence", NAMES),
    "ranking": ("sequence", {"num_labels": 1}),
    "embedding": ("none", {}),
    "entities": ("token", {}),
}


def as_arrays() -> Any:
    return {"id": np.arange(4), "text": np.array(TEXTS, object)}


def as_frame() -> Any:
    return pandas.DataFrame({"id": np.arange(4), "text": TEXTS})


def as_table() -> Any:
    return pyarrow.table({"id": np.arange(4), "text": TEXTS})


BATCHES = {"arrays": as_arrays, "frame": as_frame, "table": as_table}


def column(batch: Any, name: str) -> list[Any]:
    values = batch[name]
    return values.to_pylist() if isinstance(batch, pyarrow.Table) else list(values)


def names_of(batch: Any) -> list[str]:
    return batch.column_names if isinstance(batch, pyarrow.Table) else list(batch)


def is_missing(value: Any) -> bool:
    """As pandas and NumPy have it."""
    if value is None:
        return True
    return bool(np.all(np.isnan(value))) if not isinstance(value, str | list) else False


@pytest.mark.parametrize("library", BATCHES)
@pytest.mark.parametrize("task", MODELS)
def test_answers_beside_what_there_is(task: str, library: str, model: MakeModel) -> None:
    head, changes = MODELS[task]
    file, batch = model(head, **changes), BATCHES[library]()
    predictor = BatchPredictor(file, threads=1)
    found = predictor(batch)
    assert type(found) is type(batch)
    assert names_of(found) == ["id", "text", *predictor.columns]
    assert column(found, "id") == [0, 1, 2, 3]
    assert list(predictor.columns)[-1] == "error"
    assert column(found, "error")[1] == "column 'text' is null"
    assert all(is_missing(column(found, "error")[place]) for place in GOOD)
    expected = said(Engine(file), task, [TEXTS[place] for place in GOOD])
    for name, values in expected.items():
        answers = column(found, name)
        assert is_missing(answers[1])
        for place, value in zip(GOOD, values, strict=True):
            if isinstance(value, np.ndarray):
                np.testing.assert_array_equal(np.asarray(answers[place], np.float32), value)
            else:
                assert answers[place] == value


def said(engine: Engine, task: str, texts: list[Any]) -> dict[str, Any]:
    """What the engine says, by columns."""
    if task == "ranking":
        return {"score": engine.predict(texts).tolist()}
    if task == "embedding":
        return {"embedding": engine.encode(texts)}
    answers = engine(texts)
    if task == "entities":
        return {"entities": answers}
    return {name: [answer[name] for answer in answers] for name in ("label", "score")}


def test_questions_with_a_prefix(model: MakeModel) -> None:
    file = model("question")
    batch = {"q": ["w1", "w2"], "c": ["w3 w4", "w5 w6 w7"], "answer": ["w3", "w7"]}
    predictor = BatchPredictor(file, column="q", pair_column="c", prefix="said_")
    found = predictor(pandas.DataFrame(batch))
    expected = Engine(file)(batch["q"], batch["c"])
    assert list(found["answer"]) == batch["answer"]
    assert list(found["said_answer"]) == [one["answer"] for one in expected]
    with pytest.raises(InputError, match="'answer' already; give a prefix"):
        BatchPredictor(file, column="q", pair_column="c")(pandas.DataFrame(batch))


def test_bytes_in_arrow_that_are_no_text(model: MakeModel) -> None:
    texts = pyarrow.array([b"w1 w2", b"w3 \xff", b"w4"]).view(pyarrow.string())
    found = BatchPredictor(model(**NAMES))(pyarrow.table({"text": texts}))
    assert column(found, "error") == [None, "column 'text' is not UTF-8 text", None]
    assert [one is None for one in column(found, "label")] == [False, True, False]


def test_a_context_beside_a_column_of_them(model: MakeModel) -> None:
    with pytest.raises(InputError, match="give one of them"):
        BatchPredictor(model("question"), pair_column="c", context="w1")
    with pytest.raises(InputError, match="give one of them"):
        next(batch_function(model("question"), pairs=True, context="w1")(iter([()])))


def test_spark_without_pandas(model: MakeModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingExtraError, match=r"spark_udf needs the package 'pandas'"):
        next(batch_function(model())(iter([()])))


def test_no_rows(model: MakeModel) -> None:
    for head in ("sequence", "none"):
        for batch in (as_frame()[:0], as_table()[:0], {"text": np.array([], object)}):
            assert len(column(BatchPredictor(model(head))(batch), "error")) == 0


def test_what_is_no_batch(model: MakeModel) -> None:
    predictor = BatchPredictor(model())
    with pytest.raises(InputError, match="no column 'text', only 'id'"):
        predictor({"id": np.arange(4)})
    with pytest.raises(InputError, match="a batch of type list"):
        predictor(TEXTS)


def test_a_function_of_series(model: MakeModel) -> None:
    file = model(**NAMES)
    batches = [pandas.Series(TEXTS), pandas.Series(["w7"]), pandas.Series([], dtype="str")]
    found = list(batch_function(file, threads=1)(iter(batches)))
    assert [len(frame) for frame in found] == [4, 1, 0]
    labels = [one["label"] for one in Engine(file)(["w1 w2", "w3 w4 w5", "w6", "w7"])]
    frame = pandas.concat(found)
    assert list(frame.columns) == ["label", "score", "error"]
    assert list(frame["label"].dropna()) == labels
    assert frame["error"].iloc[1] == "column 'text' is null"
    pair = pandas.Series(["w1"]), pandas.Series(["w2"])
    [answer] = batch_function(file, pairs=True)(iter([pair]))
    assert answer["score"].tolist() == [Engine(file)(("w1", "w2"))["score"]]


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        ("classification", "label string, score double, error string"),
        ("embedding", "embedding array<float>, error string"),
        (
            "entities",
            "entities array<struct<entity: string, score: double, index: bigint, word: string, "
            "start: bigint, end: bigint>>, error string",
        ),
    ],
)
def test_types_as_spark_writes_them(task: str, expected: str, model: MakeModel) -> None:
    head, changes = MODELS[task]
    assert spark_type(BatchPredictor(model(head, **changes)).columns) == expected
