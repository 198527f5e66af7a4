"""Packed files with a lie in them, and otherwise sound: the checksum is that of the lie."""

import struct
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from fineprune.packing.container import Container, outline, to_parts
from fineprune.packing.limits import MemoryBudget, ReadLimits
from fineprune.packing.streams import Plan, Stream
from fineprune.packing.tables import TOTAL, Table, fit, tables_bytes

Change = Callable[[dict[str, bytes], dict[str, str]], object]

METADATA = {"format": "fineprune", "version": "1", "config": "{}", "provenance": "{}", "tied": "{}"}


def file_of(entries: dict[str, bytes], metadata: dict[str, str]) -> bytes:
    """A file with a true checksum."""
    return b"".join(to_parts(Container(entries, metadata)))


def container_of(data: bytes) -> Container:
    """What a file holds."""
    return outline(memoryview(data), ReadLimits(), MemoryBudget(1 << 26)).container()


def changed(data: bytes, change: Change) -> bytes:
    """A file whose entries and metadata have been changed in place."""
    container = container_of(data)
    entries = {name: bytes(content) for name, content in container.entries.items()}
    metadata = dict(container.metadata)
    change(entries, metadata)
    return file_of(entries, metadata)


def silent_file(
    header: bytes, symbols: Sequence[int], streams: int = 2, planes: bytes = b""
) -> bytes:
    """A file with one tensor, `w`, whose streams are empty whatever the header announces.

    Args:
        header: fields before the references.
        symbols: of each reference, the one symbol that its table has.
        streams: how many there are.
        planes: after the last stream.
    """
    tables = [Table(symbol, np.array([TOTAL])) for symbol in symbols]
    references = struct.pack(f"<{len(symbols)}H", *range(len(symbols)))
    record = header + references + bytes(4 * streams) + planes
    return file_of({"tables": tables_bytes(tables), "tensor:w": record}, METADATA)


def file_with(
    header: bytes,
    *streams: Sequence[NDArray[np.uint8]],
    planes: bytes = b"",
    tables: Sequence[Table] | None = None,
    **metadata: str,
) -> bytes:
    """A file with one tensor, `w`.

    Args:
        header: fields before the references.
        streams: the segments of each.
        planes: after the last stream.
        tables: one for each segment; those that fit if there are none.
        metadata: other than usual.
    """
    first = np.cumsum([0, *(len(segments) for segments in streams)])
    plan = Plan(
        header,
        [
            Stream(start, segments, planes if segments is streams[-1] else b"")
            for start, segments in zip(first, streams, strict=False)
        ],
    )
    tables = tables or [fit(histogram) for histogram in plan.histograms()]
    record = plan.record(range(plan.references), tables)
    return file_of({"tables": tables_bytes(tables), "tensor:w": record}, {**METADATA, **metadata})
