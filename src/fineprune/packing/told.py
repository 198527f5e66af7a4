"""Files that only tell of a model: what is damaged in them tells nothing, and stops nobody."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from fineprune.packing.untrusted_yaml import load_untrusted

CONFIG, RECIPE, METRICS = "config.json", "recipe.yaml", "metrics.json"


def content_of(file: Path) -> bytes | None:
    """What a file holds; None where there is none."""
    return file.read_bytes() if file.is_file() else None


def json_object(content: bytes | None) -> dict[str, Any]:
    """A JSON object; empty of what is none."""
    return _mapping(json.loads, content)


def yaml_mapping(content: bytes | None) -> dict[str, Any]:
    """A mapping in YAML; empty of what is none."""
    return _mapping(load_untrusted, content)


def _mapping(read: Callable[[bytes], Any], content: bytes | None) -> dict[str, Any]:
    try:
        found = read(content) if content else {}
    except (ValueError, yaml.YAMLError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
