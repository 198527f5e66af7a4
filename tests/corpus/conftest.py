"""Packed models for each task, each made once, that read words."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.engine.zoo import build, save_packed
from tests.workspace import make_tokenizer

MakeModel = Callable[..., Path]


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> MakeModel:
    """Makes the packed file of a model with a head, its config changed."""
    made: dict[tuple[object, ...], Path] = {}

    def make(head: str = "sequence", **changes: Any) -> Path:
        key = head, repr(changes)
        if key not in made:
            folder = tmp_path_factory.mktemp("model") / head
            make_tokenizer().save_pretrained(folder)
            made[key] = save_packed(build("bert", head, **changes), folder, head).file
        return made[key]

    return make
