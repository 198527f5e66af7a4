"""What a frontier says in words."""

from dataclasses import replace
from typing import Any

import pytest

from fineprune.report.frontier.findings import conditions, in_words
from fineprune.report.frontier.records import Frontier, Machine, Point

MACHINE = Machine("a CPU", 2, "avx2")


def point(engine: str, precision: str, score: float, milliseconds: float, **other: Any) -> Point:
    values: dict[str, Any] = {
        "density": 0.1 if engine == "fineprune" else 1.0,
        "bits": 8,
        "embedding_bits": 8,
        "bytes": 10 if engine == "fineprune" else 40,
        "texts_per_second": 1.0,
    }
    return Point(
        engine, precision, metrics={"accuracy": score, "f1": score}, milliseconds=milliseconds,
        **{**values, **other},
    )  # fmt: skip


def frontier(*points: Point) -> Frontier:
    return Frontier("text-classification", "test", "accuracy", 100, MACHINE, points, {"x": "gone"})


FAST_RIVAL = point("openvino", "int8", 0.950, 3.0)
GOOD_RIVAL = point("onnxruntime", "int8-static", 0.951, 4.0)


def test_the_fastest_that_is_good_enough_beside_the_fastest_rival() -> None:
    ours = [
        point("fineprune", "float32", 0.952, 2.0, density=0.2),
        point("fineprune", "fast", 0.951, 1.5, density=0.1),
        point("fineprune", "fast", 0.948, 1.0, density=0.05, bytes=8),
        point("fineprune", "fast", 0.9479, 0.5, density=0.03),
    ]
    first, second = in_words(frontier(*ours, FAST_RIVAL, GOOD_RIVAL))
    assert first == (
        "10.0% kept reaches the accuracy of the dense model in int8, 95.1%: 95.1% in fast, 2.0 "
        "times as fast as openvino int8, and 4.0 times smaller."
    )
    assert second == (
        "5.0% kept reaches the accuracy of the dense model in int8, 95.1% less 0.3 points: 94.8% "
        "in fast, 3.0 times as fast as openvino int8, and 5.0 times smaller."
    )


def test_a_model_is_named_once() -> None:
    [said] = in_words(frontier(point("fineprune", "fast", 0.96, 1.0), FAST_RIVAL))
    assert said.startswith(
        "10.0% kept reaches the accuracy of the dense model in int8, 95.0%: 96.0%"
    )


def test_none_is_good_enough() -> None:
    ours = [point("fineprune", "fast", 0.9, 1.0), point("fineprune", "fast", 0.8, 0.5)]
    assert list(in_words(frontier(*ours, FAST_RIVAL))) == [
        "No packed model reaches the accuracy of the dense model in int8, 95.0% less 0.3 points. "
        "The best, 10.0% kept in fast, has 90.0%."
    ]


def test_a_metric_in_percent() -> None:
    close = point("fineprune", "fast", 94.8, 1.0)
    rival = point("openvino", "int8", 95.0, 2.0)
    [said] = in_words(replace(frontier(close, rival), metric="f1"))
    assert said == (
        "10.0% kept reaches the f1 of the dense model in int8, 95.0 less 0.3 points: 94.8 in fast, "
        "2.0 times as fast as openvino int8, and 4.0 times smaller."
    )


def test_the_dense_model_in_our_engine_is_no_packed_one() -> None:
    dense = point("fineprune", "float32", 0.96, 5.0, density=1.0)
    [said] = in_words(frontier(dense, point("fineprune", "fast", 0.9, 1.0), FAST_RIVAL))
    assert said.startswith("No packed model")


def test_conditions() -> None:
    assert conditions(frontier(FAST_RIVAL)) == (
        "Accuracy on 100 examples of test, text-classification. Milliseconds on a CPU, 2 threads, "
        "avx2."
    )
    alone = replace(frontier(FAST_RIVAL), rows=None, machine=Machine("a CPU", 1, "avx2"))
    assert conditions(alone) == (
        "Accuracy on test, text-classification. Milliseconds on a CPU, 1 thread, avx2."
    )


@pytest.mark.parametrize("rivals", [(), (point("torch", "float32", 0.95, 9.0),)])
def test_without_an_int8_engine_it_says_nothing(rivals: tuple[Point, ...]) -> None:
    assert list(in_words(frontier(point("fineprune", "int8", 0.95, 1.0), *rivals))) == []


def test_record() -> None:
    record = frontier(FAST_RIVAL).record()
    assert record["version"] == 1
    assert record["machine"] == {"cpu": "a CPU", "threads": 2, "instructions": "avx2"}
    assert record["left_out"] == {"x": "gone"}
    [found] = record["points"]
    assert found == {
        "engine": "openvino",
        "precision": "int8",
        "density": 1.0,
        "bits": 8,
        "embedding_bits": 8,
        "metrics": {"accuracy": 0.95, "f1": 0.95},
        "bytes": 40,
        "milliseconds": 3.0,
        "texts_per_second": 1.0,
    }
