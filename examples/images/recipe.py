"""What the recipes of training on images share: the loop over methods and seeds, distillation, the table."""

from __future__ import annotations

import argparse
import copy
import json
import math
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from train import export, moved

import soniq
import soniq.qat

CALIBRATION_IMAGES = 100


@dataclass(frozen=True)
class Method:
    """`choices` are those of `soniq.qat.prepare`; with 0 epochs the network is only rounded."""

    label: str
    epochs: int
    choices: dict = field(default_factory=dict)


SONIQ = {"palette": [(1, 1), (4, 4)], "target_bits": 2.0}


def gdnsq(bits: int) -> dict:
    return {"method": "gdnsq", "palette": [(bits, bits)], "search_part": 0.6}


@dataclass(frozen=True)
class Images:
    """Images float32 [count, channels, height, width] and labels. `watched` of the held-out ones are looked at after
    every epoch (nothing is decided by them); `shift` is the most pixels that a batch of `batch` is moved by."""

    train: Tensor
    train_labels: Tensor
    test: Tensor
    test_labels: Tensor
    shift: int
    watched: int
    batch: int

    def epoch(self, random: np.random.Generator, most: int | None = None) -> list[tuple[Tensor, Tensor]]:
        """Shuffled batches, of `most` images in all."""
        order = torch.from_numpy(random.permutation(len(self.train))[:most])
        return _Batches(self, order.split(self.batch), random)

    @torch.no_grad()
    def answers(self, network: nn.Module, most: int | None = None) -> Tensor:
        network.eval()
        return torch.cat([network(part).argmax(1) for part in self.test[:most].split(100)])

    def accuracy(self, network: nn.Module, most: int | None = None) -> float:
        return float((self.answers(network, most) == self.test_labels[:most]).float().mean())


class _Batches:
    """Batches that are made when their turn comes."""

    def __init__(self, images: Images, chosen: tuple[Tensor, ...], random: np.random.Generator) -> None:
        self.images, self.chosen, self.random = images, chosen, random

    def __len__(self) -> int:
        return len(self.chosen)

    def __iter__(self):
        images = self.images
        for chosen in self.chosen:
            batch = images.train[chosen].contiguous(memory_format=torch.channels_last)
            yield moved(batch, images.shift, self.random) if images.shift else batch, images.train_labels[chosen]


@dataclass(frozen=True)
class Recipe:
    """A set of images, its float parent, and how it is made smaller.

    * load: the images, from the folder where sets are kept and whether --fast was given
    * parent: the float network, from (images, whether --fast was given, seed)
    * epoch_images: images that one epoch takes; None: all
    * autocast: products in bfloat16, for processors that have them; what codes are made of stays float32
    * fast_epochs: of --fast, which trains SONIQ alone
    * floors: least held-out accuracy of the parent ("float") and of SONIQ with --fast
    """

    name: str
    load: Callable[[Path, bool], Images]
    parent: Callable[[Images, bool, int], nn.Module]
    methods: dict[str, Method]
    learning_rate: float
    fast_epochs: int
    floors: dict[str, float]
    epoch_images: int | None = None
    autocast: bool = False


@dataclass
class Result:
    """A row of the table; accuracies are parts of 1."""

    network: str
    seed: int
    stored_bits: float
    code_bits: float
    accuracy: float
    evaluated_by: str
    same_answers: float | None
    seconds: float

    def row(self) -> str:
        return (f"| {self.network} | {self.seed} | {self.stored_bits:.2f} | {self.code_bits:.2f} | "
                f"{100 * self.accuracy:.2f} % | {self.evaluated_by} | {self.seconds:.0f} |")  # fmt: skip


HEAD = "| network | seed | stored bits | bits of a code | held out | evaluated by | seconds |\n" + "|---" * 7 + "|"


def cosine(step: int, steps: int) -> float:
    """Part of the greatest learning rate: a twentieth of the steps up, then half a cosine down."""
    return min(1.0, (step + 1) / (0.05 * steps)) * 0.5 * (1 + math.cos(math.pi * min(1.0, step / steps)))


def distil(
    recipe: Recipe, teacher: nn.Module, images: Images, choices: dict, epochs: int, seed: int, curve: Path
) -> soniq.qat.Quantization:
    """A network taught by `teacher` with no labels, at fixed precisions in the end; `curve`: where its loss and
    accuracy are drawn."""
    most, rate = recipe.epoch_images, recipe.learning_rate
    steps = max(1, epochs * math.ceil(min(len(images.train), most or len(images.train)) / images.batch))
    quantization = soniq.qat.prepare(teacher, [images.train[:200]], steps=steps, **choices)
    if not epochs:
        return quantization

    def loss(student: soniq.qat.Quantization, batch: tuple[Tensor, Tensor]) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16, enabled=recipe.autocast):
            with torch.no_grad():
                target = teacher(batch[0])
            logits = student(batch[0])
        return soniq.qat.logits_symmetric_kl(logits.float(), target.float())

    groups = quantization.parameter_groups(rate)
    optimizer = torch.optim.AdamW(groups)
    # Weights anneal; what precisions are learned with keeps its rate.
    curves = [lambda step: cosine(step, steps)] * 2 + [lambda step: 1.0] * (len(groups) - 2)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, curves)
    random = np.random.default_rng(seed)
    trainer = soniq.qat.Trainer(
        quantization, loss, optimizer, scheduler=schedule, metric=lambda model: images.accuracy(model, images.watched)
    )
    trainer.fit(lambda: images.epoch(random, most), epochs)
    trainer.plot(curve)
    quantization.freeze()
    return quantization.eval()


