"""Bedrock's Converse API, held against Amazon's own client: what tierway sends is valid by its description of the service, and
the fake upstream answers in frames that it can read."""

import json

import botocore.session
import openai
import pytest
from botocore.config import Config
from botocore.validate import ParamValidator
from harness import Tierway, fresh
from shared import CHAT_TOOLS, CLAUDE_TOOLS, PLACE_SCHEMA, PNG, PNG_URL, user

SESSION = botocore.session.get_session()
SHAPE = SESSION.get_service_model("bedrock-runtime").operation_model("Converse").input_shape
PDF = "JVBERi0xLjQK"
NOVA = "eu.amazon.nova-2-lite-v1:0"
MAKERS = ["amazon.nova-lite", "anthropic.claude-x", "eu.mistral.large", "meta.llama4", "openai.gpt-oss"]


def valid(upstream, name):
    """The bodies of all requests to that model, by Amazon's own rules."""
    bodies = [seen["json"] for seen in upstream.seen(name)]
    for body in bodies:
        report = ParamValidator().validate({"modelId": name, **body}, SHAPE)
        assert not report.has_errors(), report.generate_report()
    assert bodies
    return bodies


@pytest.fixture
def amazon(upstream):
    keys = {"aws_access_key_id": "AKIDFAKE", "aws_secret_access_key": "fake/secret+key"}
    config = Config(retries={"max_attempts": 0})
    return SESSION.create_client("bedrock-runtime", "eu-central-1", endpoint_url=upstream.address, config=config, **keys)


def test_amazons_client_reads_what_the_fake_says(amazon):
    name, _ = fresh("converse")
    ask = {"modelId": name, "messages": [{"role": "user", "content": [{"text": "hello"}]}]}
    whole = amazon.converse(**ask)
    assert whole["output"]["message"]["content"][0]["text"].startswith(f"{name} answers: hello")
    events = list(amazon.converse_stream(**ask)["stream"])
    said = "".join(event["contentBlockDelta"]["delta"]["text"] for event in events if "contentBlockDelta" in event)
    assert said == whole["output"]["message"]["content"][0]["text"]
    assert events[-2]["messageStop"]["stopReason"] == "end_turn"
    assert events[-1]["metadata"]["usage"]["outputTokens"] == whole["usage"]["outputTokens"]


def test_amazons_client_reads_a_failure_in_the_middle(amazon, upstream):
    name, _ = fresh("converse")
    upstream.fail(name, "in_band", after=2)
    stream = amazon.converse_stream(modelId=name, messages=[{"role": "user", "content": [{"text": "hello to you"}]}])
    with pytest.raises(Exception, match="serviceUnavailableException"):
        list(stream["stream"])


@pytest.mark.parametrize("maker", MAKERS)
def test_requests_of_openai_are_valid_ones(client, upstream, maker):
    name = f"{maker}-{fresh('chat')[0]}"
    picture = [{"type": "text", "text": "get_weather of this"}, {"type": "image_url", "image_url": {"url": PNG_URL}}]
    sheet = {"type": "file", "file": {"filename": "Q3_2026 (a).pdf", "file_data": f"data:application/pdf;base64,{PDF}"}}
    first = client.chat.completions.create(
        model=f"converse/{name}", messages=user(picture), tools=CHAT_TOOLS, temperature=0.3, top_p=0.5, stop=["END", " "],
        max_tokens=500, user="ann", metadata={"team": "a b", "odd": "\u4f60"}, service_tier="flex", seed=1,
    )  # fmt: skip
    call = first.choices[0].message.tool_calls[0]
    messages = [
        {"role": "system", "content": "Be brief."},
        *user(picture),
        first.choices[0].message.model_dump(exclude_none=True),
        {"role": "tool", "tool_call_id": call.id, "content": "20 C"},
        *user([sheet, sheet, {"type": "text", "text": "and?"}]),
    ]
    for stream in [False, True]:
        said = client.chat.completions.create(model=f"converse/{name}", messages=messages, stream=stream)
        assert list(said) if stream else said.choices[0].message.content
    first, second, third = valid(upstream, name)
    assert first["toolConfig"]["tools"][0]["toolSpec"]["name"] == "get_weather"
    # Without tools of its own the request still has to name those that were called.
    assert second == third and second["toolConfig"]["tools"][0]["toolSpec"]["name"] == "get_weather"
    assert first["requestMetadata"] == {"team": "a b"} and first["serviceTier"] == {"type": "flex"}


