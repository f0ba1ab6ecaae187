"""`soniq chat`: a conversation in the terminal."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from ..generation import PIECE, free_positions, session_limits, vocabulary_size
from ..grammar import Grammar
from ..model import Model
from ..sampler import Sampler
from .answer import Answer
from .generate import sampling, show, speed
from .opening import CommandError, asked_by, open_grammar, open_model, open_tokenizer, read_text
from .template import ChatTemplate, Messages


class Chat:
    """A conversation and the session that holds it: of each turn only what is new runs through the model."""

    def __init__(
        self,
        model: Model,
        template: ChatTemplate,
        sampler: Sampler,
        *,
        system: str | None = None,
        context: int = 0,
        lookup: int = 0,
        grammar: Grammar | None = None,
    ) -> None:
        """Begins a conversation, with room for `context` tokens; 0: as many as the file allows.

        Each answer has the form of `grammar`.
        """
        limits = session_limits(model, PIECE, None, lookup) | ({"capacity": context} if context else {})
        self.messages: Messages = [] if system is None else [{"role": "system", "content": system}]
        with asked_by("--context"):
            self.session = model.session(maximums=limits)
        self.capacity = free_positions(self.session)
        self._kept = len(self.messages)
        self._model, self._template, self._sampler = model, template, sampler
        self._lookup, self._grammar = lookup, grammar
        self._held: list[int] = []

    def ask(self, text: str, *, max_tokens: int, stops: tuple[str, ...] = ()) -> Answer:
        """Puts a question; the answer is computed as it is iterated over, and `close` ends the turn.

        Raises CommandError where the question alone has no room; the conversation is then as before.
        """
        before = list(self.messages)
        self.messages.append({"role": "user", "content": text})
        try:
            ids = self._fitted(max_tokens)
        except CommandError:
            self.messages = before
            raise
        common = min(_common(self._held, ids), len(ids) - 1)
        if common < len(self._held):
            self.session.truncate(common)
        self._held = ids.tolist()
        new = ids[common:]
        return Answer(
            self._model,
            new,
            self._sampler,
            self.session,
            max_tokens=max_tokens,
            stops=stops,
            lookup=self._lookup,
            grammar=self._grammar,
            continues=False,
        )

    def close(self, answer: Answer) -> None:
        """Makes what came of an answer a part of the conversation, finished or not."""
        self.messages.append({"role": "assistant", "content": answer.text})
        length = self.capacity - free_positions(answer.ids.session)
        self._held = (self._held + answer.ids.tokens)[:length]

    def _fitted(self, max_tokens: int) -> npt.NDArray[np.int32]:
        """Tokens of the conversation, without its oldest turns where they leave too little room for an answer."""
        answer = min(max_tokens, max(1, self.capacity // 4))
        while True:
            ids = self._template.tokens(self.messages)
            if len(ids) == 0:
                raise CommandError("the chat template makes no text of the conversation: give one with --template")
            if len(ids) + answer <= self.capacity:
                return ids
            if len(self.messages) <= self._kept + 1:
                raise CommandError(
                    f"the message makes {len(ids)} tokens, with {answer} for the answer more than the {self.capacity} "
                    "that there is room for: write less, or give a larger --context"
                )
            del self.messages[self._kept : self._kept + 2]


def run(options: argparse.Namespace) -> int:
    """Answers each line of standard input, until its end."""
    grammar = open_grammar(options)
    model = open_model(options.model, options.threads)
    open_tokenizer(options.model, model)
    source = None if options.template is None else read_text(options.template)
    template = ChatTemplate(model, source)
    sampler = Sampler(vocabulary_size(model), **sampling(options))
    chat = Chat(
        model,
        template,
        sampler,
        system=options.system,
        context=options.context,
        lookup=options.lookup,
        grammar=grammar,
    )
    status = 0
    for line in _lines():
        turns = len(chat.messages)
        try:
            answer = chat.ask(line, max_tokens=options.max_tokens, stops=tuple(options.stop))
        except CommandError as error:
            print(f"soniq: {error}", file=sys.stderr)
            status = 1
            continue
        if len(chat.messages) <= turns:
            print("[the oldest turns are forgotten: there is no room for them]", file=sys.stderr)
        try:
            show(answer)
        except KeyboardInterrupt:
            # It ends the answer and not the conversation.
            print(" [interrupted]", end="", file=sys.stderr)
        chat.close(answer)
        print(flush=True)
        print(speed(answer), file=sys.stderr)
    return status


def _lines() -> Iterator[str]:
    """What is typed, or comes from a file or a pipe, without empty lines."""
    is_terminal = sys.stdin.isatty() and sys.stdout.isatty()
    if is_terminal:
        try:
            # Its import makes input() edit lines and remember them.
            import readline  # noqa: F401
        except ImportError:
            pass
        print("[an empty line is skipped; Ctrl-C ends an answer, Ctrl-D the conversation]", file=sys.stderr)
    while True:
        try:
            line = input("> " if is_terminal else "")
        except EOFError:
            if is_terminal:
                print()
            return
        if line.strip():
            yield line


def _common(first: list[int], second: npt.NDArray[np.int32]) -> int:
    """How many tokens both begin with."""
    length = min(len(first), len(second))
    differ = np.flatnonzero(np.array(first[:length], np.int32) != second[:length])
    return int(differ[0]) if len(differ) else length
