"""Measurements, and what is shown of them.

```
accuracy.py  metrics of a packed file in the engine
speed/       milliseconds beside other engines
frontier/    both, for all densities of a run
rows.py      a task's texts as token ids
machine.py   what measurements are taken on
```
"""
