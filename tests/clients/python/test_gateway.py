"""What tierway adds: names, headers, dry runs, money; and what it has to leave alone."""

import hashlib
import json
import math

import openai
import pytest
from harness import PROVIDERS, fresh
from shared import user


def raw(client, **request):
    return client.chat.completions.with_raw_response.create(**{"model": "auto", "messages": user("hello"), **request})


@pytest.mark.parametrize(
    "ask, tier, model",
    [
        ("nano", "nano", "chat/small"),
        ("standard", "standard", "chat/middle"),
        ("reasoning", "reasoning", "anthropic/large"),
        ("small", "nano", "chat/small"),
        ("chat/middle", "standard", "chat/middle"),
        ("anthropic/large", "reasoning", "anthropic/large"),
    ],
)
def test_names(client, ask, tier, model):
    answer = raw(client, model=ask)
    headers = answer.headers
    assert (headers["x-tierway-tier"], headers["x-tierway-model"]) == (tier, model)
    assert answer.parse().choices[0].message.content.startswith(f"{model.split('/')[1]} answers:")


def test_auto_says_what_it_did(client):
    answer = raw(client, messages=user("What is the capital of France?"))
    headers = answer.headers
    for name in ["request-id", "tier", "model", "reason", "complexity", "task-type", "cost-usd", "baseline-usd", "attempts"]:
        assert headers[f"x-tierway-{name}"], name
    assert headers["x-request-id"] == headers["x-tierway-request-id"] == answer.parse()._request_id
    usage = answer.parse().usage
    cost = float(headers["x-tierway-cost-usd"])
    assert math.isclose(usage.model_extra["cost"], cost)
    assert set(usage.model_extra["cost_details"]) >= {"baseline_cost", "saved"}


def test_the_cost_is_what_the_tokens_cost(client):
    answer = raw(client, model="nano")
    usage = answer.parse().usage
    wanted = (usage.prompt_tokens * 0.15 + usage.completion_tokens * 0.60) / 1e6
    assert math.isclose(float(answer.headers["x-tierway-cost-usd"]), wanted, rel_tol=1e-9)
    baseline = (usage.prompt_tokens * 5 + usage.completion_tokens * 15) / 1e6
    assert math.isclose(float(answer.headers["x-tierway-baseline-usd"]), baseline, rel_tol=1e-9)


@pytest.mark.parametrize(
    "headers, tier",
    [
        ({"x-tierway-tier": "reasoning"}, "reasoning"),
        ({"x-tierway-min-tier": "reasoning"}, "reasoning"),
        ({"x-tierway-max-tier": "nano"}, "nano"),
    ],
)
def test_pins_by_header(client, headers, tier):
    assert raw(client, extra_headers=headers).headers["x-tierway-tier"] == tier


def test_an_unknown_tier_in_a_header_is_refused(client):
    with pytest.raises(openai.BadRequestError) as caught:
        raw(client, extra_headers={"x-tierway-tier": "giga"})
    assert "nano, standard, reasoning" in str(caught.value)


def test_a_dry_run_calls_nobody(client, upstream):
    before = len(upstream.seen("small")) + len(upstream.seen("middle")) + len(upstream.seen("large"))
    answer = raw(client, extra_headers={"x-tierway-dry-run": "1"})
    decision = json.loads(answer.text)
    assert decision["object"] == "tierway.decision" and decision["targets"]
    assert decision["tier"] == answer.headers["x-tierway-tier"]
    assert before == len(upstream.seen("small")) + len(upstream.seen("middle")) + len(upstream.seen("large"))


def test_models(client):
    names = [model.id for model in client.models.list()]
    assert names[:4] == ["auto", "nano", "standard", "reasoning"]
    assert {"small", "middle", "large"} <= set(names)
    one = client.models.retrieve("standard")
    assert (one.id, one.object, one.owned_by) == ("standard", "model", "tierway")
    assert isinstance(one.created, int)
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("gpt-99")


def test_a_request_id_is_in_every_answer(client):
    assert client.chat.completions.create(model="auto", messages=user("hi"))._request_id
    with pytest.raises(openai.NotFoundError) as caught:
        client.chat.completions.create(model="gpt-99", messages=user("hi"))
    assert caught.value.request_id


def test_what_is_not_there_says_so(client):
    with pytest.raises(openai.NotFoundError) as caught:
        client.completions.create(model="auto", prompt="hello")
    assert "chat/completions" in str(caught.value)
    with pytest.raises(openai.NotFoundError):
        client.images.generate(prompt="a cat")
    with pytest.raises(openai.APIStatusError) as caught:
        client.get("/chat/completions", cast_to=object)
    assert caught.value.status_code == 405


# Embeddings


@pytest.mark.parametrize("how", [{}, {"encoding_format": "float"}, {"encoding_format": "base64"}], ids=["default", "float", "base64"])  # fmt: skip
def test_embeddings(client, upstream, how):
    name, ask = fresh("chat")
    answer = client.embeddings.create(model=ask, input=["one", "two", "three"], **how)
    assert [item.index for item in answer.data] == [0, 1, 2]
    if how.get("encoding_format") != "base64":
        assert all(len(item.embedding) == 8 and isinstance(item.embedding[0], float) for item in answer.data)
        assert answer.data[0].embedding != answer.data[1].embedding
    assert answer.usage.prompt_tokens == answer.usage.total_tokens > 0
    (seen,) = upstream.seen(name)
    assert seen["path"] == "/v1/embeddings" and seen["json"]["input"] == ["one", "two", "three"]


def test_embeddings_of_tokens_and_of_one_text(client, upstream):
    name, ask = fresh("resp")
    client.embeddings.create(model=ask, input=[[1, 2, 3], [4]])
    client.embeddings.create(model=ask, input="one", dimensions=8)
    assert [one["json"]["input"] for one in upstream.seen(name)] == [[[1, 2, 3], [4]], "one"]


