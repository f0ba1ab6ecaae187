"""What stands before every endpoint: keys, the size and type of bodies, and the count of answers."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import time
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .metrics import Metrics
from .problems import Problem
from .settings import Settings

# Without a key: probes cannot send one, and the page is the same for everybody.
OPEN = {"/", "/health", "/ready"}
KNOWN = OPEN | {"/metrics", "/v1/models", "/v1/embeddings", "/v1/chat/completions", "/v1/completions"}
LOCAL = {"localhost", "127.0.0.1", "::1"}
# Seconds for the body of a request.
PATIENCE = 30
# Bytes beyond the largest body that are read.
DISCARDED = 32 << 20


class Gate:
    """Lets requests pass to the application, or answers them with an error."""

    def __init__(self, app: ASGIApp, settings: Settings, metrics: Metrics) -> None:
        self._app, self._settings, self._metrics = app, settings, metrics
        self._is_local = settings.host in LOCAL
        self._keys = [_digest(key.encode()) for key in settings.api_keys]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start = time.monotonic()
        status = 0
        state = scope.setdefault("state", {})

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._pass(scope, receive, sending)
        finally:
            endpoint = scope["path"] if scope["path"] in KNOWN else "other"
            model = state.get("soniq_model", "")
            self._metrics.requests.labels(endpoint, model, str(status or 499)).inc()
            self._metrics.seconds.labels(endpoint).observe(time.monotonic() - start)

    async def _pass(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            self._check_host(scope)
            self._check_key(scope)
            body = await self._body(scope, receive) if scope["method"] == "POST" else None
        except Problem as problem:
            await respond(problem, send)
            return
        pending = [] if body is None else [{"type": "http.request", "body": body, "more_body": False}]

        async def receiving() -> Message:
            return pending.pop() if pending else await receive()

        await self._app(scope, receiving, send)

    def _check_host(self, scope: Scope) -> None:
        """A name of another site that leads to this machine would make its page one of this server's."""
        if not self._is_local or self._keys:
            return
        host = _header(scope, b"host").decode("latin-1")
        name = host if host.endswith("]") else host.rpartition(":")[0] or host
        if name.strip("[]").lower() not in LOCAL:
            raise Problem(403, f"the server is for this machine, and knows no host {name!r}", code="wrong_host")

    def _check_key(self, scope: Scope) -> None:
        if not self._keys or scope["path"] in OPEN:
            return
        given = _digest(_header(scope, b"authorization").removeprefix(b"Bearer "))
        # All are compared, each in the same time: an answer says nothing of how near a key is.
        if not any([hmac.compare_digest(given, key) for key in self._keys]):
            raise Problem(401, "a valid API key is needed: Authorization: Bearer KEY", code="invalid_api_key")

    async def _body(self, scope: Scope, receive: Receive) -> bytes:
        kind = _header(scope, b"content-type").split(b";")[0].strip().lower()
        if kind != b"application/json":
            # Pages of other sites can send other types to a server on this machine unasked.
            raise Problem(415, "the content type must be application/json")
        reading = asyncio.create_task(self._read(scope, receive))
        try:
            await asyncio.wait([reading], timeout=PATIENCE)
            if not reading.done():
                raise Problem(408, f"the body did not come within {PATIENCE} s")
            return reading.result()
        finally:
            reading.cancel()

    async def _read(self, scope: Scope, receive: Receive) -> bytes:
        most = self._settings.max_body
        too_large = Problem(413, f"the body is larger than {most} bytes", code="body_too_large")
        length = _header(scope, b"content-length")
        if length.isdigit() and int(length) > most + DISCARDED:
            raise too_large
        body = bytearray()
        count = 0
        while True:
            message = await receive()
            data = message.get("body", b"")
            count += len(data)
            # A client that is still sending would not see the answer: some of what is too much is read, and forgotten.
            if count <= most:
                body += data
            elif count > most + DISCARDED:
                raise too_large
            if not message.get("more_body", False):
                break
        if count > most:
            raise too_large
        return bytes(body)


async def respond(problem: Problem, send: Send) -> None:
    """Sends an error in OpenAI's form, and closes the connection: a body may be left unread."""
    body = json.dumps(problem.body()).encode()
    headers: dict[str, Any] = problem.headers() | {"Content-Type": "application/json", "Connection": "close"}
    headers["Content-Length"] = str(len(body))
    encoded = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": problem.status, "headers": encoded})
    await send({"type": "http.response.body", "body": body})


def _header(scope: Scope, name: bytes) -> bytes:
    return next((bytes(value) for key, value in scope["headers"] if key == name), b"")


def _digest(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()
