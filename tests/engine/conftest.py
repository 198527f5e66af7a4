"""Packed models, each made once."""

from collections.abc import Callable

import pytest

from tests.engine.zoo import Packed, build, save_packed

MakePacked = Callable[..., Packed]


@pytest.fixture(scope="session")
def packed(tmp_path_factory: pytest.TempPathFactory) -> MakePacked:
    """Makes the packed model of an architecture, head and density."""
    made: dict[tuple[object, ...], Packed] = {}

    def make(
        architecture: str = "bert", head: str = "sequence", density: float = 0.3, bits: int = 8
    ) -> Packed:
        key = architecture, head, density, bits
        if key not in made:
            folder = tmp_path_factory.mktemp("packed") / "model"
            made[key] = save_packed(build(architecture, head, density), folder, head, bits)
        return made[key]

    return make
