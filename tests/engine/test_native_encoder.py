"""The encoder of the binding: what it refuses, and callers at the same time.

That it computes the right thing is tested beside PyTorch (test_engine.py) and, per kernel and
instruction set, in native/tests.
"""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fineprune.engine import _native

HIDDEN, INTERMEDIATE, VOCABULARY, POSITIONS = 32, 64, 20, 40
Step = dict[str, Any]
RANDOM = np.random.default_rng(0)
INSTRUCTION_SET = _native.instruction_sets()[0]


def uniform(*shape: int) -> NDArray[np.float32]:
    return RANDOM.uniform(-0.5, 0.5, shape).astype(np.float32)


def affine(rows: int, columns: int) -> tuple[_native.Matrix, NDArray[np.float32]]:
    matrix = _native.Matrix.dense(
        rows,
        columns,
        uniform(rows, columns),
        None,
        precision="float32",
        instruction_set=INSTRUCTION_SET,
    )
    return matrix, uniform(rows)


def norm() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    return uniform(HIDDEN) + 1, uniform(HIDDEN)


def normalize(name: str, **changes: Any) -> Step:
    weight, bias = norm()
    return {
        "operation": "normalize",
        "source": name,
        "target": name,
        "weight": weight,
        "bias": bias,
        "epsilon": 1e-6,
        **changes,
    }


def linear(source: str, target: str, rows: int, columns: int, **changes: Any) -> Step:
    weight, bias = affine(rows, columns)
    return {
        "operation": "linear",
        "source": source,
        "target": target,
        "weight": weight,
        "bias": bias,
        "activation": "none",
        "adds": False,
        **changes,
    }


def attention(**changes: Any) -> Step:
    return {
        "operation": "attention",
        "queries": "query",
        "keys": "key",
        "values": "value",
        "heads": 4,
        "window": 0,
        "bias": None,
        "terms": 1,
        "rows": None,
        "row_keys": None,
        "row_queries": None,
        **changes,
    }


def table(rows: int = VOCABULARY, columns: int = HIDDEN) -> _native.Embedding:
    return _native.Embedding(rows, columns, uniform(rows, columns), None)


def gather(**tables: Any) -> Step:
    return {"operation": "gather", "target": "hidden", "tables": tables}


def neighbours(source: str, target: str, width: int) -> Step:
    return {"operation": "neighbours", "source": source, "target": target, "width": width}


def ids(*numbers: int) -> NDArray[np.int32]:
    return np.array(numbers, np.int32)


TOKENS, PLACES = table(), table(POSITIONS)
EMBEDDINGS: list[Step] = [gather(tokens=TOKENS, positions=PLACES), normalize("hidden")]
LAYER: list[Step] = [
    *(linear("hidden", name, HIDDEN, HIDDEN) for name in ("query", "key", "value")),
    attention(),
    linear("query", "hidden", HIDDEN, HIDDEN, adds=True),
    normalize("hidden"),
    linear("hidden", "intermediate", INTERMEDIATE, HIDDEN, activation="gelu"),
    linear("intermediate", "hidden", HIDDEN, INTERMEDIATE, adds=True),
    normalize("hidden"),
]
QUERY, ATTENTION, OUTPUT, DOWN = 0, 3, 4, 7
OPTIONS: dict[str, Any] = {
    "output": "hidden",
    "precision": "float32",
    "instruction_set": INSTRUCTION_SET,
    "threads": 2,
}


def make_encoder(
    embeddings: Sequence[Step] = EMBEDDINGS, layer: Sequence[Step] = LAYER, **options: Any
) -> _native.Encoder:
    """An encoder of two layers that are the same."""
    return _native.Encoder([*embeddings, *layer, *layer], **{**OPTIONS, **options})


def changed(number: int, **changes: Any) -> list[Step]:
    """The layer, with one step that is something else."""
    return [{**step, **changes} if index == number else step for index, step in enumerate(LAYER)]


def batch_of(*lengths: int) -> tuple[NDArray[np.int32], ...]:
    tokens = RANDOM.integers(0, VOCABULARY, sum(lengths)).astype(np.int32)
    positions = np.concatenate([np.arange(length, dtype=np.int32) for length in lengths])
    return tokens, positions, np.zeros_like(tokens), ids(*lengths)


