"""One fake upstream and one gateway for all tests; each test talks to models of its own."""

import anthropic
import openai
import pytest
from harness import PROVIDERS, Tierway, Upstream, Watch, fresh


@pytest.fixture(scope="session")
def upstream():
    upstream = Upstream()
    yield upstream
    upstream.stop()


@pytest.fixture(scope="session")
def tierway(upstream):
    tierway = Tierway(upstream)
    yield tierway
    said = tierway.said()
    assert tierway.stop() == 0, said
    assert "panicked" not in said, said


@pytest.fixture
def client(tierway):
    """The official client. It does not retry: each call is one call."""
    with openai.OpenAI(base_url=tierway.v1, api_key="any", max_retries=0, timeout=20) as client:
        yield client


@pytest.fixture
def aclient(tierway):
    return openai.AsyncOpenAI(base_url=tierway.v1, api_key="any", max_retries=0, timeout=60)


@pytest.fixture
def claude(tierway):
    with anthropic.Anthropic(base_url=tierway.address, api_key="any", max_retries=0, timeout=20) as client:
        yield client


@pytest.fixture
def aclaude(tierway):
    return anthropic.AsyncAnthropic(base_url=tierway.address, api_key="any", max_retries=0, timeout=60)


@pytest.fixture(params=PROVIDERS)
def provider(request):
    """Every API that can be spoken upstream."""
    return request.param


@pytest.fixture
def model(provider):
    """(name upstream, name to ask for) of a model of that provider."""
    return fresh(provider)


@pytest.fixture(scope="session")
def anyio_backend():
    return "asyncio"


def pytest_terminal_summary(terminalreporter):
    said = f"{Watch.streams} streams kept the grammar of their API, {Watch.left} were left by their client"
    terminalreporter.write_line(said)
