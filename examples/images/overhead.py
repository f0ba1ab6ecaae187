"""What a training step costs under soniq.qat, next to a step of the same network in float32.

    python examples/images/overhead.py [--batch 100] [--size 32] [--rounds 15] [--threads 1]

ResNet-20 (16, 32 and 64 channels), forward, backward and AdamW. Steps take turns, so that a slow moment of the
machine hits all of them; prints the least and the median time of each, and the median over rounds of its ratio to
the float step of the same round. A teacher's forward is not counted: distillation in float would need it too.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional
from train import resnet20

import soniq.qat

SONIQ = {"palette": [(1, 1), (4, 4)], "target_bits": 2.0}
GDNSQ = {"method": "gdnsq", "palette": [(2, 2)]}


def stepper(model: nn.Module, parameters: list, images: torch.Tensor, labels: torch.Tensor) -> Callable[[], None]:
    """One training step of `model`, again at each call."""
    optimizer = torch.optim.AdamW(parameters, 1e-4)
    model.train()

    def step() -> None:
        loss = functional.cross_entropy(model(images), labels)
        if isinstance(model, soniq.qat.Quantization):
            loss = loss + model.regularizer(loss)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()

    return step


def steppers(batch: int, size: int) -> dict[str, Callable[[], None]]:
    torch.manual_seed(1)
    network = resnet20(3, 62).to(memory_format=torch.channels_last)
    images = torch.randn(batch, 3, size, size).contiguous(memory_format=torch.channels_last)
    labels = torch.randint(62, (batch,))
    network.train()
    with torch.no_grad():
        network(images)
    steps = {"float32": stepper(network, list(network.parameters()), images, labels)}
    for name, choices, fixed in (
        ("SONIQ, search", SONIQ, False), ("SONIQ, fixed", SONIQ, True), ("GDNSQ, search", GDNSQ, False),
        ("GDNSQ, fixed", GDNSQ, True),
    ):  # fmt: skip
        quantization = soniq.qat.prepare(network, [images], steps=1000, **choices)
        if fixed:
            quantization.freeze()
        steps[name] = stepper(quantization, quantization.parameter_groups(1e-4), images, labels)
    return steps


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=100)
    parser.add_argument("--size", type=int, default=32, help="pixels a side")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    steps = steppers(arguments.batch, arguments.size)
    times: dict[str, list[float]] = {name: [] for name in steps}
    for turn in range(arguments.rounds + 1):
        for name, step in steps.items():
            start = time.perf_counter()
            step()
            if turn:
                times[name].append(time.perf_counter() - start)
    print(f"{'':16}  least ms  median ms  ratio")
    for name, seconds in times.items():
        ratios = [one / of_float for one, of_float in zip(seconds, times["float32"], strict=True)]
        print(f"{name:16}  {1e3 * min(seconds):8.1f}  {1e3 * statistics.median(seconds):9.1f}  "
              f"{statistics.median(ratios):5.2f}")


if __name__ == "__main__":
    main()
