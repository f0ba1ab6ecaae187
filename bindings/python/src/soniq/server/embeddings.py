"""`/v1/embeddings`."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import numpy as np
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from ..embedding_model import Embeddings, Ids
from .embedding_queue import EmbeddingQueue, Order
from .opened import Opened
from .preparing import refuse
from .problems import Problem
from .schemas import EmbeddingRequest
from .serving import gone, serving
from .settings import Settings

router = APIRouter()


@router.post("/v1/embeddings")
async def embeddings(request: Request, fields: EmbeddingRequest) -> Response:
    server = serving(request)
    loop = asyncio.get_running_loop()
    future: asyncio.Future[list[Embeddings]] = loop.create_future()
    with server.models.use(fields.model) as opened:
        request.state.soniq_model = opened.name
        queue = opened.worker
        if not isinstance(queue, EmbeddingQueue):
            raise Problem(
                400, f"{fields.model!r} writes text and makes no embeddings", code="wrong_model", parameter="model"
            )
        if fields.dimensions not in (None, queue.model.dimension):
            raise refuse(f"embeddings of this model have {queue.model.dimension} numbers", "dimensions")
        queue.check()
        rows = await asyncio.to_thread(_rows, opened, queue, server.settings, fields)
        order = Order(rows, lambda result: _tell(loop, future, result), server.settings.timeout)
        queue.submit(order)
    leaving = asyncio.create_task(gone(request))
    try:
        await asyncio.wait((future, leaving), return_when=asyncio.FIRST_COMPLETED)
        if not future.done():
            return Response(status_code=499)
        body = await asyncio.to_thread(_body, fields, future.result(), sum(map(len, rows)))
        return JSONResponse(body)
    finally:
        order.is_cancelled = True
        leaving.cancel()
        future.cancel()


def _rows(opened: Opened, queue: EmbeddingQueue, settings: Settings, fields: EmbeddingRequest) -> list[Ids]:
    """Ids of each text. Ids are taken as they come, with or without what a tokenizer sets around a text."""
    given = fields.input
    inputs: list[Any] = [given] if isinstance(given, str) or given and isinstance(given[0], int) else list(given)
    if not inputs:
        raise refuse("the input is empty", "input")
    if len(inputs) > settings.max_inputs:
        raise refuse(f"the input has {len(inputs)} texts, and the server allows {settings.max_inputs}", "input")
    rows = []
    for place, text in enumerate(inputs):
        name = "input" if len(inputs) == 1 else f"input.{place}"
        if isinstance(text, str):
            if opened.tokenizer is None:
                raise refuse("the model has no tokenizer: send ids of tokens", name)
            row = opened.tokenizer.encode(text)
        else:
            row = np.array(text, np.int32)
        if not len(row) or text == "":
            raise refuse("a text is empty", name)
        if len(row) > queue.model.limit:
            raise refuse(
                f"a text has {len(row)} tokens, and there is room for {queue.model.limit}",
                name,
                "context_length_exceeded",
            )
        if opened.tokenizer is not None and row.max() >= len(opened.tokenizer):
            raise refuse(f"{row.max()} is no token: there are {len(opened.tokenizer)}", name)
        rows.append(row)
    return rows


def _tell(
    loop: asyncio.AbstractEventLoop, future: asyncio.Future[list[Embeddings]], result: list[Embeddings] | BaseException
) -> None:
    def settle() -> None:
        if future.done():
            return
        if isinstance(result, BaseException):
            future.set_exception(result)
        else:
            future.set_result(result)

    try:
        loop.call_soon_threadsafe(settle)
    except RuntimeError:
        # The loop has ended, and nobody waits.
        pass


def _body(fields: EmbeddingRequest, vectors: list[Embeddings], tokens: int) -> dict[str, Any]:
    def encoded(vector: Embeddings) -> str | list[float]:
        if fields.encoding_format == "base64":
            return base64.b64encode(vector.astype("<f4").tobytes()).decode()
        numbers: list[float] = vector.tolist()
        return numbers

    data = [
        {"object": "embedding", "index": index, "embedding": encoded(vector)} for index, vector in enumerate(vectors)
    ]
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return {"object": "list", "data": data, "model": fields.model, "usage": usage}
