"""Chat and completions: the answers are those of the library itself, by OpenAI's own client."""

from __future__ import annotations

import json
import math
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import openai
import pytest
from running import Server

import soniq
from soniq.command.template import ChatTemplate

QUESTION = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Who are you?"}]


@pytest.fixture(scope="module")
def client(server: Server) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0)


def expected(model: soniq.Model, messages: list[dict[str, str]], count: int, **options: Any) -> str:
    """The answer of a session of its own."""
    ids = ChatTemplate(model).tokens(messages)
    return model.tokenizer.decode(list(model.generate(ids, max_tokens=count, **options)))


def ask(client: openai.OpenAI, messages: Any = QUESTION, **options: Any) -> Any:
    return client.chat.completions.create(model="chat", messages=messages, **options)


def test_an_answer(client: openai.OpenAI, chat_model: soniq.Model) -> None:
    answer = ask(client, temperature=0, max_completion_tokens=12)
    ids = ChatTemplate(chat_model).tokens(QUESTION)
    assert answer.object == "chat.completion" and answer.model == "chat"
    (choice,) = answer.choices
    assert (choice.message.role, choice.message.content) == ("assistant", expected(chat_model, QUESTION, 12))
    assert choice.finish_reason == "length" and choice.logprobs is None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (len(ids), 12)
    assert answer.usage.total_tokens == len(ids) + 12


def test_it_comes_in_pieces(client: openai.OpenAI, chat_model: soniq.Model, server: Server) -> None:
    options = {"temperature": 0.9, "seed": 5, "max_tokens": 30}
    chunks = list(ask(client, stream=True, stream_options={"include_usage": True}, **options))
    assert len({chunk.id for chunk in chunks}) == 1
    assert chunks[0].choices[0].delta.role == "assistant"
    texts = [chunk.choices[0].delta.content for chunk in chunks[:-1] if chunk.choices[0].delta.content]
    assert len(texts) > 10
    assert "".join(texts) == expected(chat_model, QUESTION, 30, temperature=0.9, seed=5)
    assert [chunk.choices[0].finish_reason for chunk in chunks[:-1]][-1] in ("length", "stop")
    assert chunks[-1].choices == [] and chunks[-1].usage.completion_tokens <= 30
    assert all(chunk.usage is None for chunk in chunks[:-1])
    raw = server.post("/v1/chat/completions", {"model": "chat", "messages": QUESTION, "stream": True, **options})
    assert raw.headers["content-type"].startswith("text/event-stream")
    events = [part.removeprefix("data: ") for part in raw.body.split("\n\n")]
    assert events[-2:] == ["[DONE]", ""]
    assert all("usage" not in json.loads(event) for event in events[:-2])


def test_many_clients_have_their_own_answers(client: openai.OpenAI, chat_model: soniq.Model) -> None:
    """More than there are places; prompts of one word and of hundreds."""

    def one(number: int) -> tuple[str, str]:
        messages = [{"role": "user", "content": f"Question {number} " * (number**2 + 1)}]
        options = {"temperature": 0.2 * (number % 4), "seed": number}
        found = ask(client, messages, max_tokens=25, presence_penalty=0.5, **options)
        text = expected(chat_model, messages, 25, presence_penalty=0.5, **options)
        return found.choices[0].message.content, text

    with ThreadPoolExecutor(12) as pool:
        pairs = list(pool.map(one, range(12)))
    assert len({found for found, _ in pairs}) > 6
    for found, text in pairs:
        assert found == text


def test_a_conversation_is_not_read_again(client: openai.OpenAI, chat_model: soniq.Model) -> None:
    messages = [{"role": "user", "content": "A conversation of its own"}]
    for turn in range(3):
        answer = ask(client, messages, temperature=0, max_tokens=9)
        text = answer.choices[0].message.content
        assert text == expected(chat_model, messages, 9)
        if turn:
            # At most the question, the form around it, and what of the answer is cut into other tokens.
            new = answer.usage.prompt_tokens - answer.usage.prompt_tokens_details.cached_tokens
            assert 0 < new < 60 < answer.usage.prompt_tokens
        messages += [{"role": "assistant", "content": text}, {"role": "user", "content": f"Go on {turn}"}]


