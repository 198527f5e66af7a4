import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fineprune.errors import TrainingError
from fineprune.pruning.schedule import PruningSchedule


@pytest.mark.parametrize(
    ("schedule", "total", "window"),
    [
        # The paper's SQuAD run: 5400 warm-up steps, one before and two after.
        (
            PruningSchedule(warmup_steps=5400, initial_warmup=1, final_warmup=2),
            55_000,
            (5400, 44_200),
        ),
        (PruningSchedule(warmup_steps=0.1, initial_warmup=1, final_warmup=3), 200, (20, 140)),
        (PruningSchedule(warmup_steps=4, initial_warmup=0, final_warmup=0), 10, (0, 10)),
        # By default: from a twentieth of the steps on, and two fifths of them to recover in.
        (PruningSchedule(), 200, (10, 120)),
        (PruningSchedule(warmup_steps=4, initial_warmup=0.5, final_warmup=1.25), 10, (2, 5)),
    ],
)
def test_window(schedule: PruningSchedule, total: int, window: tuple[int, int]) -> None:
    assert schedule.window(total) == window


@given(
    warmup=st.floats(0.01, 200),
    initial=st.floats(0, 4),
    final=st.floats(0, 4),
    total=st.integers(1, 1000),
)
def test_a_run_that_ends_before_its_warmups_is_refused(
    warmup: float, initial: float, final: float, total: int
) -> None:
    schedule = PruningSchedule(warmup_steps=warmup, initial_warmup=initial, final_warmup=final)
    steps = warmup if warmup >= 1 else warmup * total
    if total <= (initial + final) * steps:
        with pytest.raises(TrainingError, match="warm-ups take"):
            schedule.window(total)
    elif total > (initial + final) * steps + 1:  # rounding takes less than a step
        begin, end = schedule.window(total)
        assert 0 <= begin < end <= total
        assert begin == pytest.approx(initial * steps, abs=0.5)
        assert total - end == pytest.approx(final * steps, abs=0.5)


def test_the_message_says_what_is_there_and_what_is_needed() -> None:
    with pytest.raises(TrainingError) as caught:
        PruningSchedule(warmup_steps=100, initial_warmup=1, final_warmup=2).window(300)
    message = str(caught.value)
    assert message.startswith("warmup_steps=100: the run has 300 steps")
    assert "(1 + 2) warm-ups take 300" in message
    assert "\n" not in message


@pytest.mark.parametrize(
    "wrong",
    [
        {"warmup_steps": 0},
        {"initial_warmup": -1},
        {"final_warmup": math.nan},
        {"warmup_steps": math.inf},
        {"warmup_steps": True},
        {"warmup": 3},
    ],
)
def test_impossible_settings(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        PruningSchedule(**wrong)
