from pathlib import Path

import pytest

import fineprune

PAGE = Path(__file__).parents[2] / "docs" / "api.md"


@pytest.mark.parametrize("name", sorted(set(fineprune.__all__) - {"__version__"}))
def test_public_name_is_documented(name: str) -> None:
    entries = [line.partition(":: ")[2] for line in PAGE.read_text(encoding="utf-8").splitlines()]
    assert name in entries
