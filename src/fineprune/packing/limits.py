"""How much a packed file may ask for: set by who reads it, never by the file."""

from dataclasses import dataclass

from fineprune.packing.errors import LimitError


@dataclass(frozen=True)
class ReadLimits:
    """Upper bounds on what reading a packed file may take.

    Decoding takes the file, three bytes for each kept weight and one for each other, and while a
    tensor is decoded at most 64 bytes for each of its weights.

    Attributes:
        file_bytes: size of the file.
        header_bytes: size of its JSON header.
        weights: elements of all tensors together, pruned ones included, as declared.
        attachment_bytes: size of all attached files together (tokenizer, recipe), expanded.
    """

    file_bytes: int = 1 << 32
    header_bytes: int = 1 << 24
    weights: int = 1 << 30
    attachment_bytes: int = 1 << 27


def check_limit(what: str, found: int, allowed: int) -> None:
    """Raises `LimitError` if `found` is more than `allowed`."""
    if found > allowed:
        raise LimitError(
            f"{what}: {found:,}, but the limit is {allowed:,}; "
            "raise it in ReadLimits if you trust the file"
        )
