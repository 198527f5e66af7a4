"""Reranking: one score for a query with a document.

```
settings.py   the `task:` section of a recipe   -> RerankingSettings
loading.py    from settings to a task           -> load_reranking
task.py       features, rankings and metrics    -> Reranking
```
"""

from fineprune.tasks.reranking.loading import load_reranking
from fineprune.tasks.reranking.settings import RerankingSettings
from fineprune.tasks.reranking.task import Reranking

__all__ = ["Reranking", "RerankingSettings", "load_reranking"]
