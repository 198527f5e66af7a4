"""Accuracy against bytes and milliseconds, beside the dense model in other engines.

```
records.py  what came of it, and what it says
models.py   what a run left, and packed files of that
measure.py  all of these on one task, in turns
```
"""
