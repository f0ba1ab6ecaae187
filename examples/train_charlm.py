"""Trains low-bit language models of characters, exports and packs them, and prints a table of their perplexities.

    python examples/train_charlm.py                        all networks, then speed: 25 minutes of one core
    python examples/train_charlm.py --fast                 one minute of one core: SONIQ only; fails above the ceiling
    python examples/train_charlm.py --methods soniq --resume
    python examples/train_charlm.py --generate 300 --prompt "And Jesus said"

A causal transformer reads 128 characters of the New Testament (King James Version, from Debian's bible-kjv-text) and
predicts the next. The float network is trained first and teaches all others, on the same text; every network starts
from it. Every tenth chapter is held out. Needs `pip install 'soniq[train]'`, and for the table of speed onnxruntime.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import math
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

import soniq
import soniq.qat

sys.path.insert(0, str(Path(__file__).parent / "charlm"))
from decoder import CONTEXT, Decoder  # noqa: E402
from latency import in_turns  # noqa: E402
from measure import continuation, in_library, in_onnxruntime, in_torch, perplexity  # noqa: E402
from text import Corpus, TextError, load  # noqa: E402

EPOCH = 100  # batches between two lines of progress, of which there is no other end
WATCHED = 100  # windows of held-out text that progress is measured on
INPUTS, OUTPUTS = ["input_ids"], ["logits"]


@dataclass(frozen=True)
class Settings:
    """Of the float network; `part` of every method's steps is done."""

    width: int = 256
    layers: int = 3
    heads: int = 4
    dropout: float = 0.1
    steps: int = 5000
    batch: int = 8
    rate: float = 2e-3
    part: float = 1.0


FULL = Settings()
FAST = Settings(width=128, layers=2, steps=400, rate=4e-3, part=0.3)
# Perplexity of --fast may be this at most: the worst of seeds 1 to 3 (4.72 and 4.78) and about 5 %. A network that has
# learned nothing reaches 63, the number of characters.
CEILING = {"float": 4.95, "soniq": 5.0}


@dataclass(frozen=True)
class Method:
    label: str
    steps: int
    rate: float = 1e-3
    choices: dict = field(default_factory=dict)


METHODS = {
    "soniq": Method("SONIQ W1A8 + W2A8", 1000, choices={"palette": [(1, 8), (2, 8)], "target_bits": 2.0}),
    "w2a8": Method("uniform W2A8", 500, choices={"palette": [(2, 8)]}),
    "w2a2": Method("uniform W2A2", 500, choices={"palette": [(2, 2)]}),
    "rounded-w2a8": Method("rounded W2A8, no training", 0, choices={"palette": [(2, 8)]}),
    "rounded-w8a8": Method("rounded W8A8, no training", 0, choices={"palette": [(8, 8)]}),
}
# What soniq-pack makes of the float network without training: label, options.
PACKED = {
    "packed-2": ("packed W1A8 + W2A8, no training", ["--palette", "w1a8+w2a8", "--target-bits", "2.0"]),
    "packed-8": ("packed W8A8, no training", ["--palette", "8"]),
}


def arithmetic() -> contextlib.AbstractContextManager:
    """Products in bfloat16 where the CPU multiplies it, which is more than twice as fast; else float32."""
    flags = Path("/proc/cpuinfo")
    fast = flags.exists() and "avx512_bf16" in flags.read_text()
    return torch.autocast("cpu", torch.bfloat16, enabled=fast)


