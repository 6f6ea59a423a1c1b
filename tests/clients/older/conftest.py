"""One fake upstream and one gateway, for the clients that need older packages than the others."""

import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "python"))

from harness import PROVIDERS, Tierway, Upstream, fresh  # noqa: E402


@pytest.fixture(scope="session")
def upstream():
    upstream = Upstream()
    yield upstream
    upstream.stop()


@pytest.fixture(scope="session")
def tierway(upstream):
    tierway = Tierway(upstream)
    yield tierway
    assert tierway.stop() == 0


@pytest.fixture(params=PROVIDERS)
def model(request):
    return fresh(request.param)
