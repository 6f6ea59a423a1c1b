"""The official openai client on Chat Completions, in front of providers of every API."""

import json

import pytest
from shared import CHAT_TOOLS, PNG_URL, Place, user


def text_of(chunks):
    return "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices if choice.index == 0)


def calls_of(chunks):
    """Tool calls put together as the documentation of the stream says."""
    calls = {}
    for chunk in chunks:
        for choice in chunk.choices:
            for delta in choice.delta.tool_calls or []:
                call = calls.setdefault(delta.index, {"id": "", "name": "", "arguments": ""})
                call["id"] += delta.id or ""
                call["name"] += delta.function.name or ""
                call["arguments"] += delta.function.arguments or ""
    return [calls[index] for index in sorted(calls)]


def finish_of(chunks):
    return [choice.finish_reason for chunk in chunks for choice in chunk.choices if choice.finish_reason]


def test_an_answer(client, model):
    name, ask = model
    answer = client.chat.completions.create(model=ask, messages=user("how many legs has a spider"))
    assert answer.object == "chat.completion"
    choice = answer.choices[0]
    assert choice.message.role == "assistant" and choice.finish_reason == "stop"
    assert choice.message.content.startswith(f"{name} answers: how many legs has a spider")
    usage = answer.usage
    assert usage.prompt_tokens > 0 and usage.completion_tokens == 40
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens


async def ask_async(aclient, **request):
    async with aclient:
        return await aclient.chat.completions.create(**request)


@pytest.mark.anyio
async def test_an_answer_async(aclient, model):
    name, ask = model
    answer = await ask_async(aclient, model=ask, messages=user("hello"))
    assert answer.choices[0].message.content.startswith(f"{name} answers: hello")


def test_a_stream(client, model):
    name, ask = model
    whole = client.chat.completions.create(model=ask, messages=user("hello there"))
    chunks = list(client.chat.completions.create(model=ask, messages=user("hello there"), stream=True))
    assert text_of(chunks) == whole.choices[0].message.content
    assert finish_of(chunks) == ["stop"]
    assert chunks[0].choices[0].delta.role == "assistant"
    assert len({chunk.id for chunk in chunks}) == 1
    # Nobody asked for usage: no chunk without choices, at which clients that index `choices[0]` would break.
    assert all(chunk.choices for chunk in chunks)
    assert all(chunk.usage is None for chunk in chunks)


def test_a_stream_with_usage(client, model):
    _, ask = model
    whole = client.chat.completions.create(model=ask, messages=user("hello there"))
    options = {"include_usage": True}
    chunks = list(client.chat.completions.create(model=ask, messages=user("hello there"), stream=True, stream_options=options))  # fmt: skip
    *rest, last = chunks
    assert last.choices == []
    assert all(chunk.usage is None for chunk in rest)
    assert (last.usage.prompt_tokens, last.usage.completion_tokens) == (whole.usage.prompt_tokens, 40)
    assert "cost" in last.usage.model_extra


@pytest.mark.anyio
async def test_a_stream_async(aclient, model):
    name, ask = model
    async with aclient:
        stream = await aclient.chat.completions.create(model=ask, messages=user("hi"), stream=True)
        chunks = [chunk async for chunk in stream]
    assert text_of(chunks).startswith(f"{name} answers: hi")
    assert finish_of(chunks) == ["stop"]


def test_the_stream_helper(client, model):
    name, ask = model
    with client.chat.completions.stream(model=ask, messages=user("hi")) as stream:
        events = [event.type for event in stream]
        final = stream.get_final_completion()
    assert events.count("content.done") == 1
    assert final.choices[0].message.content.startswith(f"{name} answers: hi")


def test_a_tool_call_and_its_result(client, model):
    name, ask = model
    messages = user("what says get_weather for Rome?")
    first = client.chat.completions.create(model=ask, messages=messages, tools=CHAT_TOOLS)
    choice = first.choices[0]
    assert choice.finish_reason == "tool_calls"
    (call,) = choice.message.tool_calls
    assert call.type == "function" and call.function.name == "get_weather"
    arguments = json.loads(call.function.arguments)
    assert arguments == {"city": "what says get_weather for Rome?", "days": 7}
    messages += [choice.message, {"role": "tool", "tool_call_id": call.id, "content": "sunny, 25 degrees"}]
    second = client.chat.completions.create(model=ask, messages=messages, tools=CHAT_TOOLS)
    assert second.choices[0].finish_reason == "stop"
    assert second.choices[0].message.content.startswith(f"{name} answers:")


