"""Many at once: every client gets its own complete answer."""

import asyncio
import json

import openai
import pytest
from harness import PROVIDERS, fresh
from shared import CHAT_TOOLS, user
from test_openai_chat import calls_of, finish_of, text_of


def patient(tierway):
    return openai.AsyncOpenAI(base_url=tierway.v1, api_key="any", max_retries=0, timeout=90)


@pytest.mark.anyio
async def test_fifty_at_once(tierway, model):
    name, ask = model
    async with patient(tierway) as client:

        async def one(number):
            answer = await client.chat.completions.create(model=ask, messages=user(f"question {number}!"))
            return answer.choices[0].message.content

        answers = await asyncio.gather(*(one(number) for number in range(50)))
    for number, answer in enumerate(answers):
        assert answer.startswith(f"{name} answers: question {number}!")


@pytest.mark.anyio
async def test_two_hundred_streams_with_tools(tierway, upstream):
    """Forty for each upstream API, all at once, half of them with tool calls."""
    names = [fresh(provider) for provider in PROVIDERS]
    for name, _ in names:
        upstream.traits(name, pace={"first_ms": 20, "per_token_us": 2_000})
    async with patient(tierway) as client:

        async def one(number):
            _, ask = names[number % len(names)]
            wants_tools = number // len(names) % 2 == 0
            question = f"get_weather and get_time {number}!" if wants_tools else f"question {number}!"
            stream = await client.chat.completions.create(
                model=ask, messages=user(question), tools=CHAT_TOOLS, stream=True, stream_options={"include_usage": True}
            )
            return [chunk async for chunk in stream]

        answers = await asyncio.gather(*(one(number) for number in range(200)))
    for number, chunks in enumerate(answers):
        name, _ = names[number % len(names)]
        assert chunks[-1].usage.completion_tokens > 0
        if number // len(names) % 2 == 0:
            weather, clock = calls_of(chunks)
            question = f"get_weather and get_time {number}!"
            assert json.loads(weather["arguments"]) == {"city": question, "days": 7}
            assert json.loads(clock["arguments"]) == {"city": question}
            assert finish_of(chunks) == ["tool_calls"]
        else:
            assert text_of(chunks).startswith(f"{name} answers: question {number}!")
            assert text_of(chunks).endswith(" w39")
            assert finish_of(chunks) == ["stop"]
