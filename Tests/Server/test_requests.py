"""What is refused, with which status and in which form, and the pages that need no model."""

from __future__ import annotations

import socket
from typing import Any

import pytest
from running import Server

MESSAGES = [{"role": "user", "content": "hello"}]


def refused(server: Server, fields: dict[str, Any], path: str = "/v1/chat/completions") -> tuple[int, dict[str, Any]]:
    answer = server.post(path, {"model": "chat"} | fields)
    assert set(answer.body["error"]) == {"message", "type", "param", "code"}
    return answer.status, answer.body["error"]


@pytest.mark.parametrize(
    ("fields", "parameter", "words"),
    [
        ({"messages": []}, "messages", "at least 1"),
        ({"messages": "hello"}, "messages", "list"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "messages", "'user'"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "messages.0.content", "type text"),
        ({"temperature": "hot"}, "temperature", "number"),
        ({"temperature": 2.1}, "temperature", "less than or equal to 2"),
        ({"temperature": float("nan")}, "temperature", "finite"),
        ({"top_p": 0}, "top_p", "greater than 0"),
        ({"max_tokens": 0}, "max_tokens", "greater than or equal to 1"),
        ({"max_tokens": True}, "max_tokens", "integer"),
        ({"max_completion_tokens": 1025}, "max_completion_tokens", "the server allows 1024"),
        ({"n": 9}, "n", "at most 8"),
        ({"stop": [""]}, "stop", "at least 1"),
        ({"logit_bias": {"x": 1}}, "logit_bias", "no id"),
        ({"logit_bias": {"99999": 1}}, None, "a token in bias"),
        ({"top_logprobs": 3}, "top_logprobs", "needs logprobs"),
        ({"tools": [{"type": "function"}]}, "tools", "not supported"),
        ({"response_format": {"type": "xml"}}, "response_format", "json_object"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema", "missing"),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {"not": {}}}}},
            "response_format",
            "cannot be used",
        ),
    ],
)
def test_fields_of_a_chat(server: Server, fields: dict[str, Any], parameter: str | None, words: str) -> None:
    status, error = refused(server, {"messages": MESSAGES} | fields)
    assert status == 400 and error["param"] == parameter and words in error["message"], error
    assert error["type"] == "invalid_request_error"


def test_a_prompt_that_is_too_long(server: Server) -> None:
    status, error = refused(server, {"messages": [{"role": "user", "content": "long " * 1000}]})
    assert (status, error["code"]) == (400, "context_length_exceeded")
    answer = server.post("/v1/completions", {"model": "chat", "prompt": "b" * 2048, "temperature": 0})
    assert answer.status == 200 and answer.body["usage"]["completion_tokens"] == 1
    assert refused(server, {"prompt": "b" * 2049}, "/v1/completions")[1]["code"] == "context_length_exceeded"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"prompt": ""}, "empty"),
        ({"prompt": ["a", "b"]}, "one prompt"),
        ({"prompt": [263]}, "no token"),
        ({"prompt": "a", "echo": True}, "echo is not supported"),
        ({"prompt": "a", "best_of": 3}, "best_of"),
        ({"prompt": {}}, "prompt"),
    ],
)
def test_fields_of_completions(server: Server, fields: dict[str, Any], words: str) -> None:
    status, error = refused(server, fields, "/v1/completions")
    assert status == 400 and words in error["message"], error


def test_models(server: Server) -> None:
    status, error = refused(server, {"model": "gpt", "messages": MESSAGES})
    assert (status, error["code"]) == (404, "model_not_found") and "chat, letters" in error["message"]
    status, error = refused(server, {"model": "letters", "messages": MESSAGES})
    assert (status, error["code"]) == (400, "wrong_model")
    assert server.get("/v1/models/chat").body["id"] == "chat"
    assert server.get("/v1/models/gpt").status == 404
    models = server.get("/v1/models").body
    assert [(entry["id"], entry["kind"]) for entry in models["data"]] == [("chat", "chat"), ("letters", "embeddings")]


def test_bodies_that_are_none(server: Server) -> None:
    for body in (b"", b"{", b"[1]", b"\xff", b"[" * 100000):
        answer = server.post("/v1/chat/completions", body)
        assert answer.status == 400 and answer.body["error"]["type"] == "invalid_request_error", answer
    answer = server.post("/v1/chat/completions", b"{}", **{"Content-Type": "text/plain"})
    assert answer.status == 415
    assert server.get("/v1/chat/completions").status == 405
    answer = server.get("/v1/nothing")
    assert answer.status == 404 and answer.body["error"]["type"] == "not_found_error"


def test_a_body_that_is_too_large(server: Server) -> None:
    answer = server.post("/v1/embeddings", b" " * (5 << 20))
    assert answer.status == 413 and answer.body["error"]["code"] == "body_too_large"
    # One that does not say how long it is.
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(b"POST /v1/embeddings HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n")
        connection.sendall(b"Transfer-Encoding: chunked\r\n\r\n")
        for _ in range(5):
            connection.sendall(b"100000\r\n" + b" " * 0x100000 + b"\r\n")
        connection.sendall(b"0\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 413")


def test_fields_that_are_not_known_are_let_pass(server: Server) -> None:
    fields = {"model": "chat", "messages": MESSAGES, "max_tokens": 2, "user": "anna", "store": False, "x": {"y": 1}}
    assert server.post("/v1/chat/completions", fields).status == 200


def test_names_of_other_sites(server: Server) -> None:
    for host in ("localhost", "localhost:8000", "127.0.0.1", "[::1]", "[::1]:80"):
        assert server.get("/v1/models", Host=host).status == 200
    for host in ("example.com", "example.com:8000", "127.0.0.1.example.com", ""):
        answer = server.get("/v1/models", Host=host)
        assert answer.status == 403 and answer.body["error"]["code"] == "wrong_host"


def test_pages(server: Server) -> None:
    assert server.get("/health").body == {"status": "ok"}
    assert server.get("/ready").body == {"status": "ready"}
    page = server.get("/")
    assert page.status == 200 and page.headers["content-type"].startswith("text/html")
    for outside in ("http://", "https://", "//cdn"):
        assert outside not in page.body.replace("http://www.w3.org", "")


def test_counts(server: Server) -> None:
    labels = {"endpoint": "/v1/chat/completions", "model": "chat", "status": "200"}
    before = server.metric("soniq_requests_total", **labels)
    answer = server.post("/v1/chat/completions", {"model": "chat", "messages": MESSAGES, "max_tokens": 4})
    assert server.metric("soniq_requests_total", **labels) == before + 1
    assert answer.body["usage"]["completion_tokens"] <= server.metric("soniq_answer_tokens_total", model="chat")
    assert server.metric("soniq_kept_tokens", model="chat") > 0
    assert server.metric("soniq_waiting_requests") == 0
