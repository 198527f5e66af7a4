"""What a frontier says in words."""

from typing import Any

import pytest

from fineprune.report.frontier.findings import in_words
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
        engine, precision, metrics={"accuracy": score}, milliseconds=milliseconds,
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
        "10.0% kept reaches the accuracy of the dense model in int8, 0.951: 0.951 in fast, 2.0 "
        "times as fast as openvino int8, and 4.0 times smaller."
    )
    assert second == (
        "5.0% kept reaches the accuracy of the dense model in int8, 0.951 less 0.3 points: 0.948 "
        "in fast, 3.0 times as fast as openvino int8, and 5.0 times smaller."
    )


def test_none_is_good_enough() -> None:
    said = list(in_words(frontier(point("fineprune", "fast", 0.9, 1.0), FAST_RIVAL)))
    assert said[0] == "No packed model reaches the accuracy of the dense model in int8, 0.95."


def test_a_metric_in_percent() -> None:
    close = point("fineprune", "fast", 94.8, 1.0)
    first, second = in_words(frontier(close, point("openvino", "int8", 95.0, 2.0)))
    assert first.startswith("No packed model")
    assert second.startswith("10.0% kept")


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
        "metrics": {"accuracy": 0.95},
        "bytes": 40,
        "milliseconds": 3.0,
        "texts_per_second": 1.0,
    }
