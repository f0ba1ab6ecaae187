"""Trains all-MiniLM-L6-v2 at low precision, exports and packs it, and prints a table of quality and speed.

    python examples/train_minilm.py 2.5            encoder at 2.5 stored bits a weight, embeddings at 4: an hour
    python examples/train_minilm.py 4.57           everything at 4.57: a quarter of an hour
    python examples/train_minilm.py 2.5 --resume   goes on after an interruption
    python examples/train_minilm.py 2.5 --only-table
    python examples/train_minilm.py 2.5 --fast     a minute; exit status 1 below the floor

The float model teaches its copy, with no labels, on WordNet's glosses and examples: the state after every layer, and
the sentence's embedding. Held out are meanings, with their neighbours, that no training text has. The table's figures
come from libsoniq.so. Needs `pip install 'soniq[train]' tokenizers safetensors onnxruntime`, Debian's wordnet-base, and
what `make demo` leaves in build/.
"""

from __future__ import annotations

import argparse
import dataclasses
import math
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

import soniq
import soniq.qat

HERE = Path(__file__).parent / "minilm"
sys.path.insert(0, str(HERE))
import reference  # noqa: E402
import wordnet  # noqa: E402
from demo import median_latencies, read_lines  # noqa: E402
from encoder import SentenceEncoder  # noqa: E402
from texts import END, START, Embedder, HeldOut, Quality, Texts, padded, read_tokenizer  # noqa: E402

TOKENS = 2048  # of a batch
EMBEDDING_BITS = 4
SEARCH_PART = 0.07  # of the steps, to learn precisions
STEPS_OF_A_ROUND = 100
CARD = {
    "general.name": "all-MiniLM-L6-v2",
    "general.description": "sentence embeddings; input_ids and attention_mask to sentence_embedding",
    "general.author": "sentence-transformers; trained at low precision by examples/train_minilm.py of soniq",
    "general.license": "Apache-2.0",
    "source.name": "https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2",
}
FAST_STEPS = 12
FAST_PAIRS = 200
# Mean cosine of --fast, in libsoniq; see docs/results.md for what the seeds gave.
FLOOR = 0.75


@dataclass(frozen=True)
class Recipe:
    """`encoder_bits`: stored bits of a weight of the encoder's layers; `average_bits`: of all, embeddings too."""

    palette: tuple[tuple[int, int], ...]
    learning_rate: float
    steps: int
    encoder_bits: float | None = None
    average_bits: float | None = None

    def rate(self, step: int) -> float:
        """Of the learning rate: up for a twentieth of the steps, then down by half a cosine."""
        part = min(1.0, step / self.steps)
        return min(1.0, 20 * (part + 1 / self.steps)) * (0.5 + 0.5 * math.cos(math.pi * part))

    def target(self, teacher: SentenceEncoder) -> float:
        """The average over everything that is quantised."""
        if self.encoder_bits is None:
            return self.average_bits
        linears = [module for module in teacher.modules() if isinstance(module, torch.nn.Linear)]
        weights = sum(module.weight.numel() for module in linears)
        return (table_bits(teacher) + self.encoder_bits * weights) / (weights + teacher.words.weight.numel())


RECIPES = {
    # Neighbouring precisions: what the finer one adds falls off, so that more weights at one bit more are worth more
    # than few at two or four.
    "2.5": Recipe(((2, 8), (3, 8)), learning_rate=2e-4, steps=2400, encoder_bits=2.5),
    # The table of positions, packed at 8 bits, makes 4.57 of it.
    "4.57": Recipe(((4, 8), (5, 8)), learning_rate=1e-4, steps=400, average_bits=4.535),
}


def table_bits(encoder: torch.nn.Module) -> int:
    """Stored bits of the words' embeddings: codes, and a binary16 scale a row."""
    rows, channels = encoder.words.weight.shape
    return rows * (channels * EMBEDDING_BITS + 16)


def encoder_bits(quantization: soniq.qat.Quantization) -> float:
    """Average stored bits of the layers' weights, without the embeddings."""
    total = sum(shape.weights for shape in quantization.shapes.values())
    table = quantization.model.words.weight.numel()
    return (quantization.average_bits() * total - table_bits(quantization.model)) / (total - table)


