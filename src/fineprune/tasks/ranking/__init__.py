"""How well documents are ranked for queries: what embeddings and rerankers have in common."""

from fineprune.tasks.ranking.metrics import DEPTH, ranking_metrics

__all__ = ["DEPTH", "ranking_metrics"]