def test_hidden_states_do_not_depend_on_threads_or_neighbours() -> None:
    batch = batch_of(30, 1, 17)
    together = make_encoder().run(*batch)
    assert together.shape == (48, HIDDEN)
    alone = make_encoder(threads=1)
    tokens, positions, types, _ = batch
    for first, length in ((0, 30), (30, 1), (31, 17)):
        part = slice(first, first + length)
        states = alone.run(tokens[part], positions[part], types[part], ids(length))
        np.testing.assert_allclose(together[part], states, atol=1e-5)


def test_first_only_gives_the_first_tokens() -> None:
    encoder, batch = make_encoder(), batch_of(30, 1, 17)
    first = encoder.run(*batch, first_only=True)
    np.testing.assert_allclose(first, encoder.run(*batch)[[0, 30, 31]], atol=1e-5)


def test_phases_make_up_a_run() -> None:
    encoder, batch = make_encoder(), batch_of(40, 40, 40)
    whole = [_seconds_of(lambda: encoder.phase_seconds(*batch)) for _ in range(5)]
    phases = encoder.phase_seconds(*batch)
    assert len(phases) == 1 + 2 * 2  # the first linears; attention and all else of two layers
    assert all(seconds > 0 for seconds in phases)
    assert sum(phases) < 3 * max(whole)
    assert len(encoder.phase_seconds(*batch, first_only=True)) == 5
    with pytest.raises(ValueError, match="token"):
        encoder.phase_seconds(ids(VOCABULARY), ids(0), ids(0), ids(1))


def _seconds_of(run: Callable[[], object]) -> float:
    start = time.thread_time()
    run()
    return time.thread_time() - start


def test_concurrent_calls_agree() -> None:
    encoder = make_encoder()
    batches = [batch_of(length, 5) for length in (1, 20, 33)]
    expected = [encoder.run(*batch) for batch in batches]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(5):
            for found, wanted in zip(
                pool.map(lambda batch: encoder.run(*batch), batches), expected, strict=True
            ):
                np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize(
    ("values", "scales"),
    [
        (RANDOM.standard_normal((3, HIDDEN)).astype(np.float16), None),
        (RANDOM.integers(-127, 128, (3, HIDDEN)).astype(np.int8), np.ones(3, np.float32) / 64),
    ],
)
def test_small_embeddings_mean_what_their_numbers_mean(
    values: NDArray[Any], scales: NDArray[np.float32] | None
) -> None:
    numbers = values.astype(np.float32) * (1 if scales is None else scales[:, None])
    small = _native.Embedding(3, HIDDEN, values, scales)
    large = _native.Embedding(3, HIDDEN, numbers, None)
    states = [
        make_encoder([gather(tokens=one, positions=PLACES), EMBEDDINGS[1]]).run(
            ids(2, 0, 1), ids(0, 1, 2), ids(0, 0, 0), ids(3)
        )
        for one in (small, large)
    ]
    np.testing.assert_allclose(states[0], states[1], atol=1e-6)