def batches(ids: Tensor, count: int, size: int, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
    """`count` times (ids, those that follow), [size, CONTEXT] each, from places drawn by the seed."""
    windows = ids.unfold(0, CONTEXT + 1, 1)
    random = torch.Generator().manual_seed(seed)
    for _ in range(count):
        chosen = windows[torch.randint(len(windows), (size,), generator=random)]
        yield chosen[:, :-1], chosen[:, 1:]


def cosine(step: int, steps: int) -> float:
    """Part of the learning rate: a twentieth of the steps to warm up, then half a wave down to 2 %."""
    wave = 0.5 * (1 + math.cos(math.pi * min(1.0, step / steps)))
    return min(1.0, (step + 1) / (0.05 * steps)) * (0.02 + 0.98 * wave)


def train_float(corpus: Corpus, settings: Settings, seed: int) -> Decoder:
    torch.manual_seed(seed)
    network = Decoder(
        len(corpus.characters), settings.width, settings.layers, settings.heads, settings.dropout
    ).train()
    decayed = [parameter for parameter in network.parameters() if parameter.ndim > 1]
    plain = [parameter for parameter in network.parameters() if parameter.ndim < 2]
    groups = [{"params": decayed, "weight_decay": 0.1}, {"params": plain, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, settings.rate, betas=(0.9, 0.95))
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: cosine(step, settings.steps))
    losses = []
    for step, (ids, following) in enumerate(batches(corpus.train, settings.steps, settings.batch, seed), 1):
        with arithmetic():
            logits = network(ids)
        loss = functional.cross_entropy(logits.float().flatten(0, 1), following.flatten())
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
        if step % EPOCH == 0:
            watched = perplexity(in_torch(network), corpus.held_out, WATCHED)
            trained = math.exp(float(np.mean(losses[-EPOCH:])))
            found = f"perplexity {trained:.3f} in training, {watched:.3f} held out"
            print(f"float, step {step} of {settings.steps}: {found}", file=sys.stderr, flush=True)
            network.train()
    return network.eval()


def float_network(corpus: Corpus, settings: Settings, seed: int, path: Path, resume: bool) -> Decoder:
    """Trained, or read back where `resume` allows it and it was trained with the same settings."""
    network = None
    if resume and path.exists():
        kept = torch.load(path, weights_only=True)
        if kept["settings"] == asdict(settings):
            network = Decoder(len(corpus.characters), settings.width, settings.layers, settings.heads, 0.0)
            network.load_state_dict(kept["network"])
    if network is None:
        network = train_float(corpus, settings, seed)
        torch.save({"settings": asdict(settings), "network": network.state_dict()}, path)
    for module in network.modules():
        if isinstance(module, nn.Dropout):
            # Nothing is dropped in distillation: there is always a target, also where the text is known by heart.
            module.p = 0.0
    return network.eval()


def train_quantized(
    teacher: Decoder, corpus: Corpus, method: Method, settings: Settings, seed: int, checkpoint: Path, resume: bool
) -> soniq.qat.Quantization:
    steps = round(method.steps * settings.part)
    examples = [ids for ids, _ in batches(corpus.train, 8, settings.batch, seed)]
    torch.manual_seed(seed)
    quantization = soniq.qat.prepare(teacher, examples, steps=max(steps, 1), **method.choices)
    if not steps:
        return quantization.eval()

    def loss(student: soniq.qat.Quantization, batch: tuple[Tensor, Tensor]) -> Tensor:
        with arithmetic():
            with torch.no_grad():
                target = teacher(batch[0])
            logits = student(batch[0])
        return soniq.qat.logits_symmetric_kl(logits.float(), target.float())

    groups = quantization.parameter_groups(method.rate)
    optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.95))
    # Weights anneal; what precisions are learned with keeps its rate.
    curves = [lambda step: cosine(step, steps)] * 2 + [lambda step: 1.0] * (len(groups) - 2)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, curves)
    trainer = soniq.qat.Trainer(
        quantization, loss, optimizer, scheduler=schedule, checkpoint=checkpoint, clip=1.0, stream=sys.stderr,
        metric=lambda student: -perplexity(in_torch(student), corpus.held_out, WATCHED),
    )  # fmt: skip
    if resume and checkpoint.exists():
        trainer.resume(checkpoint)
    trainer.fit(
        lambda: list(batches(corpus.train, EPOCH, settings.batch, 1000 * seed + len(trainer.history))),
        math.ceil(steps / EPOCH),
    )
    quantization.freeze()
    return quantization.eval()


