"""Random decoders with a tokenizer of some family, for answers of a given form."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
from gguf_writer import write

import soniq

WIDTH = 32
# Logits that are of no token: vocabularies of models are padded, and this one is no multiple of 32 then.
PADDING = 13


def random_decoder(folder: Path, keys: dict[str, Any], seed: int = 1, padding: int = PADDING) -> soniq.Model:
    """A decoder of one layer with a tokenizer of these keys, and more logits than it has tokens."""
    rng = np.random.default_rng(seed)
    llama = {
        "embedding_length": WIDTH, "block_count": 1, "feed_forward_length": WIDTH, "context_length": 2048,
        "attention.head_count": 2, "attention.head_count_kv": 1, "attention.layer_norm_rms_epsilon": 1e-5,
    }  # fmt: skip
    rows = len(keys["tokens"]) + padding
    shapes = {"attn_q": (WIDTH, WIDTH), "attn_k": (WIDTH // 2, WIDTH), "attn_v": (WIDTH // 2, WIDTH)}
    shapes |= {name: (WIDTH, WIDTH) for name in ("attn_output", "ffn_gate", "ffn_up", "ffn_down")}
    tensors = {f"blk.0.{name}.weight": rng.standard_normal(shape) / 6 for name, shape in shapes.items()}
    tensors |= {f"{name}.weight": rng.standard_normal((rows, WIDTH)) for name in ("token_embd", "output")}
    tensors |= {f"{name}.weight": np.ones(WIDTH) for name in ("output_norm", "blk.0.attn_norm", "blk.0.ffn_norm")}
    named = {f"tokenizer.ggml.{key}": value for key, value in keys.items()}
    folder.mkdir(exist_ok=True)
    source = folder / "model.gguf"
    write(source, {"general.architecture": "llama", **{f"llama.{k}": v for k, v in llama.items()}, **named}, tensors)
    command = [os.environ["SONIQ_PACK"], "pack", str(source), "-o", str(folder / "model.soniq")]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return soniq.load(folder / "model.soniq", threads=1)
