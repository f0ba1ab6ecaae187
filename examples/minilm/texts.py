"""What `train_minilm.py` trains on and what it holds out: token ids of sentences, and embeddings to compare with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import wordnet
from tokenizers import Tokenizer
from torch import Tensor

LONGEST = 128
START, END = 101, 102  # [CLS] and [SEP]

# Embeddings [sentences, channels] of length 1, from ids and mask, int64 [sentences, positions].
Embedder = Callable[[Tensor, Tensor], np.ndarray]


def read_tokenizer(folder: Path) -> Tokenizer:
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(LONGEST)
    return tokenizer


def padded(sentences: list[list[int]]) -> tuple[Tensor, Tensor]:
    """Ids and mask, int64 [sentences, longest], padded with 0."""
    ids = torch.zeros(len(sentences), max(map(len, sentences)), dtype=torch.int64)
    mask = torch.zeros_like(ids)
    for row, sentence in enumerate(sentences):
        ids[row, : len(sentence)] = torch.tensor(sentence)
        mask[row, : len(sentence)] = 1
    return ids, mask


class Texts:
    """Batches of (ids, mask) of about `tokens` tokens each, of sentences of like length."""

    def __init__(self, tokenizer: Tokenizer, meanings: list[wordnet.Meaning], tokens: int, seed: int) -> None:
        glosses = [meaning.gloss for meaning in meanings]
        examples = [example for meaning in meanings for example in meaning.examples]
        self.pieces = [text.ids for text in tokenizer.encode_batch(glosses + examples, add_special_tokens=False)]
        self.tokens = tokens
        self.seed = seed
        self.random = np.random.default_rng(seed)

    def draw_anew(self, number: int) -> None:
        """Other batches than before, for every `number` others: a resumed training shall not see its first again."""
        self.random = np.random.default_rng((self.seed, number))

    def sentence(self) -> list[int]:
        """A text, the beginning of one, or several in a row."""
        kind = self.random.random()
        count = 1 if kind < 0.7 else int(self.random.integers(2, 6))
        ids = [token for _ in range(count) for token in self.pieces[self.random.integers(len(self.pieces))]]
        if kind < 0.15:
            ids = ids[: self.random.integers(1, 7)]
        return [START, *ids[: LONGEST - 2], END]

    def batches(self, count: int) -> list[tuple[Tensor, Tensor]]:
        result: list[tuple[Tensor, Tensor]] = []
        while len(result) < count:
            drawn = sorted((self.sentence() for _ in range(2000)), key=len)
            group: list[list[int]] = []
            groups = []
            for ids in drawn:
                if group and len(ids) * (len(group) + 1) > self.tokens:
                    groups.append(group)
                    group = []
                group.append(ids)
            # The last group is not full.
            result += [padded(groups[place]) for place in self.random.permutation(len(groups))]
        return result[:count]


@dataclass(frozen=True)
class Quality:
    """Cosines to the float embeddings: of the held-out meanings, mean and lowest, and of the demo's sentences;
    and how often the example nearest to a gloss is its own."""

    cosine: float
    lowest: float
    demo_cosine: float
    recall: float


class HeldOut:
    """Glosses and their first examples, of meanings that have both; and the sentences of the demo."""

    def __init__(
        self, tokenizer: Tokenizer, meanings: list[wordnet.Meaning], demo: list[str], teacher: Embedder
    ) -> None:
        pairs = [(meaning.gloss, meaning.examples[0]) for meaning in meanings if meaning.examples]
        texts = [gloss for gloss, _ in pairs] + [example for _, example in pairs] + demo
        self.pairs = len(pairs)
        self.sentences = [text.ids for text in tokenizer.encode_batch(texts)]
        self.exact = self.embeddings(teacher)

    @torch.no_grad()
    def embeddings(self, embed: Embedder) -> np.ndarray:
        """[sentences, channels], computed for sentences of like length together."""
        order = sorted(range(len(self.sentences)), key=lambda place: len(self.sentences[place]))
        rows = np.empty((len(order), 0), np.float32)
        for start in range(0, len(order), 32):
            places = order[start : start + 32]
            found = embed(*padded([self.sentences[place] for place in places]))
            if not rows.shape[1]:
                rows = np.empty((len(order), found.shape[1]), np.float32)
            rows[places] = found
        return rows

    def quality(self, embed: Embedder) -> Quality:
        found = self.embeddings(embed)
        cosines = (found * self.exact).sum(1)
        held_out, demo = cosines[: 2 * self.pairs], cosines[2 * self.pairs :]
        return Quality(float(held_out.mean()), float(held_out.min()), float(demo.mean()), self.recall(found))

    def recall(self, found: np.ndarray) -> float:
        scores = found[: self.pairs] @ found[self.pairs : 2 * self.pairs].T
        return float((scores.argmax(1) == np.arange(self.pairs)).mean())
