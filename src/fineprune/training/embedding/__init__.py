"""Runs of sentence embeddings, on the trainer and the losses of sentence-transformers.

```
model.py    encoders with what makes embeddings of their states -> load_embedder
loss.py     the task's loss, and what the teacher adds to it    -> EmbeddingLoss
batches.py  rows of several texts to padded batches             -> TextCollator
trainer.py  the trainer of recipes for such models              -> EmbeddingTrainer
prepare.py  from a recipe to that trainer                       -> embedding_trainer
```
"""
