"""A second reader of packed files: `docs/format.md` in plain Python, without checks, and slow."""

import json
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import prod
from typing import Any

DTYPES = {1: ("e", 2), 2: ("f", 4), 3: ("B", 1), 4: ("i", 4), 5: ("q", 8)}


class Bytes:
    """Fields from front to back."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.position = 0

    def take(self, size: int) -> bytes:
        self.position += size
        return self.data[self.position - size : self.position]

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "little")

    def numbers(self, size: int, count: int) -> list[int]:
        return [self.number(size) for _ in range(count)]


@dataclass
class Table:
    first: int
    frequencies: list[int]

    @property
    def last(self) -> int:
        return self.first + len(self.frequencies) - 1


def read_tables(data: Bytes) -> list[Table]:
    tables = []
    for _ in range(data.number(2)):
        first, further = data.numbers(1, 2)
        frequencies = []
        for _ in range(further):
            byte = data.number(1)
            frequencies.append(byte if byte < 128 else (byte & 127) + (data.number(1) << 7))
        tables.append(Table(first, [*frequencies, 2**14 - sum(frequencies)]))
    return tables


class Stream:
    """Asymmetric numeral systems as the document has them."""

    def __init__(self, data: Bytes) -> None:
        self.words = data.numbers(4, data.number(4))
        self.state = 0
        while self.state < 2**32 and self.words:
            self.state = self.state << 32 | self.words.pop()

    def symbols(self, table: Table, count: int) -> list[int]:
        if len(table.frequencies) == 1:
            return [table.first] * count
        return [self.symbol(table) for _ in range(count)]

    def symbol(self, table: Table) -> int:
        low = self.state % 2**24
        before = 0
        for symbol, frequency in enumerate(table.frequencies, table.first):
            if low < (before + frequency) * 2**10:
                self.state = self.state // 2**24 * frequency * 2**10 + low - before * 2**10
                if self.state < 2**32 and self.words:
                    self.state = self.state << 32 | self.words.pop()
                return symbol
            before += frequency
        raise AssertionError("frequencies add up to 2**14")

    def finish(self) -> None:
        assert self.state == 0
        assert not self.words


@dataclass
class Record:
    """A tensor: its header, then whatever its layout brings."""

    data: Bytes
    tables: list[Table]
    references: Iterator[Table] = field(default_factory=lambda: iter(()))

    def values(self) -> tuple[list[int], list[Any]]:
        """Shape, and values row by row."""
        sparse, self.kind = self.data.numbers(1, 2)
        shape = self.data.numbers(4, self.data.number(1))
        self.low = self.data.number(1)
        self.step = struct.unpack("<f", self.data.take(4))[0] if self.kind == 0 else 1.0
        self.rows, self.columns = (
            (shape[0], prod(shape[1:])) if len(shape) > 1 else (1, prod(shape))
        )
        cells = self.sparse() if sparse else self.dense()
        assert self.data.position == len(self.data.data)
        return shape, cells

    def refer(self, count: int) -> None:
        indices = self.data.numbers(2, count)
        self.references = iter([self.tables[index] for index in indices])

    def scales(self, stream: Stream) -> list[float]:
        if self.kind:
            return [1.0] * self.rows
        exponents = stream.symbols(next(self.references), self.rows)
        return [float32(float32(2 ** (e % 8 / 8)) * self.step) * 2.0 ** (e // 8) for e in exponents]

    def dense(self) -> list[Any]:
        number, chunk = self.data.number(1), self.data.number(4)
        self.refer((self.kind == 0) + 1 + number)
        sides = Stream(self.data)
        scales = self.scales(sides)
        classes = sides.symbols(next(self.references), self.rows)
        sides.finish()
        width = self.columns * (DTYPES[self.kind][1] if self.kind > 2 else 1)
        tables = list(self.references)
        cells: list[Any] = []
        for start in range(0, self.rows, chunk):
            members = range(start, min(start + chunk, self.rows))
            stream = Stream(self.data)
            high: dict[int, list[int]] = {}
            for one, table in enumerate(tables):
                for row in (row for row in members if classes[row] == one):
                    high[row] = stream.symbols(table, width)
            stream.finish()
            items = self.with_planes([symbol for row in members for symbol in high[row]])
            for index, row in enumerate(members):
                cells += self.decoded(items[index * width : (index + 1) * width], scales[row])
        return cells

    def sparse(self) -> list[Any]:
        classes = self.data.numbers(1, 2)
        number, kept = self.data.number(1), self.data.number(4)
        groups = self.data.numbers(1, classes[0] * classes[1])
        counts = self.data.numbers(4, number)
        self.refer((self.kind == 0) + 2 + number + classes[0])
        positions = Stream(self.data)
        scales = self.scales(positions)
        row_class = positions.symbols(next(self.references), self.rows)
        column_class = positions.symbols(next(self.references), self.columns)
        numbered = [
            (row, column)
            for group in range(1, number + 1)
            for block, of_block in enumerate(groups)
            if of_block == group
            for row in range(self.rows)
            if row_class[row] == block // classes[1]
            for column in range(self.columns)
            if column_class[column] == block % classes[1]
        ]
        at, found = 0, []
        for count in counts:
            table = next(self.references)
            for symbol in positions.symbols(table, count):
                if symbol < table.last:
                    found.append(numbered[at + symbol])
                at += symbol + (symbol < table.last)
        positions.finish()
        assert len(found) == kept
        found.sort()
        stream = Stream(self.data)
        high = {}
        for one, table in enumerate(self.references):
            for cell in (cell for cell in found if row_class[cell[0]] == one):
                high[cell] = stream.symbols(table, 1)[0]
        stream.finish()
        items = self.with_planes([high[cell] for cell in found])
        cells: list[Any] = [0.0] * (self.rows * self.columns)
        for (row, column), item in zip(found, items, strict=True):
            if self.kind == 0 and item >= 128:
                item += 1
            (cells[row * self.columns + column],) = self.decoded([item], scales[row])
        return cells

    def with_planes(self, high: list[int]) -> list[int]:
        size = -(-len(high) // 8)
        planes = [self.data.take(size) for _ in range(self.low)]
        return [
            symbol << self.low
            | sum((plane[i // 8] >> i % 8 & 1) << bit for bit, plane in enumerate(planes))
            for i, symbol in enumerate(high)
        ]

    def decoded(self, items: list[int], scale: float) -> list[Any]:
        if self.kind == 0:
            return [float32((item - 128) * scale) for item in items]
        letter, size = DTYPES[self.kind]
        width = 1 if self.kind > 2 else size
        data = b"".join(item.to_bytes(width, "little") for item in items)
        return list(struct.unpack(f"<{len(data) // size}{letter}", data))


def float32(number: float) -> float:
    """Rounded to float32."""
    return float(struct.unpack("<f", struct.pack("<f", number))[0])


@dataclass
class Model:
    config: dict[str, Any]
    tensors: dict[str, tuple[list[int], list[Any]]]
    attachments: dict[str, bytes]


def read(data: bytes) -> Model:
    """Everything a file holds; tensors as shape and values row by row."""
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    metadata = header.pop("__metadata__")
    entries = {
        name: data[8 + size :][slice(*entry["data_offsets"])] for name, entry in header.items()
    }
    crc = b"".join(name.encode() + b"\0" + entries[name] for name in sorted(entries))
    crc += b"".join(f"{k}\0{metadata[k]}\0".encode() for k in sorted(metadata) if k != "crc32")
    assert metadata["crc32"] == f"{zlib.crc32(crc):08x}"
    if metadata.get("format") == "fineprune":
        assert metadata["version"] == "1"
    else:
        assert metadata["fineprune.version"] == "2"
        assert set(json.loads(metadata["fineprune.requires"])) <= {"modules"}
    tables = read_tables(Bytes(entries["tables"]))
    tensors = {
        name.removeprefix("tensor:"): Record(Bytes(record), tables).values()
        for name, record in entries.items()
        if name.startswith("tensor:")
    }
    for name, first in json.loads(metadata["tied"]).items():
        tensors[name] = tensors[first]
    attachments = {}
    for name, record in entries.items():
        if name.startswith("file:"):
            content = zlib.decompress(record[4:])
            assert len(content) == int.from_bytes(record[:4], "little")
            attachments[name.removeprefix("file:")] = content
    return Model(json.loads(metadata["config"]), tensors, attachments)
