"""The demo: the whole path on a model and data that need no download."""
