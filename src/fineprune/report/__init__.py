"""Measurements, and what is shown of them."""
