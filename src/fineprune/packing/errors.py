"""What can be wrong with a packed file: one class a cause, so that callers and tests can tell.

All but the last two are subclasses of `PackedFileError`; reading a packed file raises nothing else,
whatever the file holds, where the native coder is installed.
"""

from fineprune.errors import FinepruneError, PackedFileError


class ContainerError(PackedFileError):
    """The file is not a safetensors file, or its header is malformed."""


class TruncatedError(PackedFileError):
    """The file, or a record in it, ends before what it announces."""


class StreamRangeError(PackedFileError):
    """Entries of the file overlap, leave holes, or lie outside of its data."""


class ChecksumError(PackedFileError):
    """The content is not what was written: the checksum differs."""


class VersionError(PackedFileError):
    """The file is of a version of the format that this reader does not know."""


class LimitError(PackedFileError):
    """The file asks for more than the caller's limits allow."""


class MetadataError(PackedFileError):
    """The metadata lacks a key, or holds something else than the format says."""


class RecordError(PackedFileError):
    """A record's fields contradict each other or the format."""


class CountError(PackedFileError):
    """A count does not fit the shape that the record declares."""


class PositionError(PackedFileError):
    """A kept weight lies past the end of its matrix."""


class StreamError(PackedFileError):
    """An entropy-coded stream does not end where its symbols end."""


class ValueRangeError(PackedFileError):
    """A decoded value is one that the format does not allow."""


class PrecisionError(FinepruneError, ValueError):
    """A number of bits that no tensor can be stored with."""


class CoderMissingError(FinepruneError, ImportError):
    """The native coder of packed files was not built, or does not load."""
