"""A file of sentence patterns, as small as can be learned from."""

import json
from pathlib import Path
from typing import Any


def home() -> dict[str, Any]:
    """Two intents of eight patterns each, told apart by their first word."""
    intents = {
        f"Hass{name}": {
            "data": [{"sentences": [f"<{verb}> {{number}} w{n + start}" for n in range(8)]}]
        }
        for name, verb, start in (("Alpha", "up", 0), ("Beta", "down", 8))
    }
    return {
        "intents": intents,
        "lists": {"number": {"range": {"from": 0, "to": 199}}},
        "skip_words": ["please"],
        "expansion_rules": {"up": "raise", "down": "lower"},
    }


def save(content: dict[str, Any], file: Path) -> Path:
    file.write_text(json.dumps(content), encoding="utf-8")
    return file
