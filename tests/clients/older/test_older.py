"""openai 2.x, instructor, the LiteLLM SDK, LlamaIndex and the `llm` command."""

import json
import os
import pathlib
import subprocess
import sys

import instructor
import litellm
import openai
import pytest
from llama_index.core.llms import ChatMessage
from llama_index.core.program import LLMTextCompletionProgram
from llama_index.llms.openai_like import OpenAILike
from shared import CHAT_TOOLS, Place, user


@pytest.fixture
def client(tierway):
    assert openai.__version__.startswith("2.")
    return openai.OpenAI(base_url=tierway.v1, api_key="any", max_retries=0)


def test_openai_2(client, model):
    name, ask = model
    answer = client.chat.completions.create(model=ask, messages=user("hello"))
    assert answer.choices[0].message.content.startswith(f"{name} answers: hello")
    chunks = list(client.chat.completions.create(model=ask, messages=user("hello"), stream=True))
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert text == answer.choices[0].message.content
    answer = client.chat.completions.create(model=ask, messages=user("get_time and get_weather"), tools=CHAT_TOOLS)
    assert len(answer.choices[0].message.tool_calls) == 2
    assert client.chat.completions.parse(model=ask, messages=user("Rome"), response_format=Place).choices[0].message.parsed
    assert client.responses.create(model=ask, input="hello").output_text.startswith(f"{name} answers: hello")


def test_openai_2_errors(client, upstream, model):
    name, ask = model
    upstream.fail(name, "rate_limit", retry_after="3")
    with pytest.raises(openai.RateLimitError):
        client.chat.completions.create(model=ask, messages=user("hello"))


@pytest.mark.parametrize("mode", [instructor.Mode.TOOLS, instructor.Mode.JSON_SCHEMA])
def test_instructor(client, model, mode):
    _, ask = model
    patched = instructor.from_openai(client, mode=mode)
    # Its tool is named after the class; Ollama cannot be forced to call it.
    place = patched.chat.completions.create(model=ask, messages=user("Place: Rome"), response_model=Place)
    assert place.people == 7 and place.capital and "Rome" in place.city


def test_litellm(tierway, model):
    name, ask = model
    request = {"model": f"openai/{ask}", "api_base": tierway.v1, "api_key": "any", "messages": user("hello")}
    answer = litellm.completion(**request)
    assert answer.choices[0].message.content.startswith(f"{name} answers: hello")
    assert answer.usage.completion_tokens == 40
    chunks = list(litellm.completion(**request, stream=True))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == answer.choices[0].message.content
    request["messages"] = user("get_weather")
    (call,) = litellm.completion(**request, tools=CHAT_TOOLS).choices[0].message.tool_calls
    assert json.loads(call.function.arguments)["days"] == 7


def test_litellm_speaks_messages_too(tierway, model):
    name, ask = model
    answer = litellm.completion(
        model=f"anthropic/{ask}", api_base=tierway.address, api_key="any", messages=user("hello"), max_tokens=99
    )
    assert answer.choices[0].message.content.startswith(f"{name} answers: hello")


def llama_index(tierway, ask):
    return OpenAILike(
        model=ask, api_base=tierway.v1, api_key="any", is_chat_model=True, is_function_calling_model=True, max_retries=0
    )


def test_llama_index(tierway, model):
    name, ask = model
    llm = llama_index(tierway, ask)
    assert llm.complete("hello").text.startswith(f"{name} answers: hello")
    assert llm.chat([ChatMessage(role="user", content="hello")]).message.content.startswith(f"{name} answers: hello")
    *_, last = llm.stream_chat([ChatMessage(role="user", content="hello")])
    assert last.message.content.endswith(" w39")


def test_llama_index_tools(tierway, model):
    from llama_index.core.tools import FunctionTool

    def get_weather(city: str) -> str:
        """The weather."""
        return f"sunny in {city}"

    _, ask = model
    answer = llama_index(tierway, ask).predict_and_call([FunctionTool.from_defaults(get_weather)], "get_weather Rome")
    assert "sunny in get_weather Rome" in str(answer)
    assert LLMTextCompletionProgram  # its text programs need no tools


def test_the_llm_command(tierway, tmp_path):
    models = [{"model_id": "tierway", "model_name": "auto", "api_base": tierway.v1, "supports_tools": True, "supports_schema": True}]  # fmt: skip
    pathlib.Path(tmp_path, "extra-openai-models.yaml").write_text(json.dumps(models))  # JSON is YAML
    env = {**os.environ, "LLM_USER_PATH": str(tmp_path), "OPENAI_API_KEY": "any"}
    llm = pathlib.Path(sys.executable).with_name("llm")
    for more in (["--no-stream"], []):
        run = subprocess.run([llm, "-m", "tierway", *more, "hello there"], env=env, capture_output=True, text=True, timeout=60)
        assert run.returncode == 0, run.stderr
        assert "answers: hello there" in run.stdout
