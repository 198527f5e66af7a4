"""Measurements, the records that they leave, and what is shown of these.

```
accuracy.py  metrics of a packed file in the engine
speed/       milliseconds beside other engines
frontier/    both, for all densities of a run
rows.py      a task's texts as token ids
machine.py   what measurements are taken on

source.py    models of any kind, opened to be measured
density.py   what was pruned
masks.py     the same as images
storage.py   where bytes are
duration.py  where milliseconds are
history.py   how it was trained
points.py    accuracy against cost
measure.py   all of these together

records.py   what came of it: `--json`
findings.py  the same in words
names.py     what matrices are called
numbers.py   how numbers are written
tables.py    tables, for page and terminal alike
text.py      for a terminal
page/        as one page of HTML
```
"""