def packed_answers(path: Path, images: Images) -> np.ndarray | None:
    """What libsoniq answers with the packed model; None, with the reason on standard error, when it cannot be packed
    here."""
    packer = shutil.which("soniq-pack") or str(Path("build/bin/soniq-pack"))
    packed = path.with_suffix(".soniq")
    try:
        subprocess.run([packer, "pack", str(path), "-o", str(packed)], check=True, capture_output=True, text=True)
        model = soniq.load(packed, verify=True)
    except (OSError, subprocess.CalledProcessError, soniq.SoniqError, soniq.LibraryNotFoundError) as error:
        print(f"not packed: {getattr(error, 'stderr', None) or error}", file=sys.stderr)
        return None
    return np.concatenate([model(image=part.numpy())["logits"].argmax(1) for part in images.test.split(64)])


def evaluate(
    quantization: soniq.qat.Quantization, label: str, images: Images, path: Path, seed: int, start: float
) -> Result:
    """Exports to `path`, packs, and compares the answers of libsoniq with labels and with PyTorch's."""
    axes = {"image": {0: "batch"}, "logits": {0: "batch"}}
    quantization.export(path, images.test[:1], inputs=["image"], outputs=["logits"], dynamic=axes)
    quantization.precision_plot(path.with_suffix(".png"))
    here, labels = images.answers(quantization).numpy(), images.test_labels.numpy()
    in_library = packed_answers(path, images)
    same = None if in_library is None else float((here == in_library).mean())
    if same is not None:
        print(f"{path.stem}: {100 * same:.3f} % of libsoniq's answers are PyTorch's", file=sys.stderr)
    return Result(
        label, seed, quantization.average_bits(), quantization.code_bits(),
        float(((here if in_library is None else in_library) == labels).mean()),
        "PyTorch" if in_library is None else "libsoniq", same, time.perf_counter() - start,
    )  # fmt: skip


def run(recipe: Recipe, arguments: argparse.Namespace, images: Images, seed: int) -> dict[str, Result]:
    """All methods with one seed, each row printed as soon as it is there; "float" is the parent."""
    start = time.perf_counter()
    torch.manual_seed(seed)
    teacher = recipe.parent(images, arguments.fast, seed)
    accuracy = images.accuracy(teacher)
    # What rivals quantise: bench/models/trained.py.
    export(teacher, images.test[:1], arguments.output / f"float-{seed}.onnx")
    np.savez(arguments.output / f"float-{seed}.npz", image=images.train[:CALIBRATION_IMAGES].numpy())
    results = {"float": Result("float32", seed, 32, 32, accuracy, "PyTorch", None, time.perf_counter() - start)}
    print(results["float"].row(), flush=True)
    for name in ["soniq"] if arguments.fast else arguments.methods:
        method, start = recipe.methods[name], time.perf_counter()
        torch.manual_seed(seed)
        epochs = recipe.fast_epochs if arguments.fast else method.epochs
        path = arguments.output / f"{name}-{seed}.onnx"
        curve = path.with_suffix(".curve.png")
        quantization = distil(recipe, copy.deepcopy(teacher), images, method.choices, epochs, seed, curve)
        results[name] = evaluate(quantization, method.label, images, path, seed, start)
        print(results[name].row(), flush=True)
    return results


def main(recipe: Recipe, description: str) -> None:
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--methods", nargs="+", choices=recipe.methods, default=list(recipe.methods))
    parser.add_argument("--seeds", nargs="+", type=int, default=[1])
    parser.add_argument("--fast", action="store_true", help="few steps of SONIQ; exit status 1 below the floor")
    parser.add_argument("--images", type=Path, default=Path("build/images"), help="where sets are kept")
    parser.add_argument("--output", type=Path, default=Path("build/training") / recipe.name)
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    images = recipe.load(arguments.images, arguments.fast)
    print(HEAD, flush=True)
    results = [run(recipe, arguments, images, seed) for seed in arguments.seeds]
    rows = [asdict(result) for of_seed in results for result in of_seed.values()]
    (arguments.output / "results.json").write_text(json.dumps(rows, indent=1) + "\n")
    if not arguments.fast:
        return
    reached = {name: min(of_seed[name].accuracy for of_seed in results) for name in recipe.floors}
    below = [f"{name} {reached[name]:.3f} < {floor}" for name, floor in recipe.floors.items() if reached[name] < floor]
    if below:
        sys.exit(f"below the floor: {', '.join(below)}")
