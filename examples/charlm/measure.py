"""Perplexity of a decoder in PyTorch, in libsoniq and in ONNX Runtime, all on the same windows; and text from one."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from decoder import CONTEXT
from torch import Tensor, nn

import soniq

BATCH = 32
# int32 [batch, CONTEXT] -> float32 [batch, CONTEXT, characters]
Logits = Callable[[np.ndarray], np.ndarray]


def windows(ids: Tensor, limit: int | None = None) -> Tensor:
    """[count, CONTEXT + 1], each half a context after the one before."""
    return ids.unfold(0, CONTEXT + 1, CONTEXT // 2)[:limit]


def perplexity(logits: Logits, ids: Tensor, limit: int | None = None) -> float:
    """exp of the mean cross entropy of a character; those counted have at least CONTEXT / 2 others before them."""
    total = count = 0.0
    for part in windows(ids, limit).split(BATCH):
        rows = logits(part[:, :-1].to(torch.int32).numpy())[:, CONTEXT // 2 :].astype(np.float64)
        following = part[:, CONTEXT // 2 + 1 :, None].numpy()
        greatest = rows.max(-1, keepdims=True)
        sums = greatest[..., 0] + np.log(np.exp(rows - greatest).sum(-1))
        losses = sums - np.take_along_axis(rows, following, -1)[..., 0]
        total, count = total + losses.sum(), count + losses.size
    return math.exp(total / count)


def in_torch(network: nn.Module) -> Logits:
    def logits(ids: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return network(torch.from_numpy(ids)).numpy()

    network.eval()
    return logits


def in_library(model: soniq.Model) -> Logits:
    return lambda ids: model(input_ids=ids)["logits"]


def in_onnxruntime(path: Path) -> Logits:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return lambda ids: session.run(["logits"], {"input_ids": ids})[0]


def continuation(logits: Logits, prompt: list[int], count: int, seed: int, temperature: float = 0.7) -> list[int]:
    """`count` ids drawn one after the other behind `prompt`; the whole context is computed anew for each."""
    random = np.random.default_rng(seed)
    ids = list(prompt)
    for _ in range(count):
        seen = ids[-CONTEXT:]
        window = np.zeros((1, CONTEXT), np.int32)
        window[0, : len(seen)] = seen
        scores = logits(window)[0, len(seen) - 1].astype(np.float64) / temperature
        chances = np.exp(scores - scores.max())
        ids.append(int(random.choice(len(chances), p=chances / chances.sum())))
    return ids[len(prompt) :]
