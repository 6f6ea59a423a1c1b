"""Vertex AI and Bedrock as providers: tokens and signatures that a strict door checks, paths, bodies, frames."""

import json

import anthropic
import openai
import pytest
from harness import Tierway, Upstream, fresh
from shared import user

CONFIG = """
[server]
listen = "127.0.0.1:0"

[providers.vertex]
kind = "vertex"
base_url = "{url}/v1"
project = "fake-project"
location = "europe-west1"
key_file = "service-account.json"

[providers.claude]
kind = "vertex"
format = "anthropic_messages"
base_url = "{url}/v1"
project = "fake-project"
location = "global"
key_file = "short-lived.json"

[providers.bedrock]
kind = "bedrock"
base_url = "{url}"
region = "eu-central-1"

[providers.printed]
kind = "bedrock"
base_url = "{url}"
region = "eu-central-1"
key_command = ["cat", "printed.json"]

[providers.converse]
kind = "bedrock"
format = "bedrock_converse"
base_url = "{url}"
region = "eu-central-1"

[providers.stolen]
kind = "bedrock"
base_url = "{url}"
region = "eu-central-1"
key_command = ["echo", '{{"AccessKeyId": "AKIDFAKE", "SecretAccessKey": "guessed"}}']

[[tiers]]
name = "only"
targets = [{{ provider = "vertex", model = "gemini-3.8-flash" }}]

[dispatch]
max_retries = 0
breaker_failures = 1000
{more}
"""

CLOUDS = ["vertex", "claude", "bedrock", "printed", "converse"]
AWS = {"AWS_ACCESS_KEY_ID": "AKIDFAKE", "AWS_SECRET_ACCESS_KEY": "fake/secret+key"}
TOOL = {"name": "weather", "description": "Weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}


@pytest.fixture(scope="module")
def clouds():
    upstream = Upstream()
    account = lambda lives: json.dumps(upstream._ask("GET", f"/_fake/google/service-account/{lives}"))
    # The command's program stands for one that gives temporary credentials; these are over at once, and had again.
    printed = {"Version": 1, "AccessKeyId": AWS["AWS_ACCESS_KEY_ID"], "SecretAccessKey": AWS["AWS_SECRET_ACCESS_KEY"],
               "SessionToken": "session", "Expiration": "2026-01-01T00:00:00Z"}
    files = {"service-account.json": account(3600), "short-lived.json": account(61), "printed.json": json.dumps(printed)}
    tierway = Tierway(upstream, config=CONFIG, files=files, env=AWS)
    yield upstream, tierway
    assert tierway.stop() == 0
    upstream.stop()


@pytest.fixture
def client(clouds):
    with openai.OpenAI(base_url=clouds[1].v1, api_key="any", max_retries=0, timeout=20) as client:
        yield client


@pytest.fixture
def claude(clouds):
    with anthropic.Anthropic(base_url=clouds[1].address, api_key="any", max_retries=0, timeout=20) as client:
        yield client


@pytest.mark.parametrize("cloud", CLOUDS)
def test_chat(clouds, client, cloud):
    name, model = fresh(cloud)
    answer = client.chat.completions.create(model=model, messages=user("hello clouds"))
    assert answer.choices[0].message.content.startswith(f"{name} answers: hello clouds")
    stream = client.chat.completions.create(model=model, messages=user("hello again"), stream=True)
    chunks = [chunk for chunk in stream]
    said = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert said.startswith(f"{name} answers: hello again")
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert [seen["refused"] for seen in clouds[0].seen(name)] == [None, None]


@pytest.mark.parametrize("cloud", CLOUDS)
def test_messages(claude, cloud):
    name, model = fresh(cloud)
    request = {"model": model, "max_tokens": 100, "messages": user("hello clouds")}
    answer = claude.messages.create(**request, extra_headers={"anthropic-beta": "some-beta-2026-01-01"})
    assert answer.content[0].text.startswith(f"{name} answers: hello clouds")
    with claude.messages.stream(**request) as stream:
        assert stream.get_final_message().content[0].text.startswith(f"{name} answers: hello clouds")
    counted = claude.messages.with_raw_response.count_tokens(model=model, messages=user("hello clouds"))
    assert counted.headers["x-tierway-tokens"] == ("counted" if cloud == "claude" else "estimated")


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("cloud", CLOUDS)
def test_tools(client, cloud, stream):
    _, model = fresh(cloud)
    request = {"model": model, "messages": user("Weather?"), "tools": [{"type": "function", "function": TOOL}], "tool_choice": "required"}
    if stream:
        chunks = [chunk.choices[0] for chunk in client.chat.completions.create(**request, stream=True) if chunk.choices]
        calls = [call for choice in chunks for call in choice.delta.tool_calls or []]
        name, arguments = calls[0].function.name, "".join(call.function.arguments or "" for call in calls)
    else:
        call = client.chat.completions.create(**request).choices[0].message.tool_calls[0].function
        name, arguments = call.name, call.arguments
    assert name == "weather" and "city" in json.loads(arguments)


def test_who_may_not_is_told(clouds, client):
    _, model = fresh("stolen")
    with pytest.raises(openai.APIStatusError) as refused:
        client.chat.completions.create(model=model, messages=user("hello"))
    assert refused.value.status_code >= 500 or refused.value.status_code in (401, 403), refused.value
    assert "guessed" not in clouds[1].said()


@pytest.mark.parametrize("cloud", ["bedrock", "converse"])
def test_an_error_inside_the_frames_is_an_error(clouds, client, cloud):
    name, model = fresh(cloud)
    clouds[0].fail(name, "in_band", after=2)
    with pytest.raises(openai.APIError):
        list(client.chat.completions.create(model=model, messages=user("hello there my friend"), stream=True))


@pytest.mark.parametrize("cloud", ["bedrock", "converse"])
def test_a_stream_that_is_cut_inside_a_frame_is_an_error(clouds, client, cloud):
    name, model = fresh(cloud)
    clouds[0].fail(name, "malformed", after=2)
    with pytest.raises(openai.APIError):
        list(client.chat.completions.create(model=model, messages=user("hello there my friend"), stream=True))
