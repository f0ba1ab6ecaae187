"""Encoders of Hugging Face Transformers, tiny and with random weights, and their export to ONNX.

usage: encoders.py     writes encoders/NAME-EXPORTER.onnx; needs torch, onnxscript and transformers

The files are committed: PyTorch is too large for every test run. Those here are of transformers 5.24.0, torch 2.13.0
and onnxscript 0.7.2. Batch and length are dynamic, in the new exporter with names that differ between inputs.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
import transformers
from networks import strip
from torch import Tensor, nn

SIZES = {"num_hidden_layers": 2, "num_attention_heads": 2, "hidden_size": 16, "intermediate_size": 32}
TEXT = {**SIZES, "vocab_size": 97, "max_position_embeddings": 40}
IDS = ("input_ids", "attention_mask")
TYPED = (*IDS, "token_type_ids")


class States(nn.Module):
    """The last hidden states as the one output."""

    def __init__(self, encoder: nn.Module, names: tuple[str, ...]) -> None:
        super().__init__()
        self.encoder = encoder
        self.names = names

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.encoder(**dict(zip(self.names, inputs, strict=True))).last_hidden_state


@dataclass
class Encoder:
    """A class of Transformers, its configuration, and the inputs it is exported with."""

    model: type
    config: transformers.PretrainedConfig
    inputs: tuple[str, ...]


def encoders() -> dict[str, Encoder]:
    distilbert = transformers.DistilBertConfig(
        dim=16, n_layers=2, n_heads=2, hidden_dim=32, vocab_size=97, max_position_embeddings=40
    )
    roberta = transformers.RobertaConfig(**TEXT, pad_token_id=1, type_vocab_size=1)
    mpnet = transformers.MPNetConfig(**TEXT, pad_token_id=1)
    albert = transformers.AlbertConfig(**TEXT, embedding_size=8)
    vit = transformers.ViTConfig(**SIZES, image_size=16, patch_size=4)
    return {
        "bert": Encoder(transformers.BertModel, transformers.BertConfig(**TEXT), TYPED),
        "distilbert": Encoder(transformers.DistilBertModel, distilbert, IDS),
        "roberta": Encoder(transformers.RobertaModel, roberta, IDS),
        "mpnet": Encoder(transformers.MPNetModel, mpnet, IDS),
        "albert": Encoder(transformers.AlbertModel, albert, TYPED),
        "vit": Encoder(transformers.ViTModel, vit, ("pixel_values",)),
    }


def example(name: str) -> Tensor:
    if name == "pixel_values":
        return torch.randn(2, 3, 16, 16)
    if name == "attention_mask":
        return (torch.arange(9) < torch.tensor([[9], [6]])).to(torch.int64)
    return torch.randint(2, 97, (2, 9)) if name == "input_ids" else torch.zeros(2, 9, dtype=torch.int64)


def build(encoder: Encoder) -> nn.Module:
    """With weights of a fixed seed, larger than the initial ones: every layer changes its input visibly."""
    torch.manual_seed(4321)
    module = States(encoder.model(encoder.config), encoder.inputs)
    for parameter in module.parameters():
        if parameter.dim() > 1:
            parameter.data *= 10
        else:
            parameter.data += 0.1 * torch.randn_like(parameter)
    return module.eval()


def export(name: str, exporter: str, path: Path) -> None:
    """Writes one encoder by PyTorch's exporter "legacy" (opset 17) or "dynamo"."""
    encoder = encoders()[name]
    module = build(encoder)
    arguments = tuple(example(name) for name in encoder.inputs)
    common = {"input_names": list(encoder.inputs), "output_names": ["last_hidden_state"]}
    sizes = {0: "batch"} if name == "vit" else {0: "batch", 1: "sequence"}
    if exporter == "legacy":
        axes = dict.fromkeys(encoder.inputs, sizes)
        torch.onnx.export(module, arguments, path, dynamo=False, opset_version=17, dynamic_axes=axes, **common)
    else:
        shapes = (tuple(dict.fromkeys(sizes, torch.export.Dim.DYNAMIC) for _ in arguments),)
        torch.onnx.export(
            module, arguments, path, dynamo=True, dynamic_shapes=shapes, external_data=False, verbose=False, **common
        )
    strip(path)


def main() -> None:
    folder = Path(__file__).parent / "encoders"
    folder.mkdir(exist_ok=True)
    for name in encoders():
        for exporter in ("legacy", "dynamo"):
            export(name, exporter, folder / f"{name}-{exporter}.onnx")


if __name__ == "__main__":
    main()
