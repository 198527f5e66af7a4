"""Packed folders in `AutoModel` and `pipeline` of transformers: importing this is all it takes.

```python
import fineprune.huggingface
from transformers import AutoModelForSequenceClassification, pipeline

AutoModelForSequenceClassification.from_pretrained("packed")  # a folder, or a name on a hub
pipeline("text-classification", model="packed")
```
"""

from fineprune.extras import needs

with needs("train", "fineprune.huggingface"):
    from fineprune.huggingface.quantizer import PackedConfig, PackedQuantizer

__all__ = ["PackedConfig", "PackedQuantizer"]