def test_the_result_of_a_tool_reaches_the_provider(client, upstream, model):
    name, ask = model
    messages = user("get_weather") + [
        {"role": "assistant", "content": None, "tool_calls": [
            {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city":"Rome","days":1}'}},
            {"id": "call_2", "type": "function", "function": {"name": "get_time", "arguments": '{"city":"Oslo"}'}}]},
        {"role": "tool", "tool_call_id": "call_1", "content": "sunny as never"},
        {"role": "tool", "tool_call_id": "call_2", "content": "twelve exactly"},
    ]  # fmt: skip
    client.chat.completions.create(model=ask, messages=messages, tools=CHAT_TOOLS)
    body = upstream.seen(name)[0]["body"]
    for said in ["sunny as never", "twelve exactly", "Rome", "Oslo", "get_time"]:
        assert said in body


def test_parallel_tools(client, model):
    _, ask = model
    messages = user("get_weather and get_time please")
    answer = client.chat.completions.create(model=ask, messages=messages, tools=CHAT_TOOLS)
    calls = answer.choices[0].message.tool_calls
    assert [call.function.name for call in calls] == ["get_weather", "get_time"]
    assert len({call.id for call in calls}) == 2


@pytest.mark.parametrize("provider", ["chat", "resp", "anthropic"])
def test_parallel_tools_can_be_switched_off(client, model):
    _, ask = model
    messages = user("get_weather and get_time please")
    answer = client.chat.completions.create(model=ask, messages=messages, tools=CHAT_TOOLS, parallel_tool_calls=False)
    assert len(answer.choices[0].message.tool_calls) == 1


def test_streamed_tools(client, model):
    _, ask = model
    messages = user("get_weather and get_time please")
    chunks = list(client.chat.completions.create(model=ask, messages=messages, tools=CHAT_TOOLS, stream=True))
    weather, clock = calls_of(chunks)
    assert (weather["name"], clock["name"]) == ("get_weather", "get_time")
    assert json.loads(weather["arguments"]) == {"city": "get_weather and get_time please", "days": 7}
    assert json.loads(clock["arguments"]) == {"city": "get_weather and get_time please"}
    assert weather["id"] and clock["id"] and weather["id"] != clock["id"]
    assert finish_of(chunks) == ["tool_calls"]


@pytest.mark.parametrize("provider", ["chat", "resp", "anthropic", "gemini", "converse"])
def test_a_forced_tool(client, model):
    _, ask = model
    choice = {"type": "function", "function": {"name": "get_time"}}
    answer = client.chat.completions.create(model=ask, messages=user("Oslo"), tools=CHAT_TOOLS, tool_choice=choice)
    (call,) = answer.choices[0].message.tool_calls
    assert call.function.name == "get_time"


def test_structured_output(client, model):
    _, ask = model
    answer = client.chat.completions.parse(model=ask, messages=user("Rome"), response_format=Place)
    assert answer.choices[0].message.parsed == Place(city="Rome", people=7, capital=True)


def test_structured_output_in_a_stream(client, model):
    _, ask = model
    with client.chat.completions.stream(model=ask, messages=user("Rome"), response_format=Place) as stream:
        final = stream.get_final_completion()
    assert final.choices[0].message.parsed == Place(city="Rome", people=7, capital=True)


def test_an_image(client, upstream, model):
    name, ask = model
    content = [{"type": "text", "text": "what is this"}, {"type": "image_url", "image_url": {"url": PNG_URL}}]
    answer = client.chat.completions.create(model=ask, messages=[{"role": "user", "content": content}])
    assert "what is this" in answer.choices[0].message.content
    assert PNG_URL.split(",")[1] in upstream.seen(name)[0]["body"]


def test_system_and_developer_words_reach_the_provider(client, upstream, model):
    name, ask = model
    messages = [{"role": "system", "content": "be brief"}, {"role": "developer", "content": "be kind"}, *user("hi")]
    client.chat.completions.create(model=ask, messages=messages)
    body = upstream.seen(name)[0]["body"]
    assert "be brief" in body and "be kind" in body


def test_an_answer_that_is_cut_by_its_limit(client, model):
    _, ask = model
    answer = client.chat.completions.create(model=ask, messages=user("hello"), max_completion_tokens=16)
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage.completion_tokens == 16
    chunks = list(client.chat.completions.create(model=ask, messages=user("hello"), max_tokens=16, stream=True))
    assert finish_of(chunks) == ["length"]


@pytest.mark.parametrize("provider", ["chat", "resp", "anthropic", "gemini", "converse"])
def test_an_answer_that_is_filtered(client, upstream, model):
    name, ask = model
    upstream.fail(name, "content_filter_finish", after=2)
    answer = client.chat.completions.create(model=ask, messages=user("hello"))
    assert answer.choices[0].finish_reason == "content_filter"
    chunks = list(client.chat.completions.create(model=ask, messages=user("hello"), stream=True))
    assert finish_of(chunks) == ["content_filter"]


@pytest.mark.parametrize("provider", ["chat"])
def test_several_answers_with_log_probabilities(client, model):
    _, ask = model
    request = {"model": ask, "messages": user("hello"), "n": 3, "logprobs": True, "top_logprobs": 2, "seed": 2**60 + 1}
    answer = client.chat.completions.create(**request)
    assert [choice.index for choice in answer.choices] == [0, 1, 2]
    assert len({choice.message.content for choice in answer.choices}) == 3
    assert answer.choices[0].logprobs.content
    chunks = list(client.chat.completions.create(**request, stream=True))
    assert sorted({choice.index for chunk in chunks for choice in chunk.choices}) == [0, 1, 2]


def test_many_turns(client, model):
    name, ask = model
    messages = []
    for turn in range(6):
        messages += user(f"question {turn}")
        answer = client.chat.completions.create(model=ask, messages=messages)
        assert answer.choices[0].message.content.startswith(f"{name} answers: question {turn}")
        messages.append({"role": "assistant", "content": answer.choices[0].message.content})
