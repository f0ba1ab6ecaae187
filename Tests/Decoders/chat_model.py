"""A tiny model to talk with, as a GGUF file: random weights, a tokenizer of single bytes, ChatML.

usage: chat_model.py FILE.gguf

What it answers is nonsense of printable characters; with temperature 0 always the same.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from gguf_writer import Key, write

WIDTH, LAYERS, WIDE = 32, 2, 48
CONTROL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
MERGES = ["h e", "l l", "he ll", "Ġ t"]
TEMPLATE = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] }}"
    "{{ '<|im_end|>' + '\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def _characters() -> list[str]:
    """How vocabularies of bytes write each of them: as itself where it is printable, else beyond Latin 1."""
    printable = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return [chr(byte) if byte in printable else chr(256 + others.index(byte)) for byte in range(256)]


def tokenizer() -> dict[str, Key]:
    """Keys of the file that describe it."""
    tokens = [*CONTROL, *_characters(), *(merge.replace(" ", "") for merge in MERGES)]
    return {
        "model": "gpt2", "pre": "gpt-2", "tokens": tokens, "merges": MERGES, "add_bos_token": False,
        "token_type": [3] * len(CONTROL) + [1] * (len(tokens) - len(CONTROL)),
        "bos_token_id": tokens.index("<|im_start|>"), "eos_token_id": tokens.index("<|im_end|>"),
    }  # fmt: skip


def tensors(tokens: list[str]) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(20261129)

    def matrix(outputs: int, inputs: int) -> np.ndarray:
        return rng.standard_normal((outputs, inputs)) / np.sqrt(inputs)

    result = {"token_embd.weight": matrix(len(tokens), WIDTH), "output.weight": 3 * matrix(len(tokens), WIDTH)}
    # Nothing but ASCII, and the end of a turn, is likely.
    likely = [token == "<|im_end|>" or len(token) == 1 and "!" <= token <= "~" for token in tokens]
    result["output.weight"][~np.array(likely)] = 0
    # The longer this row, the sooner a turn ends.
    result["output.weight"][tokens.index("<|im_end|>")] *= 2
    result["output_norm.weight"] = np.ones(WIDTH)
    for layer in range(LAYERS):
        block = {f"attn_{name}": matrix(WIDTH, WIDTH) for name in ("q", "output")}
        block |= {f"attn_{name}": matrix(WIDTH // 2, WIDTH) for name in ("k", "v")}
        block |= {f"ffn_{name}": matrix(WIDE, WIDTH) for name in ("gate", "up")}
        block |= {"ffn_down": matrix(WIDTH, WIDE), "attn_norm": np.ones(WIDTH), "ffn_norm": np.ones(WIDTH)}
        result |= {f"blk.{layer}.{name}.weight": array for name, array in block.items()}
    return result


def write_model(path: Path, changes: dict[str, Key | None] | None = None) -> Path:
    """Writes the file, with some keys changed, or left out where they are None."""
    llama = {
        "embedding_length": WIDTH, "block_count": LAYERS, "feed_forward_length": WIDE, "context_length": 2048,
        "attention.head_count": 4, "attention.head_count_kv": 2, "attention.layer_norm_rms_epsilon": 1e-5,
    }  # fmt: skip
    text = tokenizer()
    keys: dict[str, Key | None] = {"general.architecture": "llama", "tokenizer.chat_template": TEMPLATE}
    keys |= {f"llama.{key}": value for key, value in llama.items()}
    keys |= {f"tokenizer.ggml.{key}": value for key, value in text.items()}
    keys |= changes or {}
    write(path, {key: value for key, value in keys.items() if value is not None}, tensors(text["tokens"]))
    return path


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    write_model(Path(sys.argv[1]))
