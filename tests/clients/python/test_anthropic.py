"""The official anthropic client on Messages, in front of providers of every API."""

import anthropic
import pytest
from harness import fresh
from pydantic import BaseModel
from shared import CLAUDE_TOOLS, PNG, Place, user

BASICS = {"max_tokens": 200}


def events_of(client, **request):
    return list(client.messages.create(**{**BASICS, **request}, stream=True))


def test_an_answer(claude, model):
    name, ask = model
    answer = claude.messages.create(model=ask, messages=user("how many legs has a spider"), **BASICS)
    assert (answer.type, answer.role, answer.stop_reason) == ("message", "assistant", "end_turn")
    (block,) = answer.content
    assert block.type == "text" and block.text.startswith(f"{name} answers: how many legs has a spider")
    assert answer.usage.input_tokens > 0 and answer.usage.output_tokens == 40
    assert "cost" in answer.usage.model_extra


@pytest.mark.anyio
async def test_an_answer_async(aclaude, model):
    name, ask = model
    async with aclaude:
        answer = await aclaude.messages.create(model=ask, messages=user("hello"), **BASICS)
        async with aclaude.messages.stream(model=ask, messages=user("hello"), **BASICS) as stream:
            text = "".join([text async for text in stream.text_stream])
    assert answer.content[0].text == text and text.startswith(f"{name} answers: hello")


def test_a_stream(claude, model):
    name, ask = model
    with claude.messages.stream(model=ask, messages=user("hello there"), **BASICS) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()
    assert text.startswith(f"{name} answers: hello there") and text.endswith(" w39")
    assert final.content[0].text == text
    assert final.stop_reason == "end_turn"
    assert final.usage.output_tokens == 40 and final.usage.input_tokens > 0


def test_the_grammar_of_a_stream(claude, model):
    """One start and one stop for each block, in order; the message around them."""
    _, ask = model
    kinds = []
    events = events_of(claude, model=ask, messages=user("get_weather and get_time"), tools=CLAUDE_TOOLS)
    assert "cost" in events[-2].usage.model_extra
    for event in events:
        kind = f"{event.type}:{event.index}" if hasattr(event, "index") else event.type
        if kinds[-1:] != [kind] and kind != "ping":
            kinds.append(kind)
    assert kinds[0] == "message_start" and kinds[-2:] == ["message_delta", "message_stop"]
    blocks = kinds[1:-2]
    assert blocks == [
        f"content_block_{part}:{index}" for index in range(len(blocks) // 3) for part in ("start", "delta", "stop")
    ]


def test_a_tool_call_and_its_result(claude, model):
    name, ask = model
    messages = user("what says get_weather for Rome?")
    first = claude.messages.create(model=ask, messages=messages, tools=CLAUDE_TOOLS, **BASICS)
    assert first.stop_reason == "tool_use"
    (call,) = [block for block in first.content if block.type == "tool_use"]
    assert (call.name, call.input) == ("get_weather", {"city": "what says get_weather for Rome?", "days": 7})
    result = {"type": "tool_result", "tool_use_id": call.id, "content": [{"type": "text", "text": "sunny"}]}
    messages += [{"role": "assistant", "content": first.content}, {"role": "user", "content": [result]}]
    second = claude.messages.create(model=ask, messages=messages, tools=CLAUDE_TOOLS, **BASICS)
    assert second.stop_reason == "end_turn"


def test_parallel_tools_whole_and_streamed(claude, model):
    _, ask = model
    request = {"model": ask, "messages": user("get_weather and get_time"), "tools": CLAUDE_TOOLS, **BASICS}
    whole = claude.messages.create(**request)
    with claude.messages.stream(**request) as stream:
        streamed = stream.get_final_message()
    for answer in (whole, streamed):
        calls = [block for block in answer.content if block.type == "tool_use"]
        assert [call.name for call in calls] == ["get_weather", "get_time"]
        assert [call.input["city"] for call in calls] == ["get_weather and get_time"] * 2
        assert len({call.id for call in calls}) == 2
        assert answer.stop_reason == "tool_use"


def test_structured_output(claude, model):
    _, ask = model
    answer = claude.messages.parse(model=ask, messages=user("Rome"), output_format=Place, **BASICS)
    assert answer.parsed_output == Place(city="Rome", people=7, capital=True)


def test_an_image(claude, upstream, model):
    name, ask = model
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}
    content = [image, {"type": "text", "text": "what is this"}]
    answer = claude.messages.create(model=ask, messages=[{"role": "user", "content": content}], **BASICS)
    assert "what is this" in answer.content[0].text
    assert PNG in upstream.seen(name)[0]["body"]


def test_a_system_prompt_with_cache_marks(claude, upstream, model):
    name, ask = model
    system = [{"type": "text", "text": "be brief", "cache_control": {"type": "ephemeral"}}]
    claude.messages.create(model=ask, system=system, messages=user("hi"), **BASICS)
    body = upstream.seen(name)[0]["body"]
    assert "be brief" in body
    assert ("cache_control" in body) == ask.startswith("anthropic/")


def test_an_answer_that_is_cut_by_its_limit(claude, model):
    _, ask = model
    answer = claude.messages.create(model=ask, messages=user("hello"), max_tokens=16)
    assert answer.stop_reason == "max_tokens" and answer.usage.output_tokens == 16


