"""The encoder of the binding: what it refuses, and callers at the same time.

That it computes the right thing is tested beside PyTorch (test_engine.py) and, per kernel and
instruction set, in native/tests.
"""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fineprune.engine import _native

HIDDEN, INTERMEDIATE, VOCABULARY, POSITIONS = 32, 64, 20, 40
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


EMBEDDINGS: dict[str, Any] = {
    "word": _native.Embedding(VOCABULARY, HIDDEN, uniform(VOCABULARY, HIDDEN), None),
    "position": _native.Embedding(POSITIONS, HIDDEN, uniform(POSITIONS, HIDDEN), None),
    "type": None,
    "norm": norm(),
    "projection": None,
}
LAYER: dict[str, Any] = {
    **{name: affine(HIDDEN, HIDDEN) for name in ("query", "key", "value", "output")},
    "attention_norm": norm(),
    "up": affine(INTERMEDIATE, HIDDEN),
    "down": affine(HIDDEN, INTERMEDIATE),
    "output_norm": norm(),
}
OPTIONS: dict[str, Any] = {
    "heads": 4,
    "epsilon": 1e-6,
    "activation": "gelu",
    "bias": None,
    "precision": "float32",
    "instruction_set": INSTRUCTION_SET,
    "threads": 2,
}


def make_encoder(**options: Any) -> _native.Encoder:
    return _native.Encoder(EMBEDDINGS, [LAYER, LAYER], **{**OPTIONS, **options})


def ids(*numbers: int) -> NDArray[np.int32]:
    return np.array(numbers, np.int32)


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
        _native.Encoder({**EMBEDDINGS, "word": table}, [LAYER], **OPTIONS).run(
            ids(2, 0, 1), ids(0, 1, 2), ids(0, 0, 0), ids(3)
        )
        for table in (small, large)
    ]
    np.testing.assert_allclose(states[0], states[1], atol=1e-6)


def test_float16_may_come_as_bits() -> None:
    special = np.array([0, 6e-8, -6e-5, 1, 65504, -2.5, 1e-7, 0.1] * 4, np.float16)
    tables = [
        _native.Embedding(1, HIDDEN, values[None], None)
        for values in (special, special.view(np.uint16), special.astype(np.float32))
    ]
    states = [
        _native.Encoder({**EMBEDDINGS, "word": table, "position": None}, [LAYER], **OPTIONS).run(
            ids(0), ids(0), ids(0), ids(1)
        )
        for table in tables
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
        ({"heads": 5}, "hidden size, 32, is not a multiple of 5 heads"),
        ({"heads": 0}, "not a multiple of 0 heads"),
        ({"threads": 0}, "at least one thread, got 0"),
        ({"activation": "swish"}, 'activation must be .*, got "swish"'),
        ({"precision": "int4"}, 'got "int4"'),
        ({"instruction_set": ""}, "is not among those that this CPU runs"),
    ],
)
def test_refuses_options_that_it_does_not_have(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_encoder(**wrong)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"up": affine(INTERMEDIATE, HIDDEN + 1)}, r"up must be of shape \(64, 32\)"),
        ({"down": affine(HIDDEN, HIDDEN)}, r"down must be of shape \(32, 64\), got \(32, 32\)"),
        ({"query": (LAYER["query"][0], uniform(3))}, "query needs 32 biases, got 3"),
        ({"query": LAYER["query"][0]}, '"query" must be a tuple of two'),
        ({"query": (None, uniform(HIDDEN))}, '"query" must hold a Matrix'),
        ({"output_norm": (uniform(HIDDEN), uniform(3))}, "output_norm needs 32 weights"),
        ({"output_norm": (uniform(HIDDEN), None)}, "output_norm must be an array"),
    ],
)
def test_refuses_layers_that_do_not_fit(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        _native.Encoder(EMBEDDINGS, [{**LAYER, **wrong}], **OPTIONS)


def test_refuses_layers_with_parts_missing() -> None:
    layer = {name: part for name, part in LAYER.items() if name != "down"}
    with pytest.raises(ValueError, match='expected an entry "down"'):
        _native.Encoder(EMBEDDINGS, [layer], **OPTIONS)
    with pytest.raises(ValueError, match="at least one layer"):
        _native.Encoder(EMBEDDINGS, [], **OPTIONS)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"word": None}, "an encoder needs word embeddings"),
        ({"word": uniform(3, HIDDEN)}, '"word" must hold an Embedding'),
        ({"word": _native.Embedding(3, 8, uniform(3, 8), None)}, "must have 8 columns"),
        ({"projection": affine(HIDDEN, 8)}, r"projection must be of shape \(32, 32\)"),
        ({"norm": (uniform(8), uniform(8))}, "norm needs 32 weights and biases, got 8 and 8"),
    ],
)
def test_refuses_embeddings_that_do_not_fit(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        _native.Encoder({**EMBEDDINGS, **wrong}, [LAYER], **OPTIONS)


def test_refuses_tables_of_another_size() -> None:
    with pytest.raises(ValueError, match=r"shape \(3, 8\) cannot have 16 values"):
        _native.Embedding(3, 8, uniform(2, 8), None)
    with pytest.raises(ValueError, match="one scale a row, got 2 for 3 rows"):
        _native.Embedding(3, 8, uniform(3, 8), uniform(2))
    with pytest.raises(ValueError, match="values must be float32"):
        _native.Embedding(3, 8, uniform(3, 8).astype(np.float64), None)
