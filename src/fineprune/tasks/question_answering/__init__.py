"""Extractive question answering: an answer is a span of the context, or none (SQuAD 2.0).

```
settings.py  the `task:` section of a recipe            -> QuestionAnsweringSettings
loading.py   from settings to a task                    -> load_question_answering
formats.py   files and data sets to examples
examples.py  questions, and what is wrong with a set    -> Example
windows.py   contexts cut to what a model takes         -> ContextMap
labels.py    what a window is trained to say
answers.py   logits to the best answers                 -> Prediction
metrics.py   answers to the scores of SQuAD's scripts
task.py      features and evaluation sets               -> QuestionAnswering
```
"""

from fineprune.tasks.question_answering.loading import load_question_answering
from fineprune.tasks.question_answering.settings import QuestionAnsweringSettings
from fineprune.tasks.question_answering.task import QuestionAnswering

__all__ = ["QuestionAnswering", "QuestionAnsweringSettings", "load_question_answering"]
