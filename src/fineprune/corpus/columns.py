"""What answers look like as columns of a table, whichever library holds it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

Scalar = Literal["text", "number", "integer"]


@dataclass(frozen=True)
class Vector:
    """Float32 numbers, as many in each row.

    Attributes:
        size: so many.
    """

    size: int


@dataclass(frozen=True)
class Records:
    """Any number of records.

    Attributes:
        fields: of each record.
    """

    fields: Mapping[str, Scalar]


Kind: TypeAlias = Scalar | Vector | Records
"""The type of a column. Any value may be missing."""

Columns: TypeAlias = Mapping[str, Kind]

ERROR = "error"
"""The column that says why a row has no answer."""
