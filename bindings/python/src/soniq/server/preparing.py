"""From the fields of a request to texts that a scheduler writes. Nothing here waits for a model."""

from __future__ import annotations

import secrets
from collections.abc import Callable

import numpy as np

from ..command.opening import CommandError
from ..errors import GrammarError, SoniqError
from ..generation import SamplingOptions
from ..grammar import Grammar
from ..sampler import Sampler
from ..tokenizer import Tokenizer
from .job import Job
from .opened import Decoding
from .problems import Problem
from .schemas import ChatRequest, CompletionRequest, Message, Sampling
from .settings import Settings
from .text import Ids, Manner, Piece, Text


def refuse(message: str, parameter: str | None, code: str | None = None) -> Problem:
    """400 for a field of a request."""
    return Problem(400, message, parameter=parameter, code=code)


def chat_prompt(decoding: Decoding, request: ChatRequest) -> Ids:
    """The tokens of a conversation. Raises Problem for one that the model has no form for."""
    for name in ("tools", "functions"):
        if getattr(request, name):
            raise refuse(f"{name} are not supported", name)
    if request.modalities not in (None, ["text"]):
        raise refuse("text is all that a model writes here", "modalities")
    if decoding.template is None:
        raise refuse(f"the model cannot chat: {decoding.template_error}", "model", "no_chat_template")
    messages = [_message(message, place) for place, message in enumerate(request.messages)]
    try:
        ids = decoding.template.tokens(messages)
    except CommandError as error:
        raise refuse(str(error), "messages") from None
    if not len(ids):
        raise refuse("the chat template makes no text of the conversation", "messages")
    return ids


def _message(message: Message, place: int) -> dict[str, str]:
    name = f"messages.{place}"
    if message.tool_calls:
        raise refuse("tool calls are not supported", f"{name}.tool_calls")
    content = message.content
    if isinstance(content, list):
        if any(part.type != "text" or part.text is None for part in content):
            raise refuse("a message takes parts of the type text only", f"{name}.content")
        content = "".join(part.text or "" for part in content)
    role = "system" if message.role == "developer" else message.role
    return {"role": role, "content": content or ""}


def completion_prompt(tokenizer: Tokenizer, decoding: Decoding, request: CompletionRequest) -> Ids:
    """The tokens of a text. Raises Problem for what is not one."""
    unsupported = {"logprobs": request.logprobs, "echo": request.echo, "suffix": request.suffix}
    for name, value in unsupported.items():
        if value:
            raise refuse(f"{name} is not supported here", name)
    if request.best_of not in (None, request.n or 1):
        raise refuse("best_of is not supported: it must be n", "best_of")
    prompt = request.prompt
    if isinstance(prompt, list) and len(prompt) == 1 and not isinstance(prompt[0], int):
        prompt = prompt[0]
    if isinstance(prompt, str):
        ids = tokenizer.encode(prompt)
    elif all(isinstance(token, int) for token in prompt):
        ids = np.array(prompt, np.int32)
    else:
        raise refuse("one prompt a request is supported: send several requests", "prompt")
    if not len(ids):
        raise refuse("the prompt is empty", "prompt")
    if ids.max() >= decoding.vocabulary:
        raise refuse(f"{ids.max()} is no token: there are {decoding.vocabulary}", "prompt")
    return ids


def job(
    tokenizer: Tokenizer,
    decoding: Decoding,
    settings: Settings,
    request: Sampling,
    ids: Ids,
    sink: Callable[[int], Callable[[Piece], None]],
) -> Job:
    """What the scheduler takes; `sink` gives each text its own. Raises Problem for options that cannot be.

    The first use of a grammar with a model takes part of a second: not for the thread of the event loop.
    """
    count = request.n or 1
    if count > settings.concurrency:
        raise refuse(f"n is {count}, and the server writes at most {settings.concurrency} texts at once", "n")
    most = _max_tokens(decoding, settings, request, len(ids))
    seed = secrets.randbits(32) if request.seed is None else request.seed
    grammar = _grammar(request)
    is_chat = isinstance(request, ChatRequest)
    likely = None
    if isinstance(request, ChatRequest):
        if request.top_logprobs and not request.logprobs:
            raise refuse("top_logprobs needs logprobs", "top_logprobs")
        likely = (request.top_logprobs or 0) if request.logprobs else None
    stops = (request.stop,) if isinstance(request.stop, str) else tuple(request.stop or ())
    texts = []
    try:
        for index in range(count):
            manner = Manner(
                Sampler(decoding.vocabulary, **_options(request, (seed + index) % 2**64)),
                # A grammar counts every space; so does what goes on with a text.
                tokenizer.stream(continues=not is_chat or grammar is not None),
                most,
                decoding.ends,
                stops,
                None if grammar is None else grammar.matcher(tokenizer, decoding.vocabulary, decoding.ends),
                likely,
            )
            texts.append(Text(ids, manner, sink(index)))
    except (GrammarError, SoniqError, TypeError, ValueError) as error:
        raise refuse(str(error), None) from None
    return Job(texts, settings.timeout)


def _max_tokens(decoding: Decoding, settings: Settings, request: Sampling, length: int) -> int:
    name = "max_tokens"
    asked = request.max_tokens
    if isinstance(request, ChatRequest) and request.max_completion_tokens is not None:
        name, asked = "max_completion_tokens", request.max_completion_tokens
    if asked is not None and asked > settings.max_tokens:
        raise refuse(f"{name} is {asked}, and the server allows {settings.max_tokens}", name)
    # The last token of an answer needs no place.
    room = decoding.capacity + 1 - length
    if (asked or 1) > room:
        with_answer = f" and {name} {asked}" if asked else ""
        raise refuse(
            f"the prompt has {length} tokens{with_answer}, and there is room for {decoding.capacity}",
            "messages" if isinstance(request, ChatRequest) else "prompt",
            "context_length_exceeded",
        )
    return asked or min(settings.max_tokens, room)


def _options(request: Sampling, seed: int) -> SamplingOptions:
    """OpenAI's defaults, which are those of this library but for the temperature."""
    options: SamplingOptions = {"seed": seed, "temperature": 1.0}
    for name in ("temperature", "top_p", "top_k", "min_p", "repetition_penalty"):
        if (value := getattr(request, name)) is not None:
            options[name] = value
    options["presence_penalty"] = request.presence_penalty or 0.0
    options["frequency_penalty"] = request.frequency_penalty or 0.0
    options["bias"] = {_token(token): value for token, value in (request.logit_bias or {}).items()}
    return options


def _token(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 11):
        raise refuse(f"{text[:40]!r} is no id of a token", "logit_bias")
    return int(text)


def _grammar(request: Sampling) -> Grammar | None:
    form = request.response_format
    if form is None or form.type == "text":
        return None
    schema: object = {"type": "object"}
    if form.type == "json_schema":
        if form.json_schema is None:
            raise refuse("json_schema is missing", "response_format.json_schema")
        schema = form.json_schema.definition
    try:
        return Grammar.json_schema(schema)  # type: ignore[arg-type]
    except (TypeError, ValueError) as error:
        raise refuse(str(error), "response_format") from None
    except ImportError as error:
        raise Problem(501, str(error), parameter="response_format") from None
