"""Every architecture and every method, as fixtures."""

from typing import Any

import pytest

from fineprune.pruning import Method
from tests.models import ARCHITECTURES, METHODS, Architecture


@pytest.fixture(params=ARCHITECTURES, ids=[one.name for one in ARCHITECTURES])
def architecture(request: pytest.FixtureRequest) -> Architecture:
    chosen: Architecture = request.param
    return chosen


@pytest.fixture(params=list(METHODS.values()), ids=list(METHODS))
def method(request: pytest.FixtureRequest) -> Method[Any]:
    chosen: Method[Any] = request.param
    return chosen
