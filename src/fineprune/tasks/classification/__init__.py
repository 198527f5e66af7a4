"""Text classification and regression: the GLUE tasks, and the user's own data.

```
settings.py   the `task:` section of a recipe         -> ClassificationSettings
glue.py       what each GLUE task is
loading.py    from settings to a task                 -> load_classification
labels.py     raw labels to names, and their order
targets.py    what is predicted                       -> Classes, LabelSet, Quantity
examples.py   tables to checked examples
metrics.py    predictions to metrics
task.py       features and evaluation sets            -> Classification
```
"""

from fineprune.tasks.classification.loading import load_classification
from fineprune.tasks.classification.settings import ClassificationSettings
from fineprune.tasks.classification.task import Classification

__all__ = ["Classification", "ClassificationSettings", "load_classification"]
