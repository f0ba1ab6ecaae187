"""Answers of a given form: `Grammar`, for `Model.generate`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from .matcher import Matcher, limits, llguidance, one_line

if TYPE_CHECKING:
    from .tokenizer import Tokenizer

# All tokens whose bytes go on with the text may follow, not only the usual one: other masks may leave out that one.
START = '%llguidance {"no_forcing": true}\nstart: @answer'
# White space as people write it: without a bound a model may write nothing else.
WHITESPACE = r" |\n[ \t]{0,64}"


class Grammar:
    """The form of an answer: which texts a model may write.

    `json_schema`, `regex`, `lark` and `choice` make one, with the package llguidance. It does not change: it may be
    used for any number of answers, models and threads.

    All four raise ImportError where llguidance is not installed, TypeError for an argument of a wrong type, and
    ValueError for a grammar that is wrong or that llguidance does not support, with its message.
    """

    def __init__(self, definition: Mapping[str, Any], name: str) -> None:
        """Takes a grammar in the JSON of llguidance, and what errors call it: for the functions below."""
        parts = [{"lark_grammar": START}, {"name": "answer", **definition}]
        self._definition = _text(json.dumps({"grammars": parts}, ensure_ascii=False), name)
        self._name = name
        validate = llguidance().LLMatcher.validate_grammar_with_warnings
        is_error, messages = validate(self._definition, limits=limits())
        if is_error:
            raise ValueError(f"{name} cannot be used: {one_line(messages[0])}")

    @classmethod
    def json_schema(cls, schema: Mapping[str, Any] | bool | str) -> Grammar:
        """JSON that a schema describes (draft 2020-12).

        Args:
            schema: a mapping, a boolean, or the text of one. Properties come in its order. White space is at most a
                space, or a line break with up to 64 spaces or tabs, wherever JSON may have some; a key "x-guidance"
                with options of llguidance takes the place of that.
        """
        value = _parsed(schema) if isinstance(schema, str) else schema
        if not isinstance(value, (Mapping, bool)):
            raise TypeError(f"schema must be an object or a boolean, not {type(value).__name__}")
        if value is not False:
            value = {"x-guidance": {"whitespace_pattern": WHITESPACE}, **({} if value is True else value)}
        try:
            json.dumps(value, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise type(error)(f"schema is no JSON: {error}") from None
        return cls({"json_schema": value}, "the JSON schema")

    @classmethod
    def regex(cls, pattern: str) -> Grammar:
        r"""Texts that a regular expression matches from beginning to end.

        Args:
            pattern: in the syntax of Rust's crate `regex`; \d and \w are classes of Unicode.
        """
        definition = llguidance().LLMatcher.grammar_from_regex(_text(pattern, "pattern"))
        return cls({"lark_grammar": json.loads(definition)["grammars"][0]["lark_grammar"]}, "the regular expression")

    @classmethod
    def lark(cls, text: str) -> Grammar:
        """Texts of a context-free grammar.

        Args:
            text: its rules, of which `start` is the first, in llguidance's form of the syntax of Lark.
        """
        return cls({"lark_grammar": _text(text, "text")}, "the grammar")

    @classmethod
    def choice(cls, texts: Iterable[str]) -> Grammar:
        """One of some texts."""
        entries = [] if isinstance(texts, str) else [_text(entry, "an entry of texts") for entry in texts]
        if not entries:
            raise ValueError("texts must be a list of at least one text")
        quoted = " | ".join(json.dumps(entry, ensure_ascii=False) for entry in entries)
        return cls({"lark_grammar": f"start: {quoted}"}, "the choice")

    def matcher(self, tokenizer: Tokenizer, vocabulary: int, ends: frozenset[int]) -> Matcher:
        """What follows one answer; see `Matcher`. Raises ValueError for a grammar that names an unknown token."""
        return Matcher(self._definition, self._name, tokenizer, vocabulary, ends)


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise ValueError(f"the JSON schema is no JSON: {error}") from None


def _text(value: object, name: str) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a str, not {type(value).__name__}")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"{name} cannot be written as UTF-8: {error.reason}") from None
    return value
