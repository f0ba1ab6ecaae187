"""Trains the float networks of the evaluation (ResNet-20 of 16, 32 and 64 channels) and exports them to ONNX.

    python examples/images/train.py glyphs|digits         needs PyTorch: `make images-train` installs it

Writes examples/images/<set>.onnx, opset 17, batch norm folded into the convolutions by the exporter, weights from
a fixed seed; those files are committed, so that the evaluation trains nothing. Pixels go in as (value - 128) / 64.
"""

from __future__ import annotations

import argparse
import importlib
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

SEED = 1
BATCH = 128


@dataclass(frozen=True)
class Recipe:
    channels: int
    classes: int
    epochs: int
    learning_rate: float
    # Pixels that an image is moved by at most while training; glyphs are drawn at all places already.
    shift: int


RECIPES = {
    "digits": Recipe(channels=1, classes=10, epochs=30, learning_rate=0.1, shift=3),
    "glyphs": Recipe(channels=3, classes=62, epochs=10, learning_rate=0.2, shift=1),
}


class Block(nn.Module):
    """Two 3 x 3 convolutions with a residual connection, as in He et al. 2015, 1 x 1 where the shape changes."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(),
            nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False), nn.BatchNorm2d(outputs),
        )
        self.shortcut = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functional.relu(self.body(x) + self.shortcut(x))


def resnet20(channels: int, classes: int) -> nn.Module:
    widths = [16] * 3 + [32] * 3 + [64] * 3
    blocks, inputs = [], 16
    for index, width in enumerate(widths):
        blocks.append(Block(inputs, width, 2 if index in (3, 6) else 1))
        inputs = width
    stem = [nn.Conv2d(channels, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU()]
    return nn.Sequential(*stem, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, classes))


def as_inputs(images: np.ndarray) -> torch.Tensor:
    return (torch.from_numpy(images).float() - 128) / 64


def moved(images: torch.Tensor, shift: int, random: np.random.Generator) -> torch.Tensor:
    """The batch moved by one random offset; what comes in at an edge repeats it."""
    down, right = random.integers(0, 2 * shift + 1, 2)
    padded = functional.pad(images, (shift, shift, shift, shift), mode="replicate")
    return padded[..., down : down + images.shape[-2], right : right + images.shape[-1]]


def train(network: nn.Module, recipe: Recipe, images: np.ndarray, labels: np.ndarray) -> None:
    inputs = as_inputs(images).contiguous(memory_format=torch.channels_last)
    targets = torch.from_numpy(labels)
    steps = (len(inputs) + BATCH - 1) // BATCH
    optimizer = torch.optim.SGD(
        network.parameters(), lr=recipe.learning_rate, momentum=0.9, nesterov=True, weight_decay=5e-4
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, recipe.learning_rate, epochs=recipe.epochs,
                                                   steps_per_epoch=steps)
    random = np.random.default_rng(SEED)
    for epoch in range(recipe.epochs):
        start, total = time.perf_counter(), 0.0
        order = torch.from_numpy(random.permutation(len(inputs)))
        for chosen in order.split(BATCH):
            loss = functional.cross_entropy(network(moved(inputs[chosen], recipe.shift, random)), targets[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item() * len(chosen)
        print(f"epoch {epoch + 1:2}  loss {total / len(inputs):.4f}  {time.perf_counter() - start:.0f} s", flush=True)


@torch.no_grad()
def accuracy(network: nn.Module, images: np.ndarray, labels: np.ndarray) -> float:
    network.eval()
    right = [network(part).argmax(1).numpy() for part in as_inputs(images).split(500)]
    return float((np.concatenate(right) == labels).mean())


def export(network: nn.Module, example: torch.Tensor, path: Path) -> None:
    network.eval()
    torch.onnx.export(network, (example,), str(path), opset_version=17, dynamo=False, input_names=["image"],
                      output_names=["logits"], dynamic_axes={"image": {0: "batch"}, "logits": {0: "batch"}})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("set", choices=RECIPES)
    parser.add_argument("--images", type=Path, default=Path("build/images"), help="folder of the sets")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent)
    arguments = parser.parse_args()
    recipe = RECIPES[arguments.set]
    arrays = importlib.import_module(arguments.set).load(arguments.images)
    torch.manual_seed(SEED)
    network = resnet20(recipe.channels, recipe.classes).to(memory_format=torch.channels_last)
    train(network, recipe, arrays["train_images"], arrays["train_labels"])
    held_out = accuracy(network, arrays["test_images"], arrays["test_labels"])
    path = arguments.output / f"{arguments.set}.onnx"
    export(network, torch.zeros(1, recipe.channels, 32, 32), path)
    print(f"{path}: {100 * held_out:.2f} % of {len(arrays['test_labels'])} held out")


if __name__ == "__main__":
    main()
