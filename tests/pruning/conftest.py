"""Every architecture and every method, as fixtures."""

import pytest

from fineprune.pruning import Method
from tests.models import ARCHITECTURES, METHODS, Architecture


@pytest.fixture(params=ARCHITECTURES, ids=[one.name for one in ARCHITECTURES])
def architecture(request: pytest.FixtureRequest) -> Architecture:
    chosen: Architecture = request.param
    return chosen


@pytest.fixture(params=list(METHODS.values()), ids=list(METHODS))
def method(request: pytest.FixtureRequest) -> Method:
    chosen: Method = request.param
    return chosen
