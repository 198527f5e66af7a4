"""A workspace for runs, and trainings that do not search through all that was imported."""

import gc

import pytest

from tests.workspace import workspace

__all__ = ["workspace"]


@pytest.fixture(autouse=True, scope="session")
def _imports_are_no_garbage() -> None:
    # At the end of each training the loop collects garbage, which takes longer than training.
    gc.collect()
    gc.freeze()
