"""What every endpoint needs of the server that it belongs to."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import Request

from .metrics import Metrics
from .models import Models
from .settings import Settings


@dataclass
class Serving:
    """A worker's own; belongs to the thread of the event loop."""

    settings: Settings
    metrics: Metrics
    models: Models
    is_ready: bool = True


def serving(request: Request) -> Serving:
    """Of the application that has the request."""
    server = request.app.state.serving
    assert isinstance(server, Serving)
    return server


async def gone(request: Request) -> None:
    """Returns when the client has gone; the body of the request was read before."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
