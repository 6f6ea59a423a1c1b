"""Plain curl: what people paste into a terminal."""

import json
import subprocess


def curl(*arguments):
    run = subprocess.run(["curl", "-sS", "-i", *arguments], capture_output=True, check=True, timeout=20)
    head, _, body = run.stdout.decode().replace("HTTP/1.1 100 Continue\r\n\r\n", "").partition("\r\n\r\n")
    status, *headers = head.split("\r\n")
    return int(status.split()[1]), {line.split(": ")[0].lower(): line.split(": ", 1)[1] for line in headers}, body


def post(tierway, path, body, *more):
    text = body if isinstance(body, str) else json.dumps(body)
    return curl(tierway.v1 + path, "-H", "Content-Type: application/json", "-d", text, *more)


HELLO = {"model": "auto", "messages": [{"role": "user", "content": "hello"}]}


def test_an_answer(tierway):
    status, headers, body = post(tierway, "/chat/completions", HELLO)
    assert status == 200 and headers["content-type"] == "application/json"
    assert json.loads(body)["choices"][0]["message"]["content"]
    assert int(headers["content-length"]) == len(body.encode())


def test_a_stream(tierway):
    status, headers, body = post(tierway, "/chat/completions", {**HELLO, "stream": True}, "-N")
    assert status == 200 and headers["content-type"].startswith("text/event-stream")
    events = body.strip().split("\n\n")
    assert events[-1] == "data: [DONE]"
    assert all(json.loads(event.removeprefix("data: "))["object"] == "chat.completion.chunk" for event in events[:-1])


def test_a_stream_of_messages_names_its_events(tierway):
    status, _, body = post(tierway, "/messages", {**HELLO, "max_tokens": 20, "stream": True}, "-H", "x-api-key: any")
    assert status == 200
    for event in body.strip().split("\n\n"):
        name, data = event.split("\n")
        assert name.removeprefix("event: ") == json.loads(data.removeprefix("data: "))["type"]


def test_any_client_sees_json_when_something_is_wrong(tierway):
    for path, body, wanted in [
        ("/chat/completions", "{", 400),
        ("/chat/completions", "", 400),
        ("/chat/completions", "[]", 400),
        ("/chat/completions", {**HELLO, "model": "gpt-99"}, 404),
        ("/embeddings", {"model": "chat/m"}, 400),
        ("/nothing", HELLO, 404),
    ]:
        status, headers, answer = post(tierway, path, body)
        assert (status, headers["content-type"]) == (wanted, "application/json"), (path, body)
        assert set(json.loads(answer)["error"]) == {"message", "type", "param", "code"}
    status, _, answer = post(tierway, "/messages", "{")
    error = json.loads(answer)
    assert status == 400 and error["type"] == "error" and error["error"]["type"] == "invalid_request_error"


def test_health_models_and_metrics(tierway):
    assert curl(tierway.address + "/healthz")[0] == 200
    assert curl(tierway.address + "/readyz")[0] == 200
    assert json.loads(curl(tierway.v1 + "/models")[2])["object"] == "list"
    assert "tierway_requests_total" in curl(tierway.address + "/metrics")[2]
