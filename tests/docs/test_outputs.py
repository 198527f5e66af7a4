"""What a page shows is held to what was printed."""

import pytest

from tests.docs.outputs import assert_shown

PRINTED = """runs/pruned
\u250f\u2501\u2501\u2533\u2501\u2513
\u2503 matrix \u2503 kept \u2503
\u2502 query 0 \u2502 1,000 \u2502
\u2502 query 1 \u2502 2.50e-3 \u2502

done
"""
SHOWN = [
    "runs/pruned",
    "\u2502 matrix | kept".replace("|", "\u2502"),
    "query 0 1,000",
    "query 1 2.50e-3",
    "done",
]


def test_frames_and_blanks_do_not_count() -> None:
    assert_shown(SHOWN, PRINTED, 0)


@pytest.mark.parametrize(
    "shown",
    [
        ["runs/pruned", "...", "done"],
        ["...", "query 1 2.50e-3", "done"],
        ["runs/pruned", "matrix kept", "..."],
        ["runs/pruned", "...", "query 1 2.50e-3", "..."],
    ],
)
def test_lines_may_be_left_out(shown: list[str]) -> None:
    assert_shown(shown, PRINTED, 0)


@pytest.mark.parametrize(
    "shown",
    [
        SHOWN[:-1],
        SHOWN[1:],
        [*SHOWN, "more"],
        ["runs/pruned", "...", "query 1 2.50e-3"],
        ["...", "query 1 2.50e-3", "query 0 1,000", "..."],
        ["runs/pruned", "query 0 1,000", "..."],
        [line.replace("query", "key") for line in SHOWN],
        [line.replace("1,000", "1,001") for line in SHOWN],
    ],
)
def test_what_is_not_so_is_found(shown: list[str]) -> None:
    with pytest.raises(AssertionError, match="the page"):
        assert_shown(shown, PRINTED, 0)


@pytest.mark.parametrize(
    ("shown", "printed", "within"),
    [
        ("9.0%", "10.0%", 0.1),
        ("10.0%", "9.0%", 0.1),
        ("1,100 bytes", "1,000 bytes", 0.1),
        ("0.0", "0", 0),
    ],
)
def test_numbers_may_differ_by_a_share_of_the_larger(
    shown: str, printed: str, within: float
) -> None:
    assert_shown([shown], printed, within)


@pytest.mark.parametrize(
    ("shown", "printed"), [("8.9%", "10.0%"), ("1.2 ms", "1.0 ms"), ("1 ms", "1 MB"), ("-1", "1")]
)
def test_and_by_no_more(shown: str, printed: str) -> None:
    with pytest.raises(AssertionError):
        assert_shown([shown], printed, 0.1)
