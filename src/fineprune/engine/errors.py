"""What can be wrong when a packed model is run."""

from fineprune.errors import FinepruneError, PackedFileError
from fineprune.errors import UnsupportedModelError as UnsupportedModelError


class InputError(FinepruneError, ValueError):
    """What a model was given is not what it takes."""


class WeightsError(PackedFileError):
    """A packed model lacks a tensor that its architecture has, or holds it in another shape."""


class NativeMissingError(FinepruneError, ImportError):
    """The engine's native part was not built, or does not load."""


class ThreadsError(FinepruneError, RuntimeError):
    """The system does not start the threads that an engine needs."""
