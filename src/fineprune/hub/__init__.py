"""Packed models on a hub: pulled by name, pushed with a model card. No PyTorch.

```
pull.py   from a name to a file on this machine
push.py   from a file, or a packed folder, to a repository
card.py   what is said of it there
```
"""

from fineprune.hub.pull import pull
from fineprune.hub.push import push
from fineprune.packing.places import FILENAME

__all__ = ["FILENAME", "pull", "push"]