def test_several_answers(client: openai.OpenAI, chat_model: soniq.Model) -> None:
    answer = ask(client, n=3, temperature=1, seed=11, max_tokens=10)
    for index, choice in enumerate(answer.choices):
        assert choice.index == index
        assert choice.message.content == expected(chat_model, QUESTION, 10, temperature=1, seed=11 + index)
    chunks = list(ask(client, n=3, temperature=1, seed=11, max_tokens=10, stream=True))
    for index, choice in enumerate(answer.choices):
        own = [chunk.choices[0] for chunk in chunks if chunk.choices[0].index == index]
        assert "".join(each.delta.content or "" for each in own) == choice.message.content
        assert own[-1].finish_reason == choice.finish_reason


def test_where_it_ends(client: openai.OpenAI, chat_model: soniq.Model) -> None:
    text = expected(chat_model, QUESTION, 20)
    answer = ask(client, temperature=0, max_tokens=20, stop=[text[5:7], "never"]).choices[0]
    assert answer.message.content == text[: text.index(text[5:7])] and answer.finish_reason == "stop"
    end = chat_model.metadata["tokenizer.eos_token_id"]
    answer = ask(client, max_tokens=20, logit_bias={str(end): 100}, temperature=0)
    assert answer.choices[0].finish_reason == "stop" and answer.usage.completion_tokens == 0


def test_probabilities(client: openai.OpenAI, chat_model: soniq.Model) -> None:
    answer = ask(client, temperature=0, max_tokens=6, logprobs=True, top_logprobs=3).choices[0]
    ids = ChatTemplate(chat_model).tokens(QUESTION)
    generation = chat_model.generate(ids, max_tokens=6)
    for token, told in zip(generation, answer.logprobs.content, strict=True):
        logits = generation.logits.astype(np.float64)
        chances = logits - logits.max() - math.log(np.exp(logits - logits.max()).sum())
        assert bytes(told.bytes) == chat_model.tokenizer.decode_bytes([token], continues=True)
        best = np.argsort(-chances)[:3]
        assert np.allclose([each.logprob for each in told.top_logprobs], chances[best], atol=1e-5)
        assert math.isclose(told.logprob, chances[token], abs_tol=1e-5)
    chunks = list(ask(client, temperature=0, max_tokens=6, logprobs=True, top_logprobs=3, stream=True))
    pieces = [chunk.choices[0].logprobs for chunk in chunks]
    assert [each for piece in pieces if piece for each in piece.content] == answer.logprobs.content


def test_answers_of_a_form(client: openai.OpenAI) -> None:
    schema = {
        "type": "object",
        "properties": {"name": {"type": "string", "maxLength": 5}, "old": {"type": "boolean"}},
        "required": ["name", "old"],
        "additionalProperties": False,
    }
    form = {"type": "json_schema", "json_schema": {"name": "person", "schema": schema, "strict": True}}
    for seed in range(3):
        answer = ask(client, temperature=1, seed=seed, max_tokens=200, response_format=form)
        value = json.loads(answer.choices[0].message.content)
        assert set(value) == {"name", "old"} and isinstance(value["old"], bool)
    answer = ask(client, temperature=0, max_tokens=30, response_format={"type": "json_object"}).choices[0]
    assert answer.message.content.startswith("{") and answer.finish_reason in ("length", "stop")


def test_completions(client: openai.OpenAI, chat_model: soniq.Model) -> None:
    text = "".join(chat_model.generate("Once upon", max_tokens=15))
    answer = client.completions.create(model="chat", prompt="Once upon", temperature=0, max_tokens=15)
    assert answer.choices[0].text == text and answer.object == "text_completion"
    ids = chat_model.tokenizer.encode("Once upon").tolist()
    answer = client.completions.create(model="chat", prompt=ids, temperature=0, max_tokens=15)
    assert answer.choices[0].text == text
    chunks = client.completions.create(model="chat", prompt=["Once upon"], temperature=0, max_tokens=15, stream=True)
    assert "".join(chunk.choices[0].text for chunk in chunks) == text


def test_messages_of_parts(client: openai.OpenAI) -> None:
    parts = [{"type": "text", "text": "Who are "}, {"type": "text", "text": "you?"}]
    messages = [{"role": "developer", "content": "Be brief."}, {"role": "user", "content": parts}]
    found = [ask(client, each, temperature=0, max_tokens=9).choices[0].message.content for each in (messages, QUESTION)]
    assert found[0] == found[1]