FAULTS = [
    ({"kind": "rate_limit", "retry_after": "7"}, anthropic.RateLimitError, "rate_limit_error"),
    ({"kind": "context_too_long"}, anthropic.BadRequestError, "invalid_request_error"),
    ({"kind": "model_not_found"}, anthropic.NotFoundError, "not_found_error"),
    ({"kind": "status", "status": 413}, anthropic.RequestTooLargeError, "request_too_large"),
    ({"kind": "status", "status": 500}, anthropic.InternalServerError, "api_error"),
    ({"kind": "status", "status": 529}, anthropic.InternalServerError, "overloaded_error"),
    ({"kind": "reset_before_headers"}, anthropic.InternalServerError, "api_error"),
]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("fault, wanted, kind", FAULTS, ids=lambda value: "-".join(map(str, value.values())) if isinstance(value, dict) else "")  # fmt: skip
def test_a_failure_of_the_provider(claude, upstream, model, fault, wanted, kind, stream):
    name, ask = model
    upstream.fail(name, **fault)
    with pytest.raises(wanted) as caught:
        claude.messages.create(model=ask, messages=user("hello"), stream=stream, **BASICS)
    body = caught.value.body
    assert body["type"] == "error" and body["error"]["type"] == kind and body["error"]["message"]
    assert body["request_id"] == caught.value.request_id
    if fault["kind"] == "rate_limit":
        assert caught.value.response.headers["retry-after"] == "7"


@pytest.mark.parametrize("fault", ["in_band", "cut", "missing_end"])
def test_a_stream_that_breaks_is_no_answer(claude, upstream, model, fault):
    name, ask = model
    upstream.fail(name, fault, **({} if fault == "missing_end" else {"after": 3}))
    with pytest.raises(anthropic.APIError) as caught:
        events = []
        for event in claude.messages.create(model=ask, messages=user("hello"), stream=True, **BASICS):
            events.append(event)
    assert not any(event.type == "message_stop" for event in events), events
    assert caught.value.message


def test_an_aborted_stream_stops_its_upstream_within_100_ms(claude, upstream, model):
    def leaves(client, ask):
        with client.messages.stream(model=ask, messages=user("hello"), max_tokens=9_000) as stream:
            for number, _ in enumerate(stream):
                if number == 10:
                    break

    (name, ask), alone = model, fresh("anthropic")[0]
    for one in (name, alone):
        upstream.traits(one, answer_tokens=5_000, pace={"first_ms": 0, "per_token_us": 5_000})
    with anthropic.Anthropic(base_url=upstream.address, api_key="any", max_retries=0, timeout=20) as direct:
        upstream.stops_within(100, (name, lambda: leaves(claude, ask)), (alone, lambda: leaves(direct, alone)))


def test_requests_that_cannot_be(claude):
    def refused(wanted, **request):
        with pytest.raises(wanted) as caught:
            claude.messages.create(**{"model": "auto", "messages": user("hello"), **BASICS, **request})
        assert caught.value.body["error"]["message"]
        return str(caught.value)

    assert "nano, standard, reasoning" in refused(anthropic.NotFoundError, model="claude-99")
    refused(anthropic.BadRequestError, messages=[])
    refused(anthropic.BadRequestError, max_tokens=0)
    refused(anthropic.BadRequestError, messages=[{"role": "wizard", "content": "x"}])


def test_tokens_are_counted(claude, model):
    """By the provider where it can count, else by an estimate; never zero, and growing with the text."""
    _, ask = model
    count = lambda text, **more: claude.messages.count_tokens(model=ask, messages=user(text), **more).input_tokens  # noqa: E731
    short, long = count("hello"), count("hello " * 500)
    assert 0 < short < 50 and 400 < long < 1500
    assert count("hello", tools=CLAUDE_TOOLS, system="be brief") > short


@pytest.mark.parametrize("ask", ["auto", "nano", "reasoning", "large"])
def test_tokens_are_counted_for_whatever_can_be_asked_for(claude, ask):
    assert claude.messages.count_tokens(model=ask, messages=user("hello there")).input_tokens > 0


def test_counting_refuses_what_asking_refuses(claude):
    with pytest.raises(anthropic.NotFoundError):
        claude.messages.count_tokens(model="claude-99", messages=user("hello"))
    with pytest.raises(anthropic.BadRequestError):
        claude.messages.count_tokens(model="auto", messages=[])


def test_models(claude):
    models = list(claude.models.list())
    assert [model.id for model in models][:4] == ["auto", "nano", "standard", "reasoning"]
    assert all(model.type == "model" and model.display_name and model.created_at for model in models)
    assert claude.models.retrieve("standard").id == "standard"
    with pytest.raises(anthropic.NotFoundError):
        claude.models.retrieve("claude-99")


class Weather(BaseModel):
    city: str


def test_the_tool_runner(claude, model):
    """The client's own loop: asks, runs the tool, hands its result back."""
    name, ask = model
    asked = []

    @anthropic.beta_tool
    def get_weather(city: str) -> str:
        """The weather.

        Args:
            city: where
        """
        asked.append(city)
        return "sunny"

    runner = claude.beta.messages.tool_runner(model=ask, messages=user("get_weather in Rome"), tools=[get_weather], **BASICS)  # fmt: skip
    final = runner.until_done()
    assert asked == ["get_weather in Rome"]
    assert final.stop_reason == "end_turn"
