"""Measurements, and what is shown of them.

```
accuracy.py  metrics of a packed file in the engine
names.py     what matrices are called
speed/       milliseconds beside other engines
```
"""
