"""The service tier that an answer names decides what it costs; record, explain and audit say so."""

import json
import subprocess

import pytest
from harness import BINARIES
from shared import user


def run(tierway, *arguments):
    """A command of tierway beside the running gateway."""
    command = [BINARIES / "tierway", *arguments, "--config", "tierway.toml"]
    return subprocess.run(command, cwd=tierway.dir, capture_output=True, text=True, check=True).stdout


def price(tierway, provider, model, tier):
    found = run(tierway, "prices", "list", "--provider", provider, "--model", model, "--format", "json")
    (listed,) = [one for one in json.loads(found) if (one["provider"], one["model"]) == (provider, model)]
    prices = listed if tier == "standard" else listed["service_tiers"][tier]
    return float(prices["input_usd_per_mtok"]), float(prices["output_usd_per_mtok"])


def chat(client, asked, stream):
    request = {"model": "openai/gpt-5.4-mini", "messages": user("Hello tiers"), "service_tier": asked}
    if not stream:
        raw = client.chat.completions.with_raw_response.create(**request)
        usage = raw.parse().usage
    else:
        raw = client.chat.completions.with_raw_response.create(**request, stream=True, stream_options={"include_usage": True})
        usage = [chunk for chunk in raw.parse()][-1].usage
    return raw.headers["x-tierway-request-id"], usage.prompt_tokens, usage.completion_tokens, usage.model_extra["cost"]


def responses(client, asked, stream):
    request = {"model": "openai/gpt-5.4-mini", "input": "Hello tiers", "service_tier": asked}
    if not stream:
        raw = client.responses.with_raw_response.create(**request)
        answer = raw.parse()
    else:
        raw = client.responses.with_raw_response.create(**request, stream=True)
        answer = [event for event in raw.parse()][-1].response
    cost = None if stream else answer.usage.model_extra["cost"]
    return raw.headers["x-tierway-request-id"], answer.usage.input_tokens, answer.usage.output_tokens, cost


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("ask", [chat, responses])
@pytest.mark.parametrize(
    "asked, used", [("flex", "flex"), ("priority", "priority"), ("fast", "priority"), ("default", "standard")]
)
def test_openai(tierway, client, ask, asked, used, stream):
    id, tokens_in, tokens_out, cost = ask(client, asked, stream)
    dollars_in, dollars_out = price(tierway, "openai", "gpt-5.4-mini", used)
    wanted = (tokens_in * dollars_in + tokens_out * dollars_out) / 1e6
    record = tierway.record(id)
    assert record["usage"]["service_tier"] == used
    assert record["paid"] / 1e12 == pytest.approx(wanted, rel=1e-9)
    if cost is not None:
        assert cost == pytest.approx(wanted, rel=1e-9)
    assert ("service tier" in run(tierway, "explain", id)) == (used != "standard")


def test_the_speed_of_anthropic(tierway, claude):
    raw = claude.messages.with_raw_response.create(
        model="anthropic/claude-fable-5-2", max_tokens=200, messages=user("Hello tiers"), extra_body={"speed": "fast"}
    )
    usage = raw.parse().usage
    dollars_in, dollars_out = price(tierway, "anthropic", "claude-fable-5-2", "fast")
    wanted = (usage.input_tokens * dollars_in + usage.output_tokens * dollars_out) / 1e6
    record = tierway.record(raw.headers["x-tierway-request-id"])
    assert record["usage"]["service_tier"] == "fast"
    assert record["paid"] / 1e12 == pytest.approx(wanted, rel=1e-9)


def test_the_audit_computes_the_same(tierway, client):
    id, *_ = chat(client, "flex", False)
    tierway.record(id)
    outcome = json.loads(run(tierway, "audit", "--json"))
    assert outcome["prices"]["differ"] == 0 and outcome["audit"]["problems"] == []
