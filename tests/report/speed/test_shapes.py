import pytest

from fineprune.report.speed.shapes import Shape, ShapeError


def test_written_and_read() -> None:
    assert Shape.parse(" 8x128") == Shape(8, 128)
    assert str(Shape(8, 128)) == "8x128"


@pytest.mark.parametrize(
    "text", ["", "8", "8x", "x8", "0x8", "8x0", "-1x8", "8x1e3", "8x8x8", "8X8"]
)
def test_what_is_no_shape(text: str) -> None:
    with pytest.raises(ShapeError, match="expected batch x tokens, such as 8x128"):
        Shape.parse(text)
