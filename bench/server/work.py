"""What is asked: a pool of different requests, with the answers that the library itself gives to them."""

from __future__ import annotations

import base64
import time
from pathlib import Path
from typing import Any

import numpy as np

import soniq
from soniq.command.template import ChatTemplate
from soniq.embedding_model import EmbeddingModel
from soniq.generation import ENDS
from soniq.server.embedding_batches import embed

WORDS = "river garden music winter market paper engine harbour forest letter window bridge".split()


def sentence(number: int, words: int) -> str:
    """One that no other number has."""
    random = np.random.default_rng(number)
    return f"{number}: " + " ".join(random.choice(WORDS, words))


class Chat:
    """Short conversations, answered with the most likely tokens."""

    path, unit = "/v1/chat/completions", "tokens"

    def __init__(self, name: str, file: Path, threads: int, requests: int, tokens: int) -> None:
        model = soniq.load(file, threads=threads)
        template = ChatTemplate(model)
        self._model, self._tokens = model, tokens
        self.bodies: list[dict[str, Any]] = []
        self._prompts = []
        for number in range(requests):
            messages = [{"role": "user", "content": f"Write about {sentence(number, 12)}"}]
            body = {"model": name, "messages": messages, "temperature": 0, "max_tokens": tokens}
            self.bodies.append(body)
            self._prompts.append(template.tokens(messages))
        self.expected = [self._answer(prompt) for prompt in self._prompts]

    def _answer(self, prompt: np.ndarray) -> str:
        return self._model.tokenizer.decode(list(self._model.generate(prompt, max_tokens=self._tokens)))

    def is_right(self, number: int, body: Any) -> bool:
        """Whether it is the answer to the request of this number."""
        return body["choices"][0]["message"]["content"] == self.expected[number]

    def amount(self, body: Any) -> int:
        return int(body["usage"]["completion_tokens"])

    def in_process(self, beside: int, seconds: float) -> float:
        """Tokens of answers a second in this process, so many texts in each run, and no server."""
        vocabulary = self._model.outputs[0].shape[-1]
        ends = {self._model.metadata[key] for key in ENDS if key in self._model.metadata}
        decoder = self._model.decoder(maximum_outputs=max(16, beside))
        count, number = 0, 0
        begin = time.perf_counter()
        texts: list[list[Any]] = []
        while time.perf_counter() - begin < seconds:
            while len(texts) < beside:
                prompt = self._prompts[number % len(self._prompts)]
                sequence = self._model.sequence(len(prompt) + self._tokens)
                texts.append([sequence, soniq.Sampler(vocabulary), prompt, 0])
                number += 1
            rows = decoder.run([(sequence, tokens) for sequence, _, tokens, _ in texts])
            for text, row in zip(texts, rows, strict=True):
                assert row is not None
                token = text[1].sample(row[-1]).token
                text[2], text[3] = [token], self._tokens if token in ends else text[3] + 1
                count += token not in ends
            texts = [text for text in texts if text[3] < self._tokens]
        return count / (time.perf_counter() - begin)


class Embeddings:
    """Requests of a few texts of different lengths."""

    path, unit = "/v1/embeddings", "texts"

    def __init__(self, name: str, file: Path, threads: int, requests: int, texts: int) -> None:
        self._model = soniq.load(file, threads=threads)
        self._embedding = EmbeddingModel(self._model)
        places = range(texts)
        inputs = [[sentence(64 * number + place, 4 + 3 * place) for place in places] for number in range(requests)]
        self.bodies = [{"model": name, "input": each, "encoding_format": "base64"} for each in inputs]
        self._rows = [[self._model.tokenizer.encode(text) for text in each] for each in inputs]
        self.expected = [[self._alone(row) for row in rows] for rows in self._rows]

    def _alone(self, row: np.ndarray) -> str:
        """As the server writes it to those who ask for it so, as OpenAI's client does."""
        ((_, vectors),) = embed(self._embedding, [row])
        return base64.b64encode(vectors[0].tobytes()).decode()

    def is_right(self, number: int, body: Any) -> bool:
        return [entry["embedding"] for entry in body["data"]] == self.expected[number]

    def amount(self, body: Any) -> int:
        return len(body["data"])

    def in_process(self, beside: int, seconds: float) -> float:
        """Texts a second in this process, with the texts of so many requests in a batch."""
        count, number = 0, 0
        begin = time.perf_counter()
        while time.perf_counter() - begin < seconds:
            rows = [row for each in range(beside) for row in self._rows[(number + each) % len(self._rows)]]
            count += sum(len(places) for places, _ in embed(self._embedding, rows))
            number += beside
        return count / (time.perf_counter() - begin)
