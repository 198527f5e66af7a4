"""Text classification and regression: the GLUE tasks, and the user's own data.

```
settings.py   the `task:` section of a recipe           -> ClassificationSettings
glue.py       what each GLUE task is
sources/      files and hub data sets, to tables of raw values
labels.py     raw labels to names, and their order
targets.py    what is predicted: classes or a number    -> Classes, Quantity
examples.py   tables to checked examples
features.py   examples to model inputs
metrics.py    predictions to metrics
task.py       all of it behind the task contract        -> Classification
```
"""

from fineprune.tasks.classification.settings import ClassificationSettings
from fineprune.tasks.classification.sources import Source
from fineprune.tasks.classification.task import Classification

__all__ = ["Classification", "ClassificationSettings", "Source"]
