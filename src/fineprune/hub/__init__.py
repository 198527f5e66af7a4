"""Packed models on a hub: pulled by name, pushed with a model card. No PyTorch.

```
files.py  what the file is called, and which one is meant
pull.py   from a name to a file on this machine
push.py   from a file to a repository
card.py   what is said of it there
```
"""

from fineprune.hub.files import FILENAME
from fineprune.hub.pull import pull
from fineprune.hub.push import push

__all__ = ["FILENAME", "pull", "push"]