def loss_of(student: soniq.qat.Quantization, teacher: SentenceEncoder, ids: Tensor, mask: Tensor) -> Tensor:
    """States of every layer, relative to the teacher's, the last one counting most, and the embedding's angle."""
    # Products in bfloat16: three times the speed where the processor has them, and an error below that of 8 bits.
    with torch.autocast("cpu", torch.bfloat16):
        with torch.no_grad():
            targets = teacher.states(ids, mask)
        with student.arithmetic():
            states = student.model.states(ids, mask)
    losses = [soniq.qat.hidden_states(found, target, mask) for found, target in zip(states, targets, strict=True)]
    found, target = (SentenceEncoder.pooled(last, mask) for last in (states[-1], targets[-1]))
    angle = 1 - (found * target).sum(1)
    return torch.stack(losses[:-1]).mean() + losses[-1] + 10 * angle.mean()


def prepare(recipe: Recipe, teacher: SentenceEncoder, texts: Texts) -> soniq.qat.Quantization:
    quantization = soniq.qat.prepare(
        teacher, texts.batches(4), palette=recipe.palette, target_bits=recipe.target(teacher),
        steps=recipe.steps, search_part=SEARCH_PART, end_bits=None, embedding_bits=EMBEDDING_BITS,
        skip=["positions"],
    )  # fmt: skip
    return quantization


def train(
    quantization: soniq.qat.Quantization, teacher: SentenceEncoder, texts: Texts, held_out: HeldOut, recipe: Recipe,
    checkpoint: Path, resume: bool,
) -> None:  # fmt: skip
    steps = recipe.steps
    groups = quantization.parameter_groups(recipe.learning_rate)
    optimizer = torch.optim.AdamW(groups, fused=True)
    # What precisions are learned with keeps its rate.
    curves = [recipe.rate] * 2 + [lambda step: 1.0] * (len(groups) - 2)
    trainer = soniq.qat.Trainer(
        quantization, lambda student, batch: loss_of(student, teacher, *batch), optimizer, clip=1.0,
        scheduler=torch.optim.lr_scheduler.LambdaLR(optimizer, curves), checkpoint=checkpoint,
        metric=lambda student: held_out.quality(torch_embedder(student)).cosine,
    )  # fmt: skip
    if resume:
        trainer.resume(checkpoint)
        texts.draw_anew(len(trainer.history))
    rounds = math.ceil(steps / STEPS_OF_A_ROUND)
    trainer.fit(lambda: texts.batches(math.ceil(steps / rounds)), rounds)
    trainer.plot(checkpoint.with_suffix(".curve.png"))
    quantization.freeze()
    quantization.eval()


def torch_embedder(model: torch.nn.Module) -> Embedder:
    def embed(ids: Tensor, mask: Tensor) -> np.ndarray:
        with torch.autocast("cpu", torch.bfloat16):
            return functional.normalize(model(ids, mask).float()).numpy()

    return embed


def library_embedder(path: Path) -> Embedder:
    model = soniq.load(path)

    def embed(ids: Tensor, mask: Tensor) -> np.ndarray:
        return model(input_ids=ids.int().numpy(), attention_mask=mask.int().numpy())["sentence_embedding"]

    return embed


