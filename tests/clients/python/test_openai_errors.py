"""Failures, as the exceptions of the official openai client."""

import openai
import pytest
from harness import fresh
from shared import CHAT_TOOLS, PNG_URL, user

# (fault of the upstream, exception of the client, code in the body; None: whatever)
FAULTS = [
    ({"kind": "rate_limit", "retry_after": "7"}, openai.RateLimitError, None),
    ({"kind": "out_of_credit"}, openai.APIStatusError, None),
    ({"kind": "context_too_long"}, openai.BadRequestError, "context_length_exceeded"),
    ({"kind": "content_filter"}, openai.BadRequestError, None),
    ({"kind": "model_not_found"}, openai.NotFoundError, None),
    ({"kind": "status", "status": 400}, openai.BadRequestError, None),
    ({"kind": "status", "status": 413}, openai.APIStatusError, None),
    ({"kind": "status", "status": 500}, openai.InternalServerError, None),
    ({"kind": "status", "status": 503}, openai.InternalServerError, None),
    ({"kind": "reset_before_headers"}, openai.InternalServerError, None),
    ({"kind": "close_before_headers"}, openai.InternalServerError, None),
    ({"kind": "garbage"}, openai.InternalServerError, None),
    ({"kind": "not_the_api"}, openai.InternalServerError, None),
]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("fault, wanted, code", FAULTS, ids=lambda value: "-".join(map(str, value.values())) if isinstance(value, dict) else "")  # fmt: skip
def test_a_failure_of_the_provider(client, upstream, model, fault, wanted, code, stream):
    name, ask = model
    upstream.fail(name, **fault)
    with pytest.raises(wanted) as caught:
        client.chat.completions.create(model=ask, messages=user("hello"), stream=stream)
    error = caught.value
    assert set(error.body) >= {"message", "type", "param", "code"}
    assert error.body["message"] and error.request_id
    if code:
        assert error.code == code
    if fault["kind"] == "rate_limit":
        assert error.response.headers["retry-after"] == "7"
    # The gateway has used up its own attempts: the client shall not multiply them.
    assert error.response.headers["x-should-retry"] == "false"
    assert "127.0.0.1" not in str(error)


def test_the_refused_key_of_the_router_is_not_the_client_s_fault(client, upstream, model):
    name, ask = model
    upstream.fail(name, "unauthorized")
    with pytest.raises(openai.APIStatusError) as caught:
        client.chat.completions.create(model=ask, messages=user("hello"))
    assert caught.value.status_code >= 500
    assert "operator" in str(caught.value)


def test_an_error_in_the_middle_of_a_stream(client, upstream, model):
    name, ask = model
    upstream.fail(name, "in_band", after=3)
    chunks = []
    with pytest.raises(openai.APIError) as caught:
        for chunk in client.chat.completions.create(model=ask, messages=user("hello"), stream=True):
            chunks.append(chunk)
    assert 1 <= len(chunks) and not any(choice.finish_reason for chunk in chunks for choice in chunk.choices)
    assert caught.value.message


@pytest.mark.parametrize("fault", ["cut", "missing_end", "malformed"])
def test_a_stream_that_breaks_is_no_answer(client, upstream, model, fault):
    name, ask = model
    upstream.fail(name, fault, **({"after": 3} if fault != "missing_end" else {}))
    chunks = []
    with pytest.raises(openai.APIError):
        for chunk in client.chat.completions.create(model=ask, messages=user("hello"), stream=True):
            chunks.append(chunk)
    assert not any(choice.finish_reason for chunk in chunks for choice in chunk.choices)


@pytest.fixture
def direct(upstream):
    """The client without tierway: what is measured against it."""
    with openai.OpenAI(base_url=upstream.address + "/v1", api_key="any", max_retries=0, timeout=20) as client:
        yield client


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_a_client_that_does_not_wait(client, direct, upstream, model, stream):
    """The client gives up; so does the call to the provider, at once."""

    def gives_up(client, ask):
        with pytest.raises(openai.APITimeoutError):
            client.with_options(timeout=0.2).chat.completions.create(model=ask, messages=user("hello"), stream=stream)

    (name, ask), alone = model, fresh("chat")[0]
    for one in (name, alone):
        upstream.fail(one, "silent")
    upstream.stops_within(100, (name, lambda: gives_up(client, ask)), (alone, lambda: gives_up(direct, alone)))


def test_an_aborted_stream_stops_its_upstream_within_100_ms(client, direct, upstream, model):
    def leaves(client, ask):
        stream = client.chat.completions.create(model=ask, messages=user("hello"), stream=True)
        for number, _ in enumerate(stream):
            if number == 10:
                break
        stream.close()

    (name, ask), alone = model, fresh("chat")[0]
    for one in (name, alone):
        upstream.traits(one, answer_tokens=5_000, pace={"first_ms": 0, "per_token_us": 5_000})
    upstream.stops_within(100, (name, lambda: leaves(client, ask)), (alone, lambda: leaves(direct, alone)))


def test_a_caller_without_a_key(upstream):
    from harness import Tierway

    import hashlib

    digest = hashlib.sha256(b"tw-right").hexdigest()
    tierway = Tierway(upstream, f'[[keys]]\nname = "app"\nhash = "sha256:{digest}"\nceiling = "standard"\n')
    try:
        ask = lambda key, model: openai.OpenAI(base_url=tierway.v1, api_key=key, max_retries=0).chat.completions.create(  # noqa: E731
            model=model, messages=user("hello")
        )
        assert ask("tw-right", "nano").choices
        with pytest.raises(openai.AuthenticationError) as caught:
            ask("tw-wrong", "nano")
        assert caught.value.body["code"] == "invalid_api_key" and "tw-wrong" not in str(caught.value)
        with pytest.raises(openai.PermissionDeniedError):
            ask("tw-right", "large")
        assert not [one for one in upstream.seen("large") if "tw-right" in one["body"]]
    finally:
        tierway.stop()


def refused(client, **request):
    with pytest.raises(openai.APIStatusError) as caught:
        client.chat.completions.create(**{"model": "auto", "messages": user("hello"), **request})
    return caught.value


def test_requests_that_cannot_be(client):
    """Refused by the gateway with a message that helps."""
    assert "empty" in str(refused(client, messages=[])) or "at least one" in str(refused(client, messages=[]))
    unknown = refused(client, model="gpt-99")
    assert isinstance(unknown, openai.NotFoundError) and unknown.code == "model_not_found"
    for known in ["auto", "nano", "standard", "reasoning", "small"]:
        assert f"{known}" in str(unknown)
    picture = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": PNG_URL}}]}]
    assert isinstance(refused(client, model="small", messages=picture), openai.BadRequestError)
    assert isinstance(refused(client, messages=[{"role": "wizard", "content": "x"}]), openai.BadRequestError)
    assert isinstance(refused(client, temperature="hot"), openai.BadRequestError)
    assert isinstance(refused(client, messages="hello"), openai.BadRequestError)
    assert refused(client, messages=user("x" * 13_000_000)).status_code == 413


def test_the_client_s_own_retries_meet_a_router_that_waits(tierway, upstream):
    """With its usual settings the client does not multiply what the gateway already tried."""

    name, ask = fresh("chat")
    upstream.fail(name, "status", status=503)
    with pytest.raises(openai.InternalServerError):
        openai.OpenAI(base_url=tierway.v1, api_key="any").chat.completions.create(
            model=ask, messages=user("hello"), tools=CHAT_TOOLS
        )
    assert len(upstream.seen(name)) == 1
