"""Where raw data come from: files of rows, Parquet, data sets of the hub; all become tables.

```
source.py     one source as a recipe names it          -> Source
read.py       picks the reader by the file's extension -> read
splits.py     the sources of a task, by split         -> Splits
table.py      what every reader returns                -> Table
broken.py     rows that cannot be used                 -> BrokenRow, OnBroken, refuse
delimited.py, json_rows.py, parquet.py, hub.py         the readers
records.py, text_file.py, arrow.py                     what readers share
```
"""

from fineprune.tasks.classification.sources.broken import (
    BrokenRow,
    OnBroken,
    notes_on_dropped,
    refuse,
)
from fineprune.tasks.classification.sources.read import read
from fineprune.tasks.classification.sources.source import Source
from fineprune.tasks.classification.sources.splits import (
    Sources,
    Splits,
    with_default_splits,
)
from fineprune.tasks.classification.sources.table import Table

__all__ = [
    "BrokenRow",
    "OnBroken",
    "Source",
    "Sources",
    "Splits",
    "Table",
    "notes_on_dropped",
    "read",
    "refuse",
    "with_default_splits",
]
