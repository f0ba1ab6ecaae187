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

    def heads(self, name: str, rows: Tensor) -> Tensor:
        return self.linear(name, rows).unflatten(2, (self.config["num_attention_heads"], -1)).transpose(1, 2)

    def bias(self, length: int, mask: Tensor) -> Tensor:
        """What is added to the scores [batch, heads, queries, keys]."""
        places = torch.arange(length)
        slopes = torch.tensor(slopes_of(self.config["num_attention_heads"]))
        far = -slopes[:, None, None] * (places[:, None] - places).abs()
        return far.masked_fill(mask[:, None, None, :] == 0, -torch.inf)

    def forward(self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor) -> dict[str, Tensor]:
        states = self["embeddings.word_embeddings.weight"][input_ids]
        states = states + self["embeddings.token_type_embeddings.weight"][token_type_ids]
        states = self.norm("embeddings.LayerNorm", states)
        bias = self.bias(input_ids.shape[1], attention_mask)
        function = FUNCTIONS[self.config["feed_forward_type"]]
        for start in (f"encoder.layer.{index}." for index in range(LAYERS)):
            inner = start + "attention.self."
            query, key, value = (self.heads(inner + part, states) for part in ("query", "key", "value"))
            scores = query @ key.transpose(2, 3) / math.sqrt(query.shape[3]) + bias
            context = (scores.softmax(3) @ value).transpose(1, 2).flatten(2)
            attended = self.linear(start + "attention.output.dense", context)
            states = self.norm(start + "attention.output.LayerNorm", states + attended)
            gate, up = self.linear(start + "mlp.gated_layers", states).chunk(2, 2)
            fed = self.linear(start + "mlp.wo", function(gate) * up)
            states = self.norm(start + "mlp.layernorm", states + fed)
        return {"last_hidden_state": states, "pooler_output": self.linear("pooler.dense", states[:, 0]).tanh()}

    def save_pretrained(self, folder: Path) -> None:
        names = {name.replace("/", "."): tensor.contiguous() for name, tensor in self.state_dict().items()}
        save_file(names, folder / "model.safetensors", metadata={"format": "pt"})
        (folder / "config.json").write_text(json.dumps(self.config, indent=2) + "\n")


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
        "jina-bert-heads": Case(JinaBert, heads, POOLED, types=True, dtype=torch.bfloat16),
    }