def rival_embedder(path: Path) -> Embedder:
    """ONNX Runtime, a sentence at a time: padding would change the scales of its dynamic quantisation."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])

    def embed(ids: Tensor, mask: Tensor) -> np.ndarray:
        rows = []
        for row, length in zip(ids, mask.sum(1).tolist(), strict=True):
            sentence = row[None, :length].numpy()
            inputs = {
                "input_ids": sentence, "attention_mask": np.ones_like(sentence),
                "token_type_ids": np.zeros_like(sentence),
            }  # fmt: skip
            rows.append(session.run(["sentence_embedding"], inputs)[0][0])
        return np.stack(rows)

    return embed


def pack(tool: Path, source: Path, packed: Path, *options: str) -> Path:
    command = [str(tool), "pack", str(source), "-o", str(packed), *options]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return packed


def export(quantization: soniq.qat.Quantization, tool: Path, path: Path) -> Path:
    """The packed model beside the ONNX file; the table of positions has 8 bits."""
    axes = {0: "batch", 1: "sequence"}
    quantization.export(
        path, padded([[START, 2023, 2003, END]] * 2), inputs=["input_ids", "attention_mask"],
        outputs=["sentence_embedding"], metadata=CARD,
        dynamic={"input_ids": axes, "attention_mask": axes, "sentence_embedding": {0: "batch"}},
    )  # fmt: skip
    quantization.precision_plot(path.with_suffix(".png"))
    return pack(tool, path, path.with_suffix(".soniq"), "--palette", "8")


def print_table(recipe: Recipe, packed: Path, held_out: HeldOut, arguments: argparse.Namespace) -> None:
    """The trained model beside untrained ones and ONNX Runtime's INT8."""
    folder, tool = arguments.output, arguments.tool
    fp32, int8 = reference.build(arguments.model, folder)
    average = float(soniq.load(packed).metadata["soniq.average_bits"])
    palette = "+".join(f"w{weight}a{activation}" for weight, activation in recipe.palette)
    calibration = ("--calibrate", str(arguments.calibration))
    rounded = pack(
        tool, arguments.model, folder / f"rounded-{arguments.recipe}.soniq", "--palette", palette, "--target-bits",
        f"{average:.3f}", *calibration,
    )  # fmt: skip
    eight = pack(tool, arguments.model, folder / "rounded-8.soniq", "--palette", "8", *calibration)
    engines = {"trained": ("soniq", packed), "rounded": ("soniq", rounded), "eight": ("soniq", eight)}
    latencies = median_latencies(engines | {"rival": ("onnxruntime", int8)}, threads=1)
    print(f"recall@1 of float32: {100 * held_out.recall(held_out.exact):.2f} % of {held_out.pairs}\n")
    print("| model | bits a weight | MB | cosine mean | lowest | demo's sentences | recall@1 | ms at 16 / 64 / 256 |")
    print("|---|---:|---:|---:|---:|---:|---:|---|")
    rows = [
        (f"trained {palette}", "trained", library_embedder(packed), packed),
        (f"rounded {palette}", "rounded", library_embedder(rounded), rounded),
        ("rounded, 8 bits", "eight", library_embedder(eight), eight),
        ("ONNX Runtime INT8 per channel", "rival", rival_embedder(int8), int8),
    ]
    for label, engine, embed, path in rows:
        bits = f"{float(soniq.load(path).metadata['soniq.average_bits']):.2f}" if path != int8 else "8"
        found: Quality = held_out.quality(embed)
        times = " / ".join(f"{time:.2f}" for time in latencies[engine].values())
        print(
            f"| {label} | {bits} | {path.stat().st_size / 1e6:.1f} | {found.cosine:.4f} | {found.lowest:.3f} | "
            f"{found.demo_cosine:.4f} | {100 * found.recall:.2f} % | {times} |",
            flush=True,
        )


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", choices=RECIPES)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint in the output folder")
    parser.add_argument("--only-table", action="store_true", help="of the packed model in the output folder")
    parser.add_argument("--fast", action="store_true", help="a few steps; exit status 1 below the floor")
    parser.add_argument("--model", type=Path, default=Path("build/minilm"), help="Hugging Face folder")
    parser.add_argument(
        "--calibration", type=Path, default=Path("build/demo/calibration.npz"), help="for the untrained rows"
    )
    parser.add_argument("--wordnet", type=Path, default=Path("/usr/share/wordnet"))
    parser.add_argument("--tool", type=Path, default=Path(os.environ.get("SONIQ_PACK", "build/bin/soniq-pack")))
    parser.add_argument("--output", type=Path, default=Path("build/training/minilm"))
    return parser.parse_args()


def main() -> None:
    arguments = parse()
    recipe = RECIPES[arguments.recipe]
    if arguments.fast:
        recipe = dataclasses.replace(recipe, steps=FAST_STEPS)
    folder = arguments.output
    folder.mkdir(parents=True, exist_ok=True)
    name = f"minilm-{arguments.recipe}" + ("-fast" if arguments.fast else "")
    torch.manual_seed(arguments.seed)
    tokenizer = read_tokenizer(arguments.model)
    corpus = wordnet.load(arguments.wordnet)
    meanings = [meaning for meaning in corpus.held_out if meaning.examples]
    teacher = SentenceEncoder.load(arguments.model)
    held_out = HeldOut(
        tokenizer, meanings[:FAST_PAIRS] if arguments.fast else meanings, read_lines("sentences.txt"),
        lambda ids, mask: teacher(ids, mask).numpy(),
    )  # fmt: skip
    packed = folder / f"{name}.soniq"
    if not arguments.only_table:
        texts = Texts(tokenizer, corpus.train, TOKENS, arguments.seed)
        quantization = prepare(recipe, teacher, texts)
        train(quantization, teacher, texts, held_out, recipe, folder / f"{name}.pt", arguments.resume)
        packed = export(quantization, arguments.tool, folder / f"{name}.onnx")
        print(f"{encoder_bits(quantization):.3f} bits a weight of the encoder, {quantization.average_bits():.3f} with "
              f"embeddings", file=sys.stderr)  # fmt: skip
    if arguments.fast:
        cosine = held_out.quality(library_embedder(packed)).cosine
        print(f"mean cosine after {recipe.steps} steps: {cosine:.4f}, floor {FLOOR}")
        sys.exit(0 if cosine >= FLOOR else 1)
    print_table(recipe, packed, held_out, arguments)


if __name__ == "__main__":
    main()
