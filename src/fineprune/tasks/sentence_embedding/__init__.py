"""Sentence embedding: from pairs, triplets and scored pairs of texts.

```
settings.py   the `task:` section of a recipe           -> SentenceEmbeddingSettings
examples.py   rows to texts                             -> ExampleSet
loading.py    from settings to a task                   -> load_sentence_embedding
comparing.py  embeddings to metrics and predictions     -> Retrieval, Similarity
task.py       features and evaluation sets              -> SentenceEmbedding
```
"""

from fineprune.tasks.sentence_embedding.loading import load_sentence_embedding
from fineprune.tasks.sentence_embedding.settings import SentenceEmbeddingSettings
from fineprune.tasks.sentence_embedding.task import SentenceEmbedding

__all__ = ["SentenceEmbedding", "SentenceEmbeddingSettings", "load_sentence_embedding"]