def packed(path: Path, options: list[str], to: Path) -> Path:
    """Packs an ONNX file with soniq-pack. Raises SystemExit with the packer's own words."""
    packer = shutil.which("soniq-pack") or "build/bin/soniq-pack"
    try:
        subprocess.run([packer, "pack", str(path), "-o", str(to), *options], check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        sys.exit(f"cannot pack {path}: {getattr(error, 'stderr', None) or error}")
    return to


@dataclass
class Result:
    label: str
    stored_bits: float | None
    code_bits: float | None
    perplexity: float
    evaluated_by: str
    seconds: float

    def row(self, seed: int, parent: float | None) -> str:
        bits = ["" if bits is None else f"{bits:.2f}" for bits in (self.stored_bits, self.code_bits)]
        change = "" if parent is None else f"{100 * (self.perplexity / parent - 1):+.2f} %"
        return (f"| {self.label} | {seed} | {bits[0]} | {bits[1]} | {self.perplexity:.4f} | {change} | "
                f"{self.evaluated_by} | {self.seconds:.0f} |")  # fmt: skip


class Run:
    """The networks of one seed, in files of `folder`."""

    def __init__(self, corpus: Corpus, settings: Settings, seed: int, folder: Path, resume: bool) -> None:
        self.corpus, self.settings, self.seed, self.folder, self.resume = corpus, settings, seed, folder, resume

    def file(self, name: str, suffix: str) -> Path:
        return self.folder / f"{name}-{self.seed}{suffix}"

    def float32(self) -> Result:
        start = time.perf_counter()
        self.teacher = float_network(self.corpus, self.settings, self.seed, self.file("float", ".pt"), self.resume)
        found = self.teacher_perplexity = perplexity(in_torch(self.teacher), self.corpus.held_out)
        return Result("float32", 32, 32, found, "PyTorch", time.perf_counter() - start)

    def trained(self, name: str) -> Result:
        """One of METHODS: trained, exported, packed, and measured in libsoniq."""
        start = time.perf_counter()
        checkpoint = self.file(name, ".checkpoint")
        quantization = train_quantized(
            self.teacher, self.corpus, METHODS[name], self.settings, self.seed, checkpoint, self.resume
        )
        path = self.file(name, ".onnx")
        example = self.corpus.held_out[None, :CONTEXT].to(torch.int32)
        quantization.export(path, example, inputs=INPUTS, outputs=OUTPUTS, dynamic=self.axes())
        quantization.precision_plot(path.with_suffix(".png"))
        model = soniq.load(packed(path, [], path.with_suffix(".soniq")), verify=True)
        found = perplexity(in_library(model), self.corpus.held_out)
        engines = {"libsoniq": in_library(model), "PyTorch": in_torch(quantization)}
        for engine, logits in engines.items():
            watched = perplexity(logits, self.corpus.held_out, WATCHED)
            print(f"{name}: {watched:.5f} on {WATCHED} windows in {engine}", file=sys.stderr, flush=True)
        bits = quantization.average_bits(), quantization.code_bits()
        return Result(METHODS[name].label, *bits, found, "libsoniq", time.perf_counter() - start)

    def packed(self, name: str) -> Result:
        """One of PACKED: the float network rounded by soniq-pack, calibrated on text that it was trained on."""
        start = time.perf_counter()
        label, options = PACKED[name]
        samples = self.folder / "calibration.npz"
        np.savez(samples, input_ids=next(batches(self.corpus.train, 1, 128, 0))[0].to(torch.int32).numpy())
        path = packed(self.exported(), [*options, "--calibrate", str(samples)], self.file(name, ".soniq"))
        model = soniq.load(path, verify=True)
        found = perplexity(in_library(model), self.corpus.held_out)
        bits = model.metadata["soniq.average_bits"]
        return Result(label, float(bits), None, found, "libsoniq", time.perf_counter() - start)

    def exported(self) -> Path:
        """The float network as ONNX."""
        path = self.file("float", ".onnx")
        example = self.corpus.held_out[None, :CONTEXT].to(torch.int32)
        torch.onnx.export(
            self.teacher, (example,), str(path), opset_version=17, dynamo=False, input_names=INPUTS,
            output_names=OUTPUTS, dynamic_axes=self.axes(),
        )  # fmt: skip
        return path

    @staticmethod
    def axes() -> dict[str, dict[int, str]]:
        return {name: {0: "batch"} for name in (*INPUTS, *OUTPUTS)}

    def rival(self) -> tuple[Result, Path]:
        """ONNX Runtime's dynamic INT8 per channel of the float network."""
        from onnxruntime.quantization import QuantType, quantize_dynamic

        path = self.file("float", "-int8.onnx")
        logging.disable(logging.WARNING)  # of shapes that the quantiser does not need
        quantize_dynamic(self.exported(), path, per_channel=True, weight_type=QuantType.QInt8)
        found = perplexity(in_onnxruntime(path), self.corpus.held_out)
        return Result("ONNX Runtime INT8, no training", None, 8, found, "ONNX Runtime", 0), path


def speed(run: Run, methods: list[str]) -> None:
    """Milliseconds of one context of each packed model, engines in turns."""
    result, rival = run.rival()
    print(result.row(run.seed, run.teacher_perplexity), flush=True)
    models = {METHODS[name].label: ("soniq", run.file(name, ".soniq")) for name in methods if name in METHODS}
    models |= {PACKED[name][0]: ("soniq", run.file(name, ".soniq")) for name in methods if name in PACKED}
    times = in_turns({result.label: ("onnxruntime", rival), **models})
    print("\n| one thread, 128 characters | ms | of ONNX Runtime INT8 |\n|---|---|---|")
    for label, milliseconds in times.items():
        print(f"| {label} | {milliseconds:.2f} | {times[result.label] / milliseconds:.2f}x |")


def generate(corpus: Corpus, path: Path, prompt: str, count: int, seed: int) -> None:
    if not path.exists():
        sys.exit(f"there is no {path}: train it first, with --methods soniq")
    model = soniq.load(path, threads=1)
    print(prompt + corpus.text(continuation(in_library(model), corpus.ids(prompt).tolist(), count, seed)))


def main() -> None:
    every = [*METHODS, *PACKED]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--methods", nargs="+", choices=every, default=every)
    parser.add_argument("--seeds", nargs="+", type=int, default=[1])
    parser.add_argument("--fast", action="store_true", help="small, few steps; exit status 1 above the ceiling")
    parser.add_argument("--resume", action="store_true", help="go on from what an earlier run left under --output")
    parser.add_argument("--generate", type=int, metavar="N", help="N characters from the packed SONIQ network")
    parser.add_argument("--prompt", default="And Jesus said unto them, ", help="what they follow")
    parser.add_argument("--no-speed", action="store_true", help="leave out ONNX Runtime and the table of speed")
    parser.add_argument("--text", type=Path, default=Path("build/charlm"), help="where the text is kept")
    parser.add_argument("--output", type=Path, default=Path("build/training/charlm"))
    arguments = parser.parse_args()
    try:
        corpus = load(arguments.text)
        if arguments.generate is not None:
            path = arguments.output / f"soniq-{arguments.seeds[0]}.soniq"
            return generate(corpus, path, arguments.prompt, arguments.generate, arguments.seeds[0])
    except TextError as error:
        sys.exit(f"train_charlm: {error}")
    folder = arguments.output / "fast" if arguments.fast else arguments.output
    folder.mkdir(parents=True, exist_ok=True)
    methods = ["soniq"] if arguments.fast else arguments.methods
    print("| network | seed | stored bits | bits of a code | perplexity | over float32 | evaluated by | seconds |")
    print("|---|---|---|---|---|---|---|---|")
    reached = dict.fromkeys(CEILING, 0.0)
    for seed in arguments.seeds:
        run = Run(corpus, FAST if arguments.fast else FULL, seed, folder, arguments.resume)
        parent = run.float32()
        print(parent.row(seed, None), flush=True)
        reached["float"] = max(reached["float"], parent.perplexity)
        for name in methods:
            result = run.trained(name) if name in METHODS else run.packed(name)
            print(result.row(seed, parent.perplexity), flush=True)
            reached[name] = max(reached.get(name, 0.0), result.perplexity)
        if not (arguments.fast or arguments.no_speed):
            speed(run, methods)
    if arguments.fast:
        above = [name for name, ceiling in CEILING.items() if reached[name] > ceiling]
        if above:
            found = ", ".join(f"{name} {reached[name]:.3f} > {CEILING[name]}" for name in above)
            sys.exit(f"above the ceiling: {found}")


if __name__ == "__main__":
    main()
