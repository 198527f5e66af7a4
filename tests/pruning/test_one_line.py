from fineprune.pruning.one_line import one_line


def test_kind_and_text() -> None:
    assert one_line(ValueError("no such thing")) == "ValueError: no such thing"
    assert one_line(KeyError("weight_map")) == "KeyError: 'weight_map'"


def test_many_lines_become_one() -> None:
    assert one_line(RuntimeError("first\n  second\r\n\tthird\n")) == (
        "RuntimeError: first second third"
    )


def test_a_long_text_is_cut() -> None:
    line = one_line(ValueError("word " * 1000))
    assert len(line) <= 300
    assert line.endswith(" ...")


def test_an_error_without_a_text() -> None:
    assert one_line(AssertionError()) == "AssertionError:"
