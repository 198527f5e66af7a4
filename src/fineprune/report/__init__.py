"""Measurements, and what is shown of them.

```
accuracy.py  metrics of a packed file in the engine
speed/       milliseconds beside other engines
```
"""
