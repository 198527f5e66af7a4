"""One family of errors: each message says what was found, what was expected, and what to do."""


class FinepruneError(Exception):
    """Base of every error that a user can cause; the command line prints it as one line."""


class RecipeError(FinepruneError):
    """A recipe, or an override of one of its keys, is not valid."""


class DataError(FinepruneError):
    """A data set is missing, empty, malformed, or does not fit its task."""


class TargetError(FinepruneError):
    """A model has no prunable weights, or a pattern that names weights matches none."""


class CheckpointError(FinepruneError):
    """A model folder or checkpoint cannot be read, or is not what a command needs."""


class TrainingError(FinepruneError):
    """A training run cannot start, resume, or go on."""


class PackedFileError(FinepruneError):
    """A packed file is damaged, hostile, or of a version this reader does not know."""


class UnsupportedModelError(FinepruneError):
    """A model that the engine does not know how to run."""


class HubError(FinepruneError):
    """A packed model cannot be had from a hub, or brought there."""


class MissingExtraError(FinepruneError, ImportError):
    """A name needs an optional part of the installation that is not there."""


class FolderTakenError(FinepruneError):
    """A folder that is to be written holds something already."""


class FileTakenError(FinepruneError):
    """A file that is to be written would take the place of something that is no file."""


class WritingError(FinepruneError, OSError):
    """A file or folder cannot be written: the disk is full, or nobody may write there."""
