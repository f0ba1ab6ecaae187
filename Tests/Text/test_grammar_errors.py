"""Grammars that are wrong or cannot go on, and answers that are interrupted."""

from __future__ import annotations

import gc
import re
import sys
import weakref
from pathlib import Path
from typing import Any

import pytest

import soniq

families = pytest.importorskip("families", exc_type=ImportError)
sys.path.insert(0, str(Path(__file__).parents[1] / "Decoders"))
from grammar_models import PADDING, random_decoder  # noqa: E402


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> soniq.Model:
    return random_decoder(tmp_path_factory.mktemp("model"), families.FAMILIES["gpt-2"]().keys)


def test_a_grammar_that_cannot_go_on_is_an_error(model: soniq.Model, tmp_path: Path) -> None:
    keys = families.FAMILIES["gpt-2"]().keys
    tokens, size = list(keys["tokens"]), len(keys["tokens"])
    # Nothing else has this byte.
    tokens[tokens.index("ą")] = "Zz9"
    other = random_decoder(tmp_path, keys | {"tokens": tokens})
    answer = other.generate("x", grammar=soniq.Grammar.regex("ab\x05c"), max_tokens=9)
    for _ in range(2):
        with pytest.raises(soniq.GrammarError, match="behind [12] tokens: no token of the model goes on with the text"):
            list(answer)
        # Asked again it says so again, and nothing else.
        assert other.tokenizer.decode(answer.generation.tokens) == "ab"
    # llguidance has limits, which are met as the answer comes.
    with pytest.raises(soniq.GrammarError, match="too many expressions"):
        list(model.generate("x", grammar=soniq.Grammar.regex("([a-z]{1,1000}){1,1000}x"), ignore_end=True))
    # Ends that are no tokens, as files may have them, are none.
    matcher = soniq.Grammar.regex("abc").matcher(model.tokenizer, size + PADDING, frozenset({-1, size + PADDING}))
    wrong = [model.tokenizer.id("a"), model.tokenizer.id("x")]
    for _ in range(2):
        with pytest.raises(soniq.GrammarError, match="behind 1 tokens"):
            matcher.allowed(wrong)


class Interrupted:
    """A matcher of llguidance that is interrupted behind the work of some call."""

    def __init__(self, matcher: Any) -> None:
        self.matcher, self.left = matcher, 1

    def __getattr__(self, name: str) -> Any:
        function = getattr(self.matcher, name)

        def call(*arguments: Any) -> Any:
            result = function(*arguments)
            if name in ("consume_token", "compute_bitmask"):
                self.left -= 1
                if self.left == 0:
                    raise KeyboardInterrupt
            return result

        return call


def test_interrupts_leave_the_grammar_where_it_was(model: soniq.Model) -> None:
    grammar = soniq.Grammar.regex("([0-9]z){12}")
    ids = model.tokenizer.encode("x")
    expected = list(model.generate(ids, grammar=grammar, temperature=1, seed=1, max_tokens=40))
    answer = model.generate(ids, grammar=grammar, temperature=1, seed=1, max_tokens=40)
    answer._matcher._matcher = Interrupted(answer._matcher._matcher)
    count = 0
    while answer.stop_reason is None:
        try:
            next(answer, None)
        except KeyboardInterrupt:
            count += 1
            # To do it anew takes a call for each token and one for the mask; one of the two behind them is the next.
            answer._matcher._matcher.left = len(answer.tokens) + 2 + count % 2
    assert answer.tokens == expected and count > 8


def test_wrong_grammars(model: soniq.Model, monkeypatch: pytest.MonkeyPatch) -> None:
    grammar = soniq.Grammar
    for make, value, error, words in [
        (grammar.json_schema, {"type": "text"}, ValueError, "JSON schema cannot be used: Invalid type: text"),
        (grammar.json_schema, {"type": "string", "not": {}}, ValueError, 'Unimplemented keys: ["not"]'),
        (grammar.json_schema, {"oneOf": [{"minimum": 1}, {"maximum": 5}]}, ValueError, "oneOf"),
        (grammar.json_schema, '{"type":', ValueError, "the JSON schema is no JSON"),
        (grammar.json_schema, False, ValueError, "Unsatisfiable"),
        (grammar.json_schema, [1], TypeError, "must be an object or a boolean, not list"),
        (grammar.json_schema, "3", TypeError, "must be an object or a boolean, not int"),
        (grammar.json_schema, {"const": b"x"}, TypeError, "schema is no JSON"),
        (grammar.json_schema, {"minimum": float("nan")}, ValueError, "schema is no JSON"),
        (grammar.regex, "a(", ValueError, "unclosed group"),
        (grammar.regex, "(?=a)b", ValueError, "look-around"),
        (grammar.json_schema, {"const": "\ud800"}, ValueError, "UTF-8"),
        (grammar.regex, 5, TypeError, "pattern must be a str, not int"),
        (grammar.regex, "\ud800", ValueError, "UTF-8"),
        (grammar.lark, "start: foo", ValueError, 'unknown name: "foo"'),
        (grammar.lark, "", ValueError, "no start rule"),
        (grammar.choice, [], ValueError, "at least one text"),
        (grammar.choice, "yes", ValueError, "list of at least one text"),
        (grammar.choice, [1], TypeError, "an entry of texts must be a str"),
    ]:
        with pytest.raises(error, match=re.escape(words)) as caught:
            make(value)
        assert "\n" not in str(caught.value)
    with pytest.raises(TypeError, match="must be a soniq.Grammar, not dict: Grammar.json_schema"):
        model.generate("x", grammar={"type": "object"})
    # Tokens are known with the model: before anything runs.
    with pytest.raises(ValueError, match="unknown special token"):
        model.generate("x", grammar=grammar.lark("start: <|nothing|>"))
    monkeypatch.setitem(sys.modules, "llguidance", None)
    with pytest.raises(ImportError, match=re.escape("pip install 'soniq[grammar]'")):
        grammar.regex("a")


def test_models_without_a_tokenizer(tmp_path: Path) -> None:
    keys = families.FAMILIES["gpt-2"]().keys
    model = random_decoder(tmp_path, keys | {"pre": "tekken"})
    with pytest.raises(TypeError, match="a grammar is given, and .*no tokenizer"):
        model.generate([1, 2], grammar=soniq.Grammar.regex("a"))


def test_models_are_let_go(tmp_path: Path) -> None:
    model = random_decoder(tmp_path, families.FAMILIES["gpt-2"]().keys)
    kept = weakref.ref(model.tokenizer)
    "".join(model.generate("x", grammar=soniq.Grammar.regex("abc")))
    del model
    gc.collect()
    assert kept() is None


def test_nothing_is_printed(model: soniq.Model, capfd: pytest.CaptureFixture[str]) -> None:
    "".join(model.generate("x", grammar=soniq.Grammar.json_schema({"type": "object"}), max_tokens=20))
    with pytest.raises(soniq.GrammarError):
        soniq.Grammar.regex("abc").matcher(model.tokenizer, model.outputs[0].shape[-1], frozenset()).allowed([5])
    assert capfd.readouterr() == ("", "")
