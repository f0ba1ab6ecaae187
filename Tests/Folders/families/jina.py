"""Jina's second encoder, whose code comes with its checkpoints: written by its description."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import torch
from case import POOLED, POSITIONS, WORDS, Case
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

LAYERS = 2
SIZES = {
    "hidden_size": 8, "intermediate_size": 16, "num_hidden_layers": LAYERS, "num_attention_heads": 2,
    "vocab_size": WORDS, "max_position_embeddings": POSITIONS, "layer_norm_eps": 1e-5, "hidden_act": "gelu",
}  # fmt: skip
FUNCTIONS = {"geglu": functional.gelu, "reglu": functional.relu}


def layer(name: str, outputs: int, inputs: int, bias: bool = True) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {f"{name}.weight": (outputs, inputs)}
    return {**shapes, f"{name}.bias": (outputs,)} if bias else shapes


def norm(name: str, width: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (width,), f"{name}.bias": (width,)}


class JinaBert(nn.Module):
    """Scores that fall with the distance, gated layers; tensors by the names that checkpoints have."""

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__()
        self.config = config
        for name, shape in self.shapes().items():
            start = torch.ones(shape) if "norm" in name.lower() else torch.randn(shape) * 0.02
            self.register_parameter(name.replace(".", "/"), nn.Parameter(start))

    def shapes(self) -> dict[str, tuple[int, ...]]:
        width, wide = self.config["hidden_size"], self.config["intermediate_size"]
        shapes = layer("embeddings.word_embeddings", WORDS, width, bias=False) | norm("embeddings.LayerNorm", width)
        shapes |= layer("embeddings.token_type_embeddings", 2, width, bias=False) | layer("pooler.dense", width, width)
        for start in (f"encoder.layer.{index}." for index in range(LAYERS)):
            for part in ("self.query", "self.key", "self.value", "output.dense"):
                shapes |= layer(f"{start}attention.{part}", width, width)
            shapes |= norm(start + "attention.output.LayerNorm", width) | norm(start + "mlp.layernorm", width)
            shapes |= layer(start + "mlp.gated_layers", 2 * wide, width, bias=False)
            shapes |= layer(start + "mlp.wo", width, wide)
        return shapes

    def __getitem__(self, name: str) -> Tensor | None:
        return getattr(self, name.replace(".", "/"), None)

    def linear(self, name: str, rows: Tensor) -> Tensor:
        return functional.linear(rows, self[name + ".weight"], self[name + ".bias"])

    def norm(self, name: str, rows: Tensor) -> Tensor:
        return functional.layer_norm(rows, rows.shape[2:], self[name + ".weight"], self[name + ".bias"], 1e-5)

    def attend(self, query: Tensor, key: Tensor, value: Tensor, bias: Tensor) -> Tensor:
        query, key, value = (
            part.unflatten(2, (self.config["num_attention_heads"], -1)).transpose(1, 2) for part in (query, key, value)
        )
        scores = query @ key.transpose(2, 3) / math.sqrt(query.shape[3]) + bias
        return (scores.softmax(3) @ value).transpose(1, 2).flatten(2)

    def bias(self, length: int, mask: Tensor) -> Tensor:
        """What is added to the scores [batch, heads, queries, keys]."""
        places = torch.arange(length)
        slopes = torch.tensor(slopes_of(self.config["num_attention_heads"]))
        far = -slopes[:, None, None] * (places[:, None] - places).abs()
        return far.masked_fill(mask[:, None, None, :] == 0, -torch.inf)

    def layer(self, start: str, states: Tensor, bias: Tensor) -> Tensor:
        parts = (self.linear(f"{start}attention.self.{part}", states) for part in ("query", "key", "value"))
        attended = self.linear(start + "attention.output.dense", self.attend(*parts, bias))
        states = self.norm(start + "attention.output.LayerNorm", states + attended)
        gate, up = self.linear(start + "mlp.gated_layers", states).chunk(2, 2)
        fed = self.linear(start + "mlp.wo", FUNCTIONS[self.config["feed_forward_type"]](gate) * up)
        return self.norm(start + "mlp.layernorm", states + fed)

    def forward(self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor) -> dict[str, Tensor]:
        states = self["embeddings.word_embeddings.weight"][input_ids]
        states = states + self["embeddings.token_type_embeddings.weight"][token_type_ids]
        states = self.norm("embeddings.LayerNorm", states)
        bias = self.bias(input_ids.shape[1], attention_mask)
        for index in range(LAYERS):
            states = self.layer(f"encoder.layer.{index}.", states, bias)
        return {"last_hidden_state": states, "pooler_output": self.linear("pooler.dense", states[:, 0]).tanh()}

    def save_pretrained(self, folder: Path) -> None:
        names = {name.replace("/", "."): tensor.contiguous() for name, tensor in self.state_dict().items()}
        save_file(names, folder / "model.safetensors", metadata={"format": "pt"})
        (folder / "config.json").write_text(json.dumps(self.config, indent=2) + "\n")


class JinaCode(JinaBert):
    """Norms of queries and keys, and two behind attention; the gate is the second half."""

    def shapes(self) -> dict[str, tuple[int, ...]]:
        width = self.config["hidden_size"]
        renamed = {"gated_layers": "up_gated_layer", "wo": "down_layer", "mlp.layernorm": "layer_norm_2"}
        shapes = super().shapes()
        for old, new in renamed.items():
            shapes = {name.replace(f"{old}.", f"{new}."): shape for name, shape in shapes.items()}
        for start in (f"encoder.layer.{index}." for index in range(LAYERS)):
            for part in ("attention.self.layer_norm_q", "attention.self.layer_norm_k", "layer_norm_1"):
                shapes |= norm(start + part, width)
        return shapes

    def layer(self, start: str, states: Tensor, bias: Tensor) -> Tensor:
        inner = start + "attention.self."
        query = self.norm(inner + "layer_norm_q", self.linear(inner + "query", states))
        key = self.norm(inner + "layer_norm_k", self.linear(inner + "key", states))
        context = self.attend(query, key, self.linear(inner + "value", states), bias)
        attended = self.norm(
            start + "attention.output.LayerNorm", states + self.linear(start + "attention.output.dense", context)
        )
        middle = self.norm(start + "layer_norm_1", attended + states)
        up, gate = self.linear(start + "mlp.up_gated_layer", middle).chunk(2, 2)
        fed = self.linear(start + "mlp.down_layer", FUNCTIONS[self.config["feed_forward_type"]](gate) * up)
        return self.norm(start + "layer_norm_2", middle + fed)


def slopes_of(heads: int) -> list[float]:
    """2^(-8/n), its square and so on for n heads, a power of two; others get those of twice as many between."""
    whole = 1 << (heads.bit_length() - 1)
    slopes = [2 ** (-8 * (head + 1) / whole) for head in range(whole)]
    return slopes if whole == heads else slopes + slopes_of(2 * whole)[0::2][: heads - whole]


def jina_bert(**fields: Any) -> dict[str, Any]:
    particular = {"model_type": "bert", "position_embedding_type": "alibi", "feed_forward_type": "geglu"}
    return {"architectures": ["JinaBertModel"], **SIZES, **particular, "type_vocab_size": 2, **fields}


def cases() -> dict[str, Case]:
    heads = jina_bert(num_attention_heads=3, hidden_size=12, feed_forward_type="reglu")
    return {
        "jina-bert": Case(JinaBert, jina_bert(), POOLED, types=True),
        "jina-code": Case(JinaCode, jina_bert(), POOLED, types=True),
        "jina-bert-heads": Case(JinaBert, heads, POOLED, types=True, dtype=torch.bfloat16),
    }
