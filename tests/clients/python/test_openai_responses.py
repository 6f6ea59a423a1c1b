"""The official openai client on Responses, in front of providers of every API."""

import json

import openai
import pytest
from harness import fresh
from shared import PNG_URL, RESPONSES_TOOLS, Place


def test_an_answer(client, model):
    name, ask = model
    answer = client.responses.create(model=ask, input="how many legs has a spider")
    assert (answer.object, answer.status, answer.error) == ("response", "completed", None)
    assert answer.output_text.startswith(f"{name} answers: how many legs has a spider")
    assert answer.usage.output_tokens == 40
    assert answer.usage.total_tokens == answer.usage.input_tokens + 40
    assert "cost" in answer.usage.model_extra


@pytest.mark.anyio
async def test_an_answer_async(aclient, model):
    name, ask = model
    async with aclient:
        answer = await aclient.responses.create(model=ask, input=[{"role": "user", "content": "hello"}])
    assert answer.output_text.startswith(f"{name} answers: hello")


def test_a_stream(client, model):
    name, ask = model
    with client.responses.stream(model=ask, input="hello there", instructions="be brief") as stream:
        events = list(stream)
        final = stream.get_final_response()
    assert final.output_text.startswith(f"{name} answers: hello there") and final.output_text.endswith(" w39")
    deltas = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert "".join(deltas) == final.output_text
    assert [event.type for event in events][:2] == ["response.created", "response.in_progress"]
    assert events[-1].type == "response.completed"
    assert final.usage.output_tokens == 40 and "cost" in final.usage.model_extra


def test_the_grammar_of_a_stream(client, model):
    """Numbers rise, every item and part that is added is also done, each in its place."""
    _, ask = model
    request = {"model": ask, "input": "get_weather and get_time", "tools": RESPONSES_TOOLS}
    events = list(client.responses.create(**request, stream=True))
    assert [event.sequence_number for event in events] == list(range(len(events)))
    added = [event.output_index for event in events if event.type == "response.output_item.added"]
    done = [event.output_index for event in events if event.type == "response.output_item.done"]
    assert added == list(range(len(added))) and sorted(done) == added
    assert [event.type for event in events].count("response.completed") == 1


def test_a_tool_call_and_its_result(client, model):
    name, ask = model
    question = [{"role": "user", "content": "what says get_weather for Rome?"}]
    first = client.responses.create(model=ask, input=question, tools=RESPONSES_TOOLS)
    (call,) = [item for item in first.output if item.type == "function_call"]
    assert call.name == "get_weather"
    assert json.loads(call.arguments) == {"city": "what says get_weather for Rome?", "days": 7}
    result = {"type": "function_call_output", "call_id": call.call_id, "output": "sunny"}
    second = client.responses.create(model=ask, input=[*question, *first.output, result], tools=RESPONSES_TOOLS)
    assert second.output_text.startswith(f"{name} answers:")


def test_parallel_tools_whole_and_streamed(client, model):
    _, ask = model
    request = {"model": ask, "input": "get_weather and get_time", "tools": RESPONSES_TOOLS}
    whole = client.responses.create(**request)
    with client.responses.stream(**request) as stream:
        streamed = stream.get_final_response()
    for answer in (whole, streamed):
        calls = [item for item in answer.output if item.type == "function_call"]
        assert [call.name for call in calls] == ["get_weather", "get_time"]
        assert all(json.loads(call.arguments)["city"] == "get_weather and get_time" for call in calls)
        assert len({call.call_id for call in calls}) == 2


def test_structured_output(client, model):
    _, ask = model
    answer = client.responses.parse(model=ask, input="Rome", text_format=Place)
    assert answer.output_parsed == Place(city="Rome", people=7, capital=True)


def test_an_image(client, upstream, model):
    name, ask = model
    content = [{"type": "input_text", "text": "what is this"}, {"type": "input_image", "image_url": PNG_URL, "detail": "auto"}]  # fmt: skip
    answer = client.responses.create(model=ask, input=[{"role": "user", "content": content}])
    assert "what is this" in answer.output_text
    assert PNG_URL.split(",")[1] in upstream.seen(name)[0]["body"]


def test_an_answer_that_is_cut_by_its_limit(client, model):
    _, ask = model
    answer = client.responses.create(model=ask, input="hello", max_output_tokens=16)
    assert (answer.status, answer.incomplete_details.reason) == ("incomplete", "max_output_tokens")
    *_, last = client.responses.create(model=ask, input="hello", max_output_tokens=16, stream=True)
    assert last.type == "response.incomplete"


@pytest.mark.parametrize(
    "fault, wanted",
    [
        ({"kind": "rate_limit", "retry_after": "7"}, openai.RateLimitError),
        ({"kind": "context_too_long"}, openai.BadRequestError),
        ({"kind": "model_not_found"}, openai.NotFoundError),
        ({"kind": "status", "status": 500}, openai.InternalServerError),
    ],
    ids=lambda value: value["kind"] if isinstance(value, dict) else "",
)
def test_a_failure_of_the_provider(client, upstream, model, fault, wanted):
    name, ask = model
    upstream.fail(name, **fault)
    for stream in (False, True):
        with pytest.raises(wanted) as caught:
            client.responses.create(model=ask, input="hello", stream=stream)
        assert caught.value.body["message"]


@pytest.mark.parametrize("fault", ["in_band", "cut", "missing_end"])
def test_a_stream_that_breaks_is_no_answer(client, upstream, model, fault):
    """It ends in `response.failed` or `error`, which the client raises or hands on; never in `response.completed`."""
    name, ask = model
    upstream.fail(name, fault, **({} if fault == "missing_end" else {"after": 3}))
    kinds = []
    try:
        for event in client.responses.create(model=ask, input="hello", stream=True):
            kinds.append(event.type)
    except openai.APIError as error:
        kinds.append("error")
        assert error.message
    assert kinds[-1] in ("error", "response.failed")
    assert "response.completed" not in kinds


def test_what_only_a_store_could_answer_is_refused_with_its_reason(client):
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.create(model="auto", input="and then?", previous_response_id="resp_1")
    assert "previous_response_id" in str(caught.value)
    with pytest.raises(openai.BadRequestError):
        client.responses.create(model="anthropic/claude", input="and then?", conversation="conv_1")
    with pytest.raises(openai.NotFoundError) as caught:
        client.responses.retrieve("resp_1")
    assert "keeps no answers" in str(caught.value)


def test_a_named_responses_model_keeps_what_it_keeps(client, upstream):
    """Who names the model that holds the conversation may go on with it."""
    name, ask = fresh("resp")
    client.responses.create(model=ask, input="and then?", previous_response_id="resp_1")
    assert upstream.seen(name)[0]["json"]["previous_response_id"] == "resp_1"
