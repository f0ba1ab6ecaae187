"""Trains small networks at low precision and counts how often libsoniq answers as PyTorch does.

    python examples/agreement.py                     four networks, five palettes, three seeds (minutes of one core)
    python examples/agreement.py --seeds 1 --steps 20

An MLP and a vision transformer on scikit-learn's digits; an encoder of padded sentences, which finds the commonest of
five words, and a causal decoder of a made-up language. Each is trained in float, then at low precision on labels,
exported, packed and run. Needs `pip install 'soniq[train]' scikit-learn`; SONIQ_PACK may name the packer.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn import functional

import soniq
import soniq.qat

PALETTES = {
    "SONIQ W1A1 + W4A4": {"palette": [(1, 1), (4, 4)], "target_bits": 3.0, "end_bits": None, "embedding_bits": 8},
    "W2A2": {"palette": [(2, 2)]}, "GDNSQ W2A2": {"method": "gdnsq", "palette": [(2, 2)]},
    "W4A4": {"palette": [(4, 4)]}, "W8A8": {"palette": [(8, 8)]},
}  # fmt: skip
WIDTH, HEADS, LENGTH, WORDS = 64, 4, 24, 32


class Block(nn.Module):
    def __init__(self, is_causal: bool) -> None:
        super().__init__()
        self.norms = nn.ModuleList([nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)])
        self.qkv, self.mixed = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.wide, self.narrow = nn.Linear(WIDTH, 2 * WIDTH), nn.Linear(2 * WIDTH, WIDTH)
        self.is_causal = is_causal

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        parts = self.qkv(self.norms[0](x)).view(*x.shape[:2], 3, HEADS, -1).permute(2, 0, 3, 1, 4)
        context = functional.scaled_dot_product_attention(*parts.unbind(0), attn_mask=mask, is_causal=self.is_causal)
        x = x + self.mixed(context.transpose(1, 2).flatten(2))
        return x + self.narrow(functional.gelu(self.wide(self.norms[1](x))))


class Vision(nn.Module):
    """Images [batch, 1, 8, 8] to 10 digits, by patches of 2 x 2."""

    def __init__(self) -> None:
        super().__init__()
        self.patches, self.places = nn.Conv2d(1, WIDTH, 2, 2), nn.Parameter(torch.randn(1, 16, WIDTH) * 0.1)
        self.blocks = nn.ModuleList(Block(False) for _ in range(2))
        self.norm, self.head = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, 10)

    def forward(self, image: Tensor) -> Tensor:
        x = self.patches(image).flatten(2).transpose(1, 2) + self.places
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x).mean(1))


class Text(nn.Module):
    """Ids and mask [batch, LENGTH] to 5 classes, or with no mask to the word behind each."""

    def __init__(self, is_causal: bool) -> None:
        super().__init__()
        self.words, self.places = nn.Embedding(WORDS, WIDTH), nn.Embedding(LENGTH, WIDTH)
        self.blocks = nn.ModuleList(Block(is_causal) for _ in range(2))
        self.norm, self.head = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, WORDS if is_causal else 5)

    def forward(self, ids: Tensor, mask: Tensor | None = None) -> Tensor:
        x = self.words(ids) + self.places(torch.arange(ids.shape[1]))
        hidden = None if mask is None else mask[:, None, None, :].bool()
        for block in self.blocks:
            x = block(x, hidden)
        return self.head(self.norm(x) if mask is None else self.norm(x)[:, 0])


class Data:
    """Inputs by name and labels; the last `held_out` are measured on."""

    def __init__(self, inputs: dict[str, Tensor], labels: Tensor, held_out: int) -> None:
        self.inputs, self.labels, self.count = inputs, labels, len(labels) - held_out

    def batch(self, places: Tensor | slice) -> dict[str, Tensor]:
        return {name: value[places] for name, value in self.inputs.items()}


def pixels() -> Data:
    images, labels = load_digits(return_X_y=True)
    return Data({"image": torch.tensor(images / 16, dtype=torch.float32)}, torch.tensor(labels), 797)


def images() -> Data:
    data = pixels()
    return Data({"image": data.inputs["image"].view(-1, 1, 8, 8)}, data.labels, 797)


def sentences() -> Data:
    """Of the words 1 to 5 the commonest is the label; padding may be any word."""
    mask = (torch.arange(LENGTH) < torch.randint(4, LENGTH + 1, (4000, 1))).int()
    is_counted = torch.rand(4000, LENGTH) < 0.4
    ids = torch.where(is_counted, torch.randint(1, 6, (4000, LENGTH)), torch.randint(6, WORDS, (4000, LENGTH)))
    counts = torch.stack([((ids == word) & (mask > 0)).sum(1) for word in range(1, 6)], 1)
    return Data({"ids": ids, "mask": mask}, counts.argmax(1), 1000)


def language() -> Data:
    """Each word and the one two places before decide the next, but for a tenth."""
    rule = torch.randint(WORDS, (WORDS, WORDS))
    ids = torch.randint(WORDS, (3000, LENGTH + 1))
    for place in range(2, LENGTH + 1):
        ruled = rule[ids[:, place - 1], ids[:, place - 2] % 2]
        ids[:, place] = torch.where(torch.rand(3000) < 0.9, ruled, ids[:, place])
    return Data({"ids": ids[:, :-1].contiguous()}, ids[:, 1:], 500)


NETWORKS: dict[str, tuple[Callable[[], nn.Module], Callable[[], Data]]] = {
    "MLP": (
        lambda: nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 10)), pixels
    ),
    "vision transformer": (Vision, images),
    "encoder": (lambda: Text(False), sentences),
    "decoder": (lambda: Text(True), language),
}  # fmt: skip


def call(network: nn.Module, inputs: dict[str, Tensor]) -> Tensor:
    return network(*inputs.values())


def train(network: nn.Module, data: Data, steps: int, optimizer: torch.optim.Optimizer, after: Callable) -> None:
    network.train()
    for _ in range(steps):
        places = torch.randint(data.count, (64,))
        logits = call(network, data.batch(places))
        after(functional.cross_entropy(logits.flatten(0, -2), data.labels[places].flatten()))
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        if isinstance(network, soniq.qat.Quantization):
            network.step_schedule()
    network.eval()


def answers(quantization: soniq.qat.Quantization, inputs: dict[str, Tensor], folder: Path) -> np.ndarray:
    """Of libsoniq."""
    path = folder / "model.onnx"
    names = list(inputs)
    quantization.export(
        path, tuple(value[:2] for value in inputs.values()), inputs=names, outputs=["y"],
        dynamic={name: {0: "batch"} for name in [*names, "y"]},
    )  # fmt: skip
    packer = os.environ.get("SONIQ_PACK", "soniq-pack")
    subprocess.run([packer, "pack", path, "-o", folder / "model.soniq"], check=True, stdout=subprocess.DEVNULL)
    model, found = soniq.load(folder / "model.soniq"), []
    arrays = {name: value.float().numpy() if name == "image" else value.int().numpy() for name, value in inputs.items()}
    for first in range(0, len(arrays[names[0]]), 50):
        found.append(model(**{name: array[first : first + 50] for name, array in arrays.items()})["y"])
    return np.concatenate(found)


def measure(name: str, seed: int, steps: int) -> dict[str, tuple[float, float, float]]:
    """By palette: accuracy in libsoniq, the share of equal answers, the largest difference of a row of logits."""
    torch.manual_seed(seed)
    make, load = NETWORKS[name]
    network, data = make(), load()
    train(network, data, 3 * steps, torch.optim.AdamW(network.parameters(), 2e-3), lambda loss: loss.backward())
    held_out = data.batch(slice(data.count, None))
    labels = data.labels[data.count :].numpy()
    result = {}
    for palette, choices in PALETTES.items():
        examples = [tuple(data.batch(slice(0, 256)).values())]
        quantization = soniq.qat.prepare(network.eval(), examples, steps=steps, **choices)
        optimizer = torch.optim.AdamW(quantization.parameter_groups(1e-3))

        def backward(loss: Tensor, own: soniq.qat.Quantization = quantization) -> None:
            (loss + own.regularizer(loss)).backward()

        train(quantization, data, steps, optimizer, backward)
        quantization.freeze()
        with torch.no_grad():
            expected = call(quantization, held_out).numpy()
        with tempfile.TemporaryDirectory() as folder:
            found = answers(quantization, held_out, Path(folder))
        same = (found.argmax(-1) == expected.argmax(-1)).mean()
        difference = (np.abs(found - expected).max(-1) / np.abs(expected).max(-1)).max()
        result[palette] = ((found.argmax(-1) == labels).mean(), same, difference)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--steps", type=int, default=200, help="of low precision; float trains three times as long")
    options = parser.parse_args()
    torch.set_num_threads(1)
    print("| network | palette | accuracy | equal answers | largest relative difference |\n|---|---|---:|---:|---:|")
    for name in NETWORKS:
        runs = [measure(name, seed, options.steps) for seed in options.seeds]
        for palette in PALETTES:
            accuracy, same, difference = zip(*(run[palette] for run in runs), strict=True)
            worst = f"{min(same):.5f} | {max(difference):.1e}"
            print(f"| {name} | {palette} | {np.mean(accuracy):.3f} | {worst} |", flush=True)


if __name__ == "__main__":
    main()
