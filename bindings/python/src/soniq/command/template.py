"""Chat templates: the text that a model was trained to read a conversation from."""

from __future__ import annotations

import datetime
import json
import re
from typing import Any

import numpy as np
import numpy.typing as npt

from ..model import Model
from ..tokenizer import Tokenizer
from .opening import CommandError

Messages = list[dict[str, str]]
KEY = "tokenizer.chat_template"
# Around what must stay text. Unicode keeps these two for programs' own use, and no text has them.
OPEN, CLOSE = "\ufdd0", "\ufdd1"
MARKED = re.compile(f"{OPEN}(.*?){CLOSE}", re.DOTALL)


class ChatTemplate:
    """A template in Jinja, and the tokenizer of the model that it is for."""

    def __init__(self, model: Model, source: str | None = None) -> None:
        """Takes `source`, or the template of the model's file. Raises CommandError where there is none that works."""
        source = str(model.metadata.get(KEY, "")) if source is None else source
        if not source:
            raise CommandError(
                f"the file has no chat template ({KEY}): give one with --template FILE, or use soniq generate"
            )
        self._tokenizer = model.tokenizer
        self._template = _compiled(source)
        self._names = {name: _piece(model, name) for name in ("bos_token", "eos_token")}

    def tokens(self, messages: Messages) -> npt.NDArray[np.int32]:
        """Tokens of a conversation up to where the model is to answer.

        Names of control tokens in a message stay text: nobody can end a turn, or begin one, by what they write.
        """
        guarded = [message | {"content": _guarded(self._tokenizer, message["content"])} for message in messages]
        parts = MARKED.split(self._render(guarded))
        # Every second part is one that was marked.
        ids = [
            self._tokenizer.encode(part, add_special=False, parse_special=place % 2 == 0)
            for place, part in enumerate(parts)
        ]
        return np.concatenate(ids)

    def _render(self, messages: Messages) -> str:
        import jinja2

        try:
            return str(self._template.render(messages=messages, add_generation_prompt=True, **self._names))
        except (jinja2.TemplateError, ArithmeticError, LookupError, TypeError, ValueError) as error:
            raise CommandError(f"the chat template refuses this conversation: {error}") from None


def _compiled(source: str) -> Any:
    try:
        import jinja2
        import jinja2.ext
        import jinja2.sandbox
    except ImportError:
        raise CommandError(
            "chat templates need the package jinja2: pip install jinja2 (or soniq[chat]). soniq generate works without"
        ) from None

    # Of jinja2's types the checkers know nothing.
    extension: Any = jinja2.ext.Extension

    class Marked(extension):  # type: ignore[misc]
        """`generation` marks what a model says, for those who train it."""

        tags = {"generation"}

        def parse(self, parser: Any) -> Any:
            next(parser.stream)
            return parser.parse_statements(("name:endgeneration",), drop_needle=True)

    # As templates are written for: a block takes its line break with it. The sandbox is for files of others.
    environment = jinja2.sandbox.ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols", Marked]
    )
    environment.globals["raise_exception"] = _refuse
    environment.globals["strftime_now"] = _now
    environment.filters["tojson"] = _json
    try:
        return environment.from_string(source)
    except jinja2.TemplateError as error:
        raise CommandError(f"the chat template cannot be read: {error}. Give one with --template FILE") from None


def _refuse(message: str) -> None:
    raise ValueError(message)


def _now(form: str) -> str:
    return datetime.datetime.now().strftime(form)


def _json(value: Any, indent: int | None = None) -> str:
    """Jinja's own writes for HTML."""
    return json.dumps(value, ensure_ascii=False, indent=indent)


def _piece(model: Model, name: str) -> str:
    """The text of a control token that the metadata names, "" where they do not."""
    token = model.metadata.get(f"tokenizer.{name}_id")
    if not isinstance(token, int) or not 0 <= token < len(model.tokenizer):
        return ""
    return model.tokenizer.decode([token], skip_special=False)


def _guarded(tokenizer: Tokenizer, text: str) -> str:
    """The text with marks around names of control tokens."""
    text = text.replace(OPEN, "\ufffd").replace(CLOSE, "\ufffd")
    special = tokenizer.encode(text, add_special=False, parse_special=True)
    if np.array_equal(special, tokenizer.encode(text, add_special=False)):
        return text
    control = {token for token in special.tolist() if not tokenizer.decode_bytes([token])}
    names = sorted((tokenizer.decode([token], skip_special=False) for token in control), key=len, reverse=True)
    return re.sub("|".join(map(re.escape, names)), rf"{OPEN}\g<0>{CLOSE}", text) if names else text
