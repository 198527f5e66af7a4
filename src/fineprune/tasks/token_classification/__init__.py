"""Token classification: entities in texts, from tagged tokens or from spans of characters.

```
settings.py   the `task:` section of a recipe          -> TokenClassificationSettings
tags.py       tags of any scheme to entities, and back
examples.py   rows of either kind to texts with spans  -> Example
loading.py    from settings to a task                  -> load_token_classification
features.py   texts to windows with labels             -> Windowed
metrics.py    entities found against those expected
task.py       features and evaluation sets             -> TokenClassification
```
"""

from fineprune.tasks.token_classification.loading import load_token_classification
from fineprune.tasks.token_classification.settings import TokenClassificationSettings
from fineprune.tasks.token_classification.task import TokenClassification

__all__ = ["TokenClassification", "TokenClassificationSettings", "load_token_classification"]
