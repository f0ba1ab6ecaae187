"""The application that uvicorn runs."""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import os
import signal
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import resources
from multiprocessing import connection
from types import FrameType
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, Response
from starlette.exceptions import HTTPException

from . import decoding, embeddings
from .gate import Gate
from .metrics import Metrics
from .models import Models
from .opened import Opened, OpenError
from .problems import Problem, wrong_fields
from .serving import Serving, serving
from .settings import FAILED, VARIABLE, Settings

log = logging.getLogger("soniq.server")
# All of the page is in its file, and it asks nobody but this server.
PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src data:; style-src 'unsafe-inline'; "
    "script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


def from_environment() -> Gate:
    """The application of a worker. Ends the process where a model cannot be opened."""
    _end_with_the_parent()
    # It would end the process before there is anything to look at.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        return application(Settings.parse(os.environ[VARIABLE]))
    except OpenError as error:
        log.error("%s", error)
        raise SystemExit(FAILED) from None


def _end_with_the_parent() -> None:
    """A worker whose parent was killed would hold the port for ever."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def wait() -> None:
        connection.wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, name="soniq parent", daemon=True).start()


def application(settings: Settings) -> Gate:
    """One for some settings, with its models open. Raises OpenError."""
    metrics = Metrics()
    server = Serving(settings, metrics, Models(settings, metrics))

    @asynccontextmanager
    async def running(app: FastAPI) -> AsyncIterator[None]:
        ending = _end_with_grace(server)
        watching = asyncio.create_task(_watch(server))
        log.info("serving %s", ", ".join(opened.name for opened in server.models))
        try:
            yield
        finally:
            server.is_ready = False
            watching.cancel()
            ending.cancel()
            await asyncio.to_thread(server.models.close)

    app = FastAPI(title="soniq", lifespan=running, docs_url=None, redoc_url=None, openapi_url=None)
    app.state.serving = server
    app.include_router(embeddings.router)
    app.include_router(decoding.router)
    _add_pages(app)
    _add_errors(app)
    return Gate(app, settings, metrics)


def _end_with_grace(server: Serving) -> asyncio.Task[None]:
    """What ends all requests some seconds after a signal, with errors that say so: uvicorn would only cut them off."""
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()

    def also(number: signal.Signals) -> None:
        # uvicorn's own, which stops accepting.
        before = signal.getsignal(number)

        def handle(received: int, frame: FrameType | None) -> None:
            loop.call_soon_threadsafe(asked.set)
            if callable(before):
                before(received, frame)

        signal.signal(number, handle)

    for number in (signal.SIGTERM, signal.SIGINT):
        also(number)

    async def end() -> None:
        await asked.wait()
        server.is_ready = False
        await asyncio.sleep(server.settings.grace)
        log.warning("the grace of %s s is over: requests end unfinished", server.settings.grace)
        server.models.cancel()

    return asyncio.create_task(end())


async def _watch(server: Serving) -> None:
    """Looks at the files after SIGHUP, and every so often with --watch."""
    asked = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, asked.set)
    while True:
        asking = asyncio.create_task(asked.wait())
        try:
            await asyncio.wait([asking], timeout=server.settings.watch or None)
        finally:
            asking.cancel()
        asked.clear()
        try:
            await server.models.look()
        except Exception:
            log.exception("looking at the files failed")


def _add_pages(app: FastAPI) -> None:
    page = resources.files("soniq.server").joinpath("page.html").read_text("utf-8")

    @app.get("/")
    async def index() -> Response:
        return HTMLResponse(page, headers=PAGE_HEADERS)

    @app.get("/health")
    async def health(request: Request) -> Response:
        is_well = serving(request).models.are_alive
        return JSONResponse({"status": "ok" if is_well else "failed"}, 200 if is_well else 503)

    @app.get("/ready")
    async def ready(request: Request) -> Response:
        is_ready = serving(request).is_ready
        return JSONResponse({"status": "ready" if is_ready else "closing"}, 200 if is_ready else 503)

    @app.get("/metrics")
    async def metrics(request: Request) -> Response:
        text = await asyncio.to_thread(serving(request).metrics.text)
        return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")

    @app.get("/v1/models")
    async def models(request: Request) -> dict[str, Any]:
        return {"object": "list", "data": [_described(opened) for opened in serving(request).models]}

    @app.get("/v1/models/{name}")
    async def model(request: Request, name: str) -> dict[str, Any]:
        with serving(request).models.use(name) as opened:
            return _described(opened)


def _described(opened: Opened) -> dict[str, Any]:
    kind = "embeddings" if opened.decoding is None else "chat"
    return {"id": opened.name, "object": "model", "created": opened.created, "owned_by": "soniq", "kind": kind}


def _add_errors(app: FastAPI) -> None:
    def response(problem: Problem) -> Response:
        return JSONResponse(problem.body(), problem.status, problem.headers())

    @app.exception_handler(Problem)
    async def refused(request: Request, error: Problem) -> Response:
        return response(error)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        return response(wrong_fields(error.errors()))

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> Response:
        return response(Problem(error.status_code, str(error.detail)))

    @app.exception_handler(Exception)
    async def failed(request: Request, error: Exception) -> Response:
        log.exception("a request failed", exc_info=error)
        return response(Problem(500, "the server failed; its log says more"))
