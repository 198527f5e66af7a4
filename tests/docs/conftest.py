"""The command line in this process, a workspace for runs, and trainings that end quickly."""

from tests.cli.conftest import fineprune, no_bars
from tests.training.conftest import _imports_are_no_garbage
from tests.workspace import workspace

__all__ = ["_imports_are_no_garbage", "fineprune", "no_bars", "workspace"]
