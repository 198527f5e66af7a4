"""Tasks: from data files to features, and from logits to metrics."""