@pytest.mark.parametrize("maker", ["amazon.nova-2", "anthropic.claude-x"])
def test_requests_of_anthropic_are_valid_ones(claude, upstream, maker):
    name = f"{maker}-{fresh('chat')[0]}"
    upstream.traits(name, thinks="when_asked")
    mark = {"cache_control": {"type": "ephemeral"}}
    tools = [CLAUDE_TOOLS[0], {**CLAUDE_TOOLS[1], **mark}]
    ask = {"model": f"converse/{name}", "max_tokens": 4000, "tools": tools}
    messages = user("get_weather and get_time")
    system = [{"type": "text", "text": "Be brief. " * 500, **mark}]
    said = claude.messages.create(**ask, system=system, messages=messages, thinking={"type": "enabled", "budget_tokens": 2000})
    calls = [block for block in said.content if block.type == "tool_use"]
    assert [call.name for call in calls] == ["get_weather", "get_time"] and said.stop_reason == "tool_use"
    picture = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}
    results = [{"type": "tool_result", "tool_use_id": call.id, "content": [picture], "is_error": True} for call in calls]
    messages += [{"role": "assistant", "content": [block.model_dump() for block in said.content]}, {"role": "user", "content": results}]  # fmt: skip
    with claude.messages.stream(**ask, system=system, messages=messages) as stream:
        last = stream.get_final_message()
    assert last.stop_reason == "end_turn" and last.usage.output_tokens > 0
    first, second = valid(upstream, name)
    assert first["system"][1] == {"cachePoint": {"type": "default"}}
    assert second["messages"][2]["content"][0]["toolResult"]["status"] == "error"


def test_a_schema_that_no_way_leads_to_is_refused(client):
    form = {"type": "json_schema", "json_schema": {"name": "place", "schema": PLACE_SCHEMA}}
    for maker, works in [("amazon.nova", True), ("meta.llama4", False)]:
        ask = {"model": f"converse/{maker}-{fresh('chat')[0]}", "messages": user("Rome"), "response_format": form}
        if works:
            assert set(json.loads(client.chat.completions.create(**ask).choices[0].message.content)) == {"city", "days"}
        else:
            with pytest.raises(Exception, match="neither be held to a schema nor forced"):
                client.chat.completions.create(**ask)


def test_usage_holds_what_the_cache_did(claude, tierway):
    _, model = fresh("converse")
    long = [{"type": "text", "text": "Know this. " * 1000, "cache_control": {"type": "ephemeral"}}]
    ask = {"model": model, "max_tokens": 50, "system": long, "messages": user("hello")}
    first, second = claude.messages.create(**ask).usage, claude.messages.create(**ask).usage
    assert first.cache_creation_input_tokens > 1000 and first.cache_read_input_tokens == 0
    assert second.cache_read_input_tokens == first.cache_creation_input_tokens
    assert second.input_tokens == first.input_tokens


PATIENT = """
[server]
listen = "127.0.0.1:0"

[providers.converse]
kind = "bedrock"
format = "bedrock_converse"
base_url = "{url}"
region = "eu-central-1"

[[tiers]]
name = "only"
targets = [{{ provider = "converse", model = "eu.amazon.nova-2-lite-v1:0" }}]

[dispatch]
max_retries = 1
breaker_failures = 1000
{more}
"""


@pytest.fixture(scope="module")
def patient(upstream):
    keys = {"AWS_ACCESS_KEY_ID": "AKIDFAKE", "AWS_SECRET_ACCESS_KEY": "fake/secret+key"}
    tierway = Tierway(upstream, config=PATIENT, env=keys)
    with openai.OpenAI(base_url=tierway.v1, api_key="any", max_retries=0, timeout=20) as client:
        yield client
    assert tierway.stop() == 0


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    "fault, again",
    [
        ({"kind": "rate_limit", "retry_after": "0"}, True),
        ({"kind": "status", "status": 503}, True),
        ({"kind": "status", "status": 424}, True),
        ({"kind": "in_band", "after": 0}, True),
        ({"kind": "malformed", "after": 0}, True),
        ({"kind": "status", "status": 400}, False),
        ({"kind": "status", "status": 403}, False),
    ],
    ids=str,
)
def test_what_passes_is_asked_again(patient, upstream, fault, again, stream):
    name, earlier = NOVA, len(upstream.seen(NOVA))
    if not stream and fault["kind"] in ("in_band", "malformed"):
        pytest.skip("only a stream fails in its middle; an answer that is none is nothing to ask for again")
    upstream._ask("PUT", f"/_fake/plan/{name}", {"first": [fault]})
    ask = lambda: patient.chat.completions.create(model="auto", messages=user("hello"), stream=stream)  # noqa: E731
    if again:
        said = ask()
        if stream:
            text = "".join(chunk.choices[0].delta.content or "" for chunk in said if chunk.choices)
        else:
            text = said.choices[0].message.content
        assert text.startswith(f"{name} answers: hello")
    else:
        with pytest.raises(openai.APIStatusError):
            ask()
    assert len(upstream.seen(name)) == earlier + 1 + again