@pytest.mark.anyio
async def test_embeddings_async(aclient):
    _, ask = fresh("chat")
    async with aclient:
        assert len((await aclient.embeddings.create(model=ask, input="hello")).data) == 1


def test_embeddings_are_recorded_and_priced(tierway, client):
    """By its name alone the model is found at the provider whose catalogue has it."""
    answer = client.embeddings.with_raw_response.create(model="text-embedding-3-small", input="x" * 4000)
    row = tierway.record(answer.headers["x-tierway-request-id"])
    assert (row["provider"], row["served_model"]) == ("openai", "text-embedding-3-small")
    assert answer.parse().usage.model_extra["cost"] == 1000 * 0.02 / 1e6 == row["paid"] / 1e12
    assert row["format"] == "openai_embeddings" and row["usage"]["input_tokens"] == answer.parse().usage.prompt_tokens
    assert row["baseline"] == row["paid"]  # nothing was routed, so nothing was saved


@pytest.mark.parametrize("ask", ["auto", "nano"])
def test_embeddings_are_not_routed(client, ask):
    with pytest.raises(openai.BadRequestError) as caught:
        client.embeddings.create(model=ask, input="hello")
    assert "name a model" in str(caught.value)


def test_embeddings_that_cannot_be(client, upstream):
    for request, wanted in [
        ({"model": "nobody-knows", "input": "x"}, openai.NotFoundError),
        ({"model": "chat/m", "input": ""}, openai.BadRequestError),
        ({"model": "chat/m", "input": []}, openai.BadRequestError),
        ({"model": "anthropic/m", "input": "x"}, openai.BadRequestError),
    ]:
        with pytest.raises(wanted):
            client.embeddings.create(**request)
    name, ask = fresh("chat")
    upstream.fail(name, "rate_limit", retry_after="7")
    with pytest.raises(openai.RateLimitError):
        client.embeddings.create(model=ask, input="x")


# What goes through


def test_unknown_fields_reach_the_provider_as_they_are(client, upstream):
    """Top level and nested, numbers and order of properties included. The provider says whether it takes them."""
    name, ask = fresh("chat")
    schema = {"type": "object", "properties": {"zebra": {"type": "string"}, "apple": {"type": "number"}}}
    tool = {"type": "function", "function": {"name": "f", "parameters": schema, "x_new": {"b": 1, "a": [2.0, None]}}}
    client.chat.completions.create(model=ask, messages=[{"role": "user", "content": "hi", "x_mark": True}], tools=[tool], seed=2**62 + 1)  # fmt: skip
    (seen,) = upstream.seen(name)
    assert f'"seed":{2**62 + 1}' in seen["body"].replace(" ", "")
    assert seen["json"]["messages"][0]["x_mark"] is True
    sent = seen["json"]["tools"][0]["function"]
    assert list(sent["parameters"]["properties"]) == ["zebra", "apple"]
    assert sent["x_new"] == {"b": 1, "a": [2.0, None]} and "2.0" in seen["body"]
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model=ask, messages=user("hi"), extra_body={"x_knob": 7})
    assert "x_knob" in str(caught.value)


def test_a_prompt_of_five_megabytes(client, upstream, model):
    name, ask = model
    upstream.traits(name, window=10_000_000)
    prompt = "word " * 1_000_000 + "the end"
    answer = client.chat.completions.create(model=ask, messages=user(prompt))
    assert answer.choices[0].finish_reason == "stop"
    digest = lambda text: hashlib.sha256(text.encode()).hexdigest()  # noqa: E731
    body = upstream.seen(name)[0]["json"]
    found = [text for text in texts_in(body) if len(text) > 1_000_000]
    assert [digest(text) for text in found] == [digest(prompt)]


def texts_in(value):
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from texts_in(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from texts_in(inner)


# Some of every plane: controls, joiners, right-to-left, combining, surrogate pairs, private use, the last of all.
PLANES = "".join(map(chr, [9, 10, 0x7F, 0x85, 0xA0, 0xE9, 0x300, 0x5D0, 0x627, 0x200D, 0x2028, 0x2029, 0xFEFF, 0xFFFD, 0x4E2D]))
PLANES += "".join(chr(plane << 16 | low) for plane in range(1, 17) for low in (0x0000, 0x1F600 & 0xFFFF, 0xFFFD))
PLANES += '"\\\b\f\r\t</script>\u0000'


def test_all_planes_of_unicode(client, upstream, model):
    name, ask = model
    answer = client.chat.completions.create(model=ask, messages=user(PLANES))
    assert PLANES in list(texts_in(upstream.seen(name)[0]["json"]))
    echoed = answer.choices[0].message.content.split("answers: ", 1)[1]
    assert echoed.startswith(PLANES.replace("\n", " "))
    chunks = client.chat.completions.create(model=ask, messages=user(PLANES), stream=True)
    streamed = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert streamed == answer.choices[0].message.content


@pytest.mark.parametrize("provider", PROVIDERS)
def test_nulls_where_something_is_optional(client, model):
    _, ask = model
    names = ["temperature", "top_p", "stop", "tools", "response_format", "user", "seed", "max_tokens", "stream_options", "logit_bias", "n"]  # fmt: skip
    answer = client.chat.completions.create(model=ask, messages=user("hi"), extra_body=dict.fromkeys(names))
    assert answer.choices[0].finish_reason == "stop"


def test_empty_texts(client, upstream):
    name, ask = fresh("chat")
    client.chat.completions.create(model=ask, messages=[{"role": "system", "content": ""}, *user("")])
    assert [message["content"] for message in upstream.seen(name)[0]["json"]["messages"]] == ["", ""]
