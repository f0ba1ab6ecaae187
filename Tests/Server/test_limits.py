"""Keys, full queues, time that is over, and clients that go."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from running import PATIENCE, Answer, Server

MESSAGES = [{"role": "user", "content": "hello"}]
# The end of a turn never comes: the answer has all of its tokens.
ENDLESS = {"model": "chat", "messages": MESSAGES, "max_tokens": 1900, "logit_bias": {"2": -100}}
SHORT = {"model": "chat", "messages": MESSAGES, "max_tokens": 3}


@pytest.fixture(scope="module")
def small(chat_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One text at a time, and one that waits."""
    options = ["--concurrency", 1, "--queue", 1, "--max-tokens", 1900, "--api-key", "key-of-cleo"]
    keys = {"SONIQ_API_KEYS": "key-of-anna key-of-ben"}
    server = Server(tmp_path_factory.mktemp("small") / "log", chat_path, *options, environment=keys)
    server.key = "key-of-anna"
    yield server
    assert server.stop() == 0 and "Traceback" not in server.log(), server.log()


def headers(key: str = "key-of-anna") -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def send(server: Server, fields: dict[str, object]) -> http.client.HTTPResponse:
    """The response to a request for a stream; nothing of its body was read."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
    body = json.dumps(fields | {"stream": True})
    connection.request("POST", "/v1/chat/completions", body, {"Content-Type": "application/json"} | headers())
    response = connection.getresponse()
    response.connection = connection  # type: ignore[attr-defined]
    return response


def begin(server: Server, fields: dict[str, object]) -> http.client.HTTPResponse:
    """A stream whose first event has come."""
    response = send(server, fields)
    assert response.status == 200
    assert response.readline().startswith(b"data: ")
    return response


def leave(response: http.client.HTTPResponse) -> None:
    response.connection.sock.close()  # type: ignore[attr-defined]
    response.close()


def test_keys(small: Server) -> None:
    for key in ("key-of-anna", "key-of-ben", "key-of-cleo"):
        assert small.get("/v1/models", **headers(key)).status == 200
    for wrong in ({}, headers("key-of-ann"), headers("key-of-anna key-of-ben"), {"Authorization": "key-of-anna\u00ff"}):
        for path in ("/v1/models", "/metrics", "/v1/nothing"):
            answer = small.get(path, **wrong)
            assert answer.status == 401 and answer.body["error"]["type"] == "authentication_error"
        assert small.post("/v1/chat/completions", ENDLESS, **wrong).status == 401
    for path in ("/", "/health", "/ready"):
        assert small.get(path).status == 200


def test_a_full_queue(small: Server) -> None:
    streams = []
    # One runs and one waits; a slow test may find that one has ended meanwhile.
    while (response := send(small, ENDLESS)).status == 200:
        streams.append(response)
        assert len(streams) < 20
    assert response.status == 429 and json.loads(response.read())["error"]["code"] == "queue_full"
    assert int(response.headers["Retry-After"]) >= 1
    # The place of one that goes is free at once.
    for stream in streams:
        leave(stream)
    small.wait(lambda: small.post("/v1/chat/completions", SHORT, **headers()).status == 200)


def test_a_client_that_goes(small: Server) -> None:
    """It waits for a whole answer; the tokens that it does not wait for are not written."""

    def written() -> float:
        return small.metric("soniq_answer_tokens_total")

    for _ in range(10):
        before = written()
        connection = http.client.HTTPConnection("127.0.0.1", small.port, timeout=PATIENCE)
        sent = {"Content-Type": "application/json"} | headers()
        connection.request("POST", "/v1/chat/completions", json.dumps(ENDLESS), sent)
        small.wait(lambda before=before: written() > before)
        connection.close()
        small.wait(lambda: small.metric("soniq_running_texts") == 0)
        if written() - before < 1900:
            return
    raise AssertionError("every answer was written to its end")


def test_every_request_has_one_answer(small: Server) -> None:
    """Many at once: each is answered or told to come later, and the answers are those of their requests."""

    def one(number: int) -> tuple[int, Answer]:
        fields = {"model": "chat", "messages": [{"role": "user", "content": f"{number}"}], "temperature": 0}
        return number, small.post("/v1/chat/completions", fields | {"max_tokens": 40}, **headers())

    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(one, range(60)))
    statuses = [answer.status for _, answer in answers]
    assert set(statuses) <= {200, 429} and 200 in statuses
    for number, answer in answers:
        if answer.status == 200:
            text = one(number)[1].body["choices"][0]["message"]["content"]
            assert answer.body["choices"][0]["message"]["content"] == text


def test_time_is_over(start: Callable[..., Server], chat_path: Path) -> None:
    server = start(chat_path, "--timeout", 0.05, "--max-tokens", 1900)
    answer = server.post("/v1/chat/completions", ENDLESS)
    assert answer.status == 504 and answer.body["error"]["code"] == "timeout"
    text = server.post("/v1/chat/completions", ENDLESS | {"stream": True}).body
    assert json.loads(text.split("\n\n")[-2].removeprefix("data: "))["error"]["code"] == "timeout"
    assert "[DONE]" not in text