def test_float16_may_come_as_bits() -> None:
    special = np.array([0, 6e-8, -6e-5, 1, 65504, -2.5, 1e-7, 0.1] * 4, np.float16)
    tables = [
        _native.Embedding(1, HIDDEN, values[None], None)
        for values in (special, special.view(np.uint16), special.astype(np.float32))
    ]
    states = [
        make_encoder([gather(tokens=one), EMBEDDINGS[1]]).run(ids(0), ids(0), ids(0), ids(1))
        for one in tables
    ]
    np.testing.assert_array_equal(states[0], states[1])
    np.testing.assert_array_equal(states[0], states[2])


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        ((ids(VOCABULARY), ids(0), ids(0), ids(1)), "tokens must be from 0 to 19, got 20"),
        ((ids(-1), ids(0), ids(0), ids(1)), "tokens must be from 0 to 19, got -1"),
        ((ids(1), ids(POSITIONS), ids(0), ids(1)), "positions must be from 0 to 39, got 40"),
        ((ids(1, 2), ids(0), ids(0, 0), ids(2)), "expected 2 positions, got 1"),
        ((ids(1, 2), ids(0, 1), ids(0), ids(2)), "expected 2 types, got 1"),
        ((ids(1, 2), ids(0, 1), ids(0, 0), ids(2, 0)), "at least one token, got length 0"),
        ((ids(1, 2), ids(0, 1), ids(0, 0), ids(3, -1)), "at least one token, got length -1"),
        ((ids(1, 2), ids(0, 1), ids(0, 0), ids(1)), "lengths sum to 1, but there are 2 tokens"),
        ((ids(), ids(), ids(), ids()), "the batch is empty"),
        ((ids(1).astype(np.int64), ids(0), ids(0), ids(1)), "tokens must be int32, got int64"),
        ((ids(1)[None], ids(0), ids(0), ids(1)), "tokens must have 1 axis, got 2"),
    ],
)
def test_refuses_batches_that_do_not_fit(
    batch: tuple[NDArray[np.int32], ...], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        make_encoder().run(*batch)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"threads": 0}, "at least one thread, got 0"),
        ({"output": "nowhere"}, 'nothing is written to the output "nowhere"'),
        ({"output": "query"}, 'the output "query" must be normalized, or gathered'),
        ({"precision": "int4"}, 'got "int4"'),
        ({"instruction_set": ""}, "is not among those that this CPU runs"),
    ],
)
def test_refuses_options_that_it_does_not_have(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_encoder(**wrong)


@pytest.mark.parametrize(
    ("number", "wrong", "message"),
    [
        (DOWN, {"weight": affine(HIDDEN, 8)[0]}, '"intermediate" is of size 64, expected 8'),
        (DOWN, {"weight": affine(8, INTERMEDIATE)[0]}, '"hidden" is of size 32, expected 8'),
        (DOWN, {"source": "query"}, '"query" is of size 32, expected 64'),
        (DOWN, {"source": "other"}, '"other" is read before anything is written to it'),
        (DOWN, {"target": "other"}, '"other" is read before anything is written to it'),
        (OUTPUT, {"target": "query"}, '"query" cannot be computed in its own place'),
        (QUERY, {"bias": uniform(3)}, "hidden to query needs 32 biases, got 3"),
        (QUERY, {"bias": None}, "bias must be an array"),
        (QUERY, {"weight": None}, '"weight" must hold a Matrix'),
        (QUERY, {"weight": TOKENS}, '"weight" must hold a Matrix'),
        (QUERY, {"activation": "swish"}, 'activation must be .*, got "swish"'),
        (QUERY, {"adds": "no"}, '"adds" must be a bool'),
        (QUERY, {"operation": "guess"}, 'there is no operation "guess"'),
        (QUERY, {"operation": 3}, '"operation" must be a string'),
        (5, {"bias": uniform(3)}, 'the norm of "hidden" needs 32 weights and biases, got 32 and 3'),
        (5, {"weight": None}, "weight must be an array"),
        (5, {"epsilon": float("nan")}, "the epsilon of a norm must be a small number"),
        (5, {"source": "value"}, '"value" must be what a linear has written, and nothing else'),
        (ATTENTION, {"heads": 5}, '"query" of size 32 cannot have 5 heads'),
        (ATTENTION, {"heads": 0}, '"query" of size 32 cannot have 0 heads'),
        (ATTENTION, {"heads": "4"}, '"heads" must be an integer'),
        (ATTENTION, {"keys": "hidden"}, '"hidden" must be what a linear has written'),
        (ATTENTION, {"keys": "query"}, "queries need a buffer of their own"),
        (ATTENTION, {"keys": "gone"}, '"gone" is read before anything is written to it'),
        (ATTENTION, {"window": -1}, "a window must be 0 or more tokens, got -1"),
        (ATTENTION, {"window": 1 << 30}, "a window must be 0 or more tokens"),
        (
            ATTENTION,
            {"bias": uniform(3, 5)},
            r"bias must be of shape \(4, distances\), got \(3, 5\)",
        ),
        (ATTENTION, {"bias": uniform(4, 4)}, "of as many distances before a key as behind it"),
        (ATTENTION, {"bias": uniform(20)}, "bias must have 2 axes, got 1"),
        (ATTENTION, {"bias": uniform(4, 5), "window": 3}, "a window or biases, not both"),
        (ATTENTION, {"terms": 0}, "scores must be sums of at least one product"),
        (ATTENTION, {"rows": ids(0, 1, 0)}, "rows by distance need tables"),
        (ATTENTION, {"rows": ids(0, 1), "row_keys": uniform(2, 32)}, "as many distances before"),
        (ATTENTION, {"rows": ids(0, 2, 1), "row_keys": uniform(2, 32)}, "from 0 to 1, got 2"),
        (ATTENTION, {"rows": ids(0, -1, 1), "row_queries": uniform(2, 32)}, "from 0 to 1, got -1"),
        (ATTENTION, {"rows": ids(0), "row_keys": uniform(1, 9)}, "must be 32 a row"),
        (ATTENTION, {"rows": uniform(1), "row_keys": uniform(1, 32)}, "rows must be int32"),
    ],
)
def test_refuses_steps_that_do_not_fit(number: int, wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_encoder(layer=changed(number, **wrong))


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ({"operation": "multiply", "source": "key", "target": "gone"}, '"gone" is read before'),
        ({"operation": "multiply", "source": "hidden", "target": "key"}, '"hidden" must be what'),
        ({"operation": "rotate", "target": "key", "angles": "gone", "heads": 4}, '"gone" is read'),
        ({"operation": "rotate", "target": "key", "angles": "hidden", "heads": 4}, "expected 8"),
        ({"operation": "rotate", "target": "key", "angles": "value", "heads": 1}, "in float32"),
        ({"operation": "rotate", "target": "key", "angles": "hidden", "heads": 32}, "no halves"),
        ({"operation": "rotate", "target": "hidden", "angles": "hidden", "heads": 1}, "written"),
        (attention(heads=2), "attention of 2 heads after one of 4"),
        (neighbours("key", "hidden", 3), '"hidden" is of size 32, expected 96'),
        (neighbours("key", "around", 3), '"key" must be kept in float32'),
        (neighbours("hidden", "around", 3), '"hidden" must have been written before the last'),
        (neighbours("hidden", "around", 2), "an odd number of tokens below 256, got 2"),
        (neighbours("hidden", "around", 1 << 30), "an odd number of tokens below 256"),
        (neighbours("gone", "around", 3), '"gone" is read before'),
        (gather(), '"hidden" is gathered from no table'),
        (gather(tokens=table(columns=8)), '"hidden" is of size 32, expected 8'),
        (gather(words=TOKENS), 'by "tokens", "positions" or "types", got "words"'),
        (gather(tokens=None), '"tables" must hold an Embedding'),
        (gather(tokens=TOKENS, types=table(columns=8)), "must have 32 columns, got 8"),
        ({"operation": "normalize", "source": "hidden"}, 'expected an entry "target"'),
    ],
)
def test_refuses_further_steps_that_do_not_fit(step: Step, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_encoder(layer=[*LAYER, step])


def test_refuses_programs_without_attention() -> None:
    with pytest.raises(ValueError, match="an encoder needs attention"):
        make_encoder(layer=[])


@pytest.mark.parametrize(
    ("places", "message"),
    [
        (ids(0), "expected 3 places, got 1"),
        (ids(1, 1, 0), "places of a sequence must be at least 0, and ascend"),
        (ids(-1, 1, 0), "places of a sequence must be at least 0, and ascend"),
        (ids(0, 1, -1), "places of a sequence must be at least 0, and ascend"),
    ],
)
def test_refuses_places_that_do_not_ascend(places: NDArray[np.int32], message: str) -> None:
    batch = ids(1, 2, 3), ids(0, 1, 0), ids(0, 0, 0), ids(2, 1)
    make_encoder().run(*batch, ids(0, 5, 2))
    with pytest.raises(ValueError, match=message):
        make_encoder().run(*batch, places)


def test_refuses_tables_of_another_size() -> None:
    with pytest.raises(ValueError, match=r"shape \(3, 8\) cannot have 16 values"):
        _native.Embedding(3, 8, uniform(2, 8), None)
    with pytest.raises(ValueError, match="one scale a row, got 2 for 3 rows"):
        _native.Embedding(3, 8, uniform(3, 8), uniform(2))
    with pytest.raises(ValueError, match="values must be float32"):
        _native.Embedding(3, 8, uniform(3, 8).astype(np.float64), None)
