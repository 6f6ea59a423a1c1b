"""Frameworks on top of the official clients: what their users write, with tierway's address."""

import pytest
from harness import fresh
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from pydantic_ai import Agent, ModelHTTPError
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.providers.openai import OpenAIProvider
from shared import PNG_URL, Place


@tool
def get_weather(city: str) -> str:
    """The weather in a city."""
    return f"sunny in {city}"


def langchain(tierway, ask, **more):
    # With an address of one's own it asks for usage in streams only when told to.
    return ChatOpenAI(base_url=tierway.v1, api_key="any", model=ask, max_retries=0, stream_usage=True, **more)


def test_langchain_invoke_stream_and_usage(tierway, model):
    name, ask = model
    chat = langchain(tierway, ask)
    whole = chat.invoke("hello there")
    assert whole.content.startswith(f"{name} answers: hello there")
    assert whole.usage_metadata["output_tokens"] == 40
    chunks = list(chat.stream("hello there"))
    assert "".join(chunk.content for chunk in chunks) == whole.content
    assert sum((chunk.usage_metadata or {}).get("output_tokens", 0) for chunk in chunks) == 40


def test_langchain_tools(tierway, model):
    name, ask = model
    chat = langchain(tierway, ask).bind_tools([get_weather])
    messages = [HumanMessage("get_weather")]
    first = chat.invoke(messages)
    (call,) = first.tool_calls
    assert (call["name"], call["args"]) == ("get_weather", {"city": "get_weather"})
    messages += [first, ToolMessage(get_weather.invoke(call["args"]), tool_call_id=call["id"])]
    assert chat.invoke(messages).content.startswith(f"{name} answers:")


def test_langchain_structured_output_and_image(tierway, model):
    _, ask = model
    chat = langchain(tierway, ask)
    assert chat.with_structured_output(Place).invoke("Rome") == Place(city="Rome", people=7, capital=True)
    content = [{"type": "text", "text": "what is this"}, {"type": "image_url", "image_url": {"url": PNG_URL}}]
    assert "what is this" in chat.invoke([HumanMessage(content)]).content


def test_langchain_on_responses(tierway, model):
    name, ask = model
    chat = langchain(tierway, ask, use_responses_api=True)
    assert chat.invoke("hello").text.startswith(f"{name} answers: hello")
    assert "".join(chunk.text for chunk in chat.stream("hello")).startswith(f"{name} answers: hello")


def test_langchain_embeddings_are_token_arrays(tierway, upstream, monkeypatch):
    """By default it sends lists of token numbers; without its encoder's file it sends texts."""
    name, ask = fresh("chat")
    embeddings = OpenAIEmbeddings(base_url=tierway.v1, api_key="any", model=ask, check_embedding_ctx_length=False)
    assert len(embeddings.embed_documents(["one", "two"])) == 2
    assert upstream.seen(name)[0]["json"]["input"] == ["one", "two"]


def pydantic_models(tierway, ask):
    provider = OpenAIProvider(base_url=tierway.v1, api_key="any")
    yield OpenAIChatModel(ask, provider=provider)
    yield OpenAIResponsesModel(ask, provider=provider)
    yield AnthropicModel(ask, provider=AnthropicProvider(base_url=tierway.address, api_key="any"))


@pytest.mark.anyio
async def test_pydantic_ai_over_all_three_apis(tierway, model):
    name, ask = model
    for chat in pydantic_models(tierway, ask):
        answer = await Agent(chat).run("hello there")
        assert answer.output.startswith(f"{name} answers: hello there")
        async with Agent(chat).run_stream("hello there") as stream:
            assert await stream.get_output() == answer.output
            assert stream.usage().output_tokens == 40


@pytest.mark.anyio
async def test_pydantic_ai_tools_and_types(tierway, model):
    _, ask = model
    for chat in pydantic_models(tierway, ask):
        asked = []
        agent = Agent(chat)

        @agent.tool_plain
        def get_weather(city: str) -> str:
            asked.append(city)  # noqa: B023
            return "sunny"

        await agent.run("get_weather in Rome")
        assert asked == ["get_weather in Rome"]
        typed = await Agent(chat, output_type=Place).run("Rome final_result")
        assert typed.output.people == 7 and typed.output.capital


@pytest.mark.anyio
async def test_pydantic_ai_errors(tierway, upstream, model):
    name, ask = model
    upstream.fail(name, "rate_limit", retry_after="130")
    chat, *_ = pydantic_models(tierway, ask)
    with pytest.raises(ModelHTTPError) as caught:
        await Agent(chat).run("hello")
    assert caught.value.status_code == 429
