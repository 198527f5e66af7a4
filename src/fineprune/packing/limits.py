"""How much a packed file may ask for: set by who reads it, never by the file.

What a file asks for is counted in bytes of memory, before any of it is reserved. Entropy coding
can announce a matrix of any size in a few bytes, so a small file gets no more than a small model
needs, unless its reader says otherwise.
"""

from dataclasses import dataclass

from fineprune.packing.errors import LimitError

_SPARE_BYTES = 1 << 26
_EXPANSION = 64


@dataclass(frozen=True)
class ReadLimits:
    """Upper bounds on what reading a packed file may take.

    Attributes:
        file_bytes: size of the file.
        header_bytes: size of its JSON header.
        memory_bytes: memory for tensors, as they are kept and while they are decoded, and for the
            metadata; the file itself and what is attached not included. Without, 64 MiB and 64
            times the size of the file; a packed BERT-base takes three to four times its size.
        weights: elements of all tensors together, pruned and tied ones included, as declared: what
            unpacking writes, at four bytes each.
        attachment_bytes: size of all attached files together (tokenizer, recipe), expanded.
    """

    file_bytes: int = 1 << 32
    header_bytes: int = 1 << 24
    memory_bytes: int | None = None
    weights: int = 1 << 30
    attachment_bytes: int = 1 << 27

    def memory_for(self, file_bytes: int) -> int:
        """The bytes of memory that a file of this size may ask for."""
        if self.memory_bytes is not None:
            return self.memory_bytes
        return _SPARE_BYTES + _EXPANSION * file_bytes


def check_limit(what: str, found: int, allowed: int, name: str) -> None:
    """Raises `LimitError` if `found` is more than `allowed`.

    Args:
        what: is counted.
        found: so many there are.
        allowed: and so many there may be.
        name: of the attribute of `ReadLimits` that says so.
    """
    if found > allowed:
        raise LimitError(
            f"{what}: {found:,}, but the limit is {allowed:,}; "
            f"raise {name} in ReadLimits if you trust the file"
        )


class MemoryBudget:
    """What is left of the memory that a file may ask for.

    Args:
        allowed: bytes.
    """

    def __init__(self, allowed: int) -> None:
        self._allowed = allowed
        self._spent = 0

    @property
    def left(self) -> int:
        """Bytes that may still be asked for."""
        return self._allowed - self._spent

    def spend(self, what: str, size: int) -> None:
        """Asks for bytes that will be held as long as the model.

        Raises:
            LimitError: there are not so many left.
        """
        self.require(what, size)
        self._spent += size

    def require(self, what: str, size: int) -> None:
        """Asks for bytes that will be given back.

        Raises:
            LimitError: there are not so many left.
        """
        check_limit(
            f"bytes of memory with {what}", self._spent + size, self._allowed, "memory_bytes"
        )


@dataclass(frozen=True)
class Memory:
    """Bytes of memory that a record asks for, at most.

    Attributes:
        kept: of the tensor.
        working: of what is needed beside it while it is decoded.
    """

    kept: int
    working: int
