"""What all tests share."""

from pathlib import Path

import pytest
from hypothesis import settings

# A shared machine is slow at times: no single example may fail a property test for its duration.
settings.register_profile("fineprune", deadline=None, print_blob=True)
settings.load_profile("fineprune")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of shared data and golden values beside the checkout."""
    folder = Path(__file__).resolve().parents[2] / "shared"
    if not folder.is_dir():
        pytest.skip("needs ../shared, which is not there")
    return folder
