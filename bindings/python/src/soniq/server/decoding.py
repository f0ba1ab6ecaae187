"""`/v1/chat/completions` and `/v1/completions`."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from ..tokenizer import Tokenizer
from . import preparing
from .answers import ChatForm, Form, usage
from .job import Job
from .opened import Decoding
from .pieces import Pieces
from .problems import Problem, broken
from .schemas import ChatRequest, CompletionRequest, Sampling
from .serving import Serving, gone, serving
from .text import Chosen, Ids

router = APIRouter()


@router.post("/v1/chat/completions")
async def chat(request: Request, fields: ChatRequest) -> Response:
    return await _answer(request, fields, ChatForm, lambda _, decoding: preparing.chat_prompt(decoding, fields))


@router.post("/v1/completions")
async def completions(request: Request, fields: CompletionRequest) -> Response:
    def prompt(tokenizer: Tokenizer, decoding: Decoding) -> Ids:
        return preparing.completion_prompt(tokenizer, decoding, fields)

    return await _answer(request, fields, Form, prompt)


async def _answer(
    request: Request, fields: Sampling, form_type: type[Form], prompt: Callable[[Tokenizer, Decoding], Ids]
) -> Response:
    server = serving(request)
    pieces = Pieces(fields.n or 1)
    with server.models.use(fields.model) as opened:
        request.state.soniq_model = opened.name
        decoding, tokenizer = opened.decoding, opened.tokenizer
        if decoding is None or tokenizer is None:
            raise Problem(
                400, f"{fields.model!r} makes embeddings and no text", code="wrong_model", parameter="model"
            )

        def prepare() -> Job:
            ids = prompt(tokenizer, decoding)
            return preparing.job(tokenizer, decoding, server.settings, fields, ids, pieces.sink)

        decoding.scheduler.check(fields.n or 1)
        job = await asyncio.to_thread(prepare)
        decoding.scheduler.submit(job)
    answer = _Answer(form_type(fields.model, tokenizer), job, pieces, server, fields)
    if fields.stream:
        return _Stream(answer.stream(), job)
    return await answer.whole(request)


class _Stream(StreamingResponse):
    def __init__(self, events: AsyncIterator[str], job: Job) -> None:
        # Proxies are to hand on each event as it comes.
        headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
        super().__init__(events, media_type="text/event-stream", headers=headers)
        self._job = job

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            # Also where the client went before the first event.
            self._job.cancel()


class _Answer:
    """What comes of a request, collected or handed on as it comes. Whatever ends it ends the writing too."""

    def __init__(self, form: Form, job: Job, pieces: Pieces, server: Serving, fields: Sampling) -> None:
        self._form, self._job, self._pieces, self._server, self._fields = form, job, pieces, server, fields
        self._tells_chances = isinstance(fields, ChatRequest) and bool(fields.logprobs)

    async def whole(self, request: Request) -> Response:
        """The response; raises Problem."""
        collecting = asyncio.create_task(self._collected())
        leaving = asyncio.create_task(gone(request))
        try:
            await asyncio.wait((collecting, leaving), return_when=asyncio.FIRST_COMPLETED)
            if not collecting.done():
                # Nobody reads it: the status is one that servers use in their logs.
                return Response(status_code=499)
            return JSONResponse(collecting.result())
        finally:
            self._job.cancel()
            collecting.cancel()
            leaving.cancel()

    async def _collected(self) -> dict[str, Any]:
        count = len(self._job.texts)
        texts: list[list[str]] = [[] for _ in range(count)]
        chosen: list[list[Chosen]] = [[] for _ in range(count)]
        reasons: list[str | None] = [None] * count
        async for index, piece in self._told():
            texts[index].append(piece.text)
            chosen[index].extend(piece.chosen)
            reasons[index] = piece.reason
        choices = [
            self._form.choice(index, "".join(parts), chosen[index] if self._tells_chances else None, reasons[index])
            for index, parts in enumerate(texts)
        ]
        return self._form.answer(choices, self._usage())

    async def stream(self) -> AsyncIterator[str]:
        """Events; an error is one too, as the status was told before."""
        try:
            for index in range(len(self._job.texts)):
                if (opening := self._form.opening(index)) is not None:
                    yield self._event([opening])
            async for index, piece in self._told():
                chosen = piece.chosen if self._tells_chances else None
                if piece.text or chosen or not piece.is_last:
                    yield self._event([self._form.delta(index, piece.text, chosen, None)])
                if piece.is_last:
                    yield self._event([self._form.delta(index, "", None, piece.reason)])
            if self._wants_usage():
                yield _event(self._form.chunk([], usage=self._usage()))
            yield "data: [DONE]\n\n"
        except Problem as problem:
            yield _event(problem.body())
        except Exception as error:
            yield _event(broken(error).body())
        finally:
            self._job.cancel()

    async def _told(self) -> AsyncIterator[tuple[int, Any]]:
        is_first = True
        async for index, piece in self._pieces:
            if is_first:
                self._server.metrics.first.labels(self._fields.model).observe(time.monotonic() - self._job.begin)
                is_first = False
            yield index, piece

    def _wants_usage(self) -> bool:
        options = self._fields.stream_options
        return options is not None and bool(options.include_usage)

    def _event(self, choices: list[dict[str, Any]]) -> str:
        more = {"usage": None} if self._wants_usage() else {}
        return _event(self._form.chunk(choices, **more))

    def _usage(self) -> dict[str, Any]:
        job = self._job
        return usage(len(job.texts[0].prompt), sum(len(text.tokens) for text in job.texts), job.reused)


def _event(value: dict[str, Any]) -> str:
    return f"data: {json.dumps(value, ensure_ascii=False, separators=(',', ':'))}\n\n"
