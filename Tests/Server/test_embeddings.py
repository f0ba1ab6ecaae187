"""Embeddings: numbers and counts, alone and among many clients."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import openai
import pytest
from running import Server

import soniq

TEXTS = ["hello", "a", "abc def ghi", "The quick brown fox", "p q r", "Hello, world"]


@pytest.fixture(scope="module")
def client(server: Server) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0)


def alone(model: soniq.Model, text: str) -> np.ndarray:
    ids = model.tokenizer.encode(text)[None]
    return np.array(model(input_ids=ids, attention_mask=np.ones_like(ids))["sentence_embedding"][0])


def test_both_encodings(client: openai.OpenAI, encoder_model: soniq.Model) -> None:
    expected = [alone(encoder_model, text) for text in TEXTS]
    # Without an encoding the client asks for base64 and decodes it.
    for encoding in ({}, {"encoding_format": "float"}):
        answer = client.embeddings.create(model="letters", input=TEXTS, **encoding)
        assert [entry.index for entry in answer.data] == list(range(len(TEXTS)))
        for entry, vector in zip(answer.data, expected, strict=True):
            assert np.array_equal(np.array(entry.embedding, np.float32), vector)
        tokens = sum(len(encoder_model.tokenizer.encode(text)) for text in TEXTS)
        assert answer.usage.prompt_tokens == answer.usage.total_tokens == tokens


def test_all_kinds_of_input(client: openai.OpenAI, encoder_model: soniq.Model) -> None:
    ids = encoder_model.tokenizer.encode("abc def").tolist()
    for given in ("abc def", ["abc def"], ids, [ids]):
        (entry,) = client.embeddings.create(model="letters", input=given).data
        assert np.array_equal(np.array(entry.embedding, np.float32), alone(encoder_model, "abc def"))


def test_many_clients_have_their_own(client: openai.OpenAI, encoder_model: soniq.Model, server: Server) -> None:
    def one(number: int) -> bool:
        texts = [f"{'abcdefgh'[: 1 + (number + place) % 8]} {'pq' * (place % 4)}" for place in range(1 + number % 7)]
        answer = client.embeddings.create(model="letters", input=texts)
        vectors = [np.array(entry.embedding, np.float32) for entry in answer.data]
        pairs = zip(vectors, texts, strict=True)
        return all(np.array_equal(vector, alone(encoder_model, text)) for vector, text in pairs)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(one, range(40)))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"input": ""}, "empty"),
        ({"input": []}, "empty"),
        ({"input": ["a", ""]}, "empty"),
        ({"input": [[]]}, "empty"),
        ({"input": "a " * 30}, "32 tokens, and there is room for 22"),
        ({"input": [1, 40]}, "40 is no token"),
        ({"input": [-1]}, "greater than or equal to 0"),
        ({"input": 3}, "input: Input should be a valid string"),
        ({"input": "a", "encoding_format": "int8"}, "encoding_format"),
        ({"input": "a", "dimensions": 4}, "have 8 numbers"),
        ({"input": ["a"] * 2049}, "the server allows 2048"),
        ({"input": "a", "model": "chat"}, "makes no embeddings"),
        ({}, "input: Field required"),
    ],
)
def test_what_is_refused(server: Server, fields: dict[str, object], words: str) -> None:
    answer = server.post("/v1/embeddings", {"model": "letters"} | fields)
    assert answer.status == 400 and words in answer.body["error"]["message"]
    assert answer.body["error"]["type"] == "invalid_request_error"
