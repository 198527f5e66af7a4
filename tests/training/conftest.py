"""A workspace for runs."""

from tests.workspace import workspace

__all__ = ["workspace"]
