"""Language models of few bits: how far each file is from its float32 parent, soniq's beside llama.cpp's.

    make quality-llm
    .ci/bench quality [--pieces 8] [--tokens 9216]

Both engines begin with the same float32 file and calibrate on the same texts; llama.cpp has its importance matrix.
Each file is asked for its logits at the second half of pieces of 512 tokens that neither has seen. KL: the mean
Kullback-Leibler divergence of a file's next word from the parent's, in nats. Bits: those of all tensors over all
weights, the words' table included. Rows go to build/quality-llm.json.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import subprocess
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

import soniq
from decoders import files
from decoders.parents import LENGTH, Floats, importance, parent
from decoders.texts import texts

TOOL = Path("build/bin/soniq-pack")
FOLDER = Path("build/quality-llm")
CONTEXT = 512
# How llama.h numbers the types of whole files (enum llama_ftype).
TYPES = {
    "Q8_0": 7, "Q6_K": 18, "Q5_K_M": 17, "Q4_K_M": 15, "Q4_K_S": 14, "IQ4_NL": 25, "IQ4_XS": 30, "Q4_0": 2,
    "Q3_K_M": 12, "IQ3_S": 26, "IQ3_XXS": 23, "Q2_K": 10, "IQ2_M": 29, "IQ2_XS": 20,
}  # fmt: skip
# --palette, --words; a text to calibrate on.
RECIPES = [
    ("8", None, False), ("4", None, False), ("4", None, True), ("4", 4, True),
    ("3", None, True), ("3", 4, True), ("2", None, True), ("2", 4, True),
]  # fmt: skip
Ids = npt.NDArray[np.int32]


@dataclass
class Row:
    engine: str
    name: str
    bytes: int
    bits_per_weight: float
    kl: float
    kl_error: float
    perplexity: float
    top1: float
    model: str


class Evaluation:
    """Pieces of tokens, and what the parent says to them."""

    def __init__(self, model: soniq.Model, text: Path, count: int) -> None:
        ids = model.tokenizer.encode(text.read_text(), add_special=False)
        self.pieces = [ids[first : first + CONTEXT] for first in range(0, count * CONTEXT, CONTEXT)]
        self.parent = [_logarithms(logits) for logits in of_soniq(model, self.pieces)]

    def row(self, engine: str, name: str, size: int, bits: float, logits: Iterator[Floats]) -> Row:
        divergences, surprises, hits = [], [], []
        for piece, wanted, found in zip(self.pieces, self.parent, logits, strict=True):
            found = _logarithms(found)
            divergences.append((np.exp(wanted) * (wanted - found)).sum(axis=1, dtype=np.float64))
            surprises.append(-found[np.arange(len(found)), piece[CONTEXT // 2 + 1 :]])
            hits.append(found.argmax(axis=1) == wanted.argmax(axis=1))
        divergence = np.concatenate(divergences)
        return Row(
            engine, name, size, round(bits, 3), round(float(divergence.mean()), 4),
            round(float(divergence.std() / np.sqrt(len(divergence))), 4),
            round(float(np.exp(np.concatenate(surprises).mean())), 3), round(float(np.concatenate(hits).mean()), 4),
            files.SMOLLM2.stem,
        )  # fmt: skip


def _logarithms(logits: Floats) -> Floats:
    """Logarithms of probabilities."""
    logits = logits - logits.max(axis=1, keepdims=True)
    return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True, dtype=np.float64)).astype(np.float32)


def of_soniq(model: soniq.Model, pieces: list[Ids]) -> Iterator[Floats]:
    """Logits of the second half of each piece, but for the last position."""
    half = CONTEXT // 2
    sequence = model.sequence(capacity=CONTEXT)
    decoder = model.decoder(capacity=CONTEXT, maximum_tokens=half, maximum_outputs=half)
    for piece in pieces:
        sequence.truncate(0)
        decoder(sequence, piece[:half])
        logits = decoder(sequence, piece[half:], "all")
        assert logits is not None
        yield logits[:-1].copy()


def of_llama_cpp(file: Path, pieces: list[Ids]) -> Iterator[Floats]:
    import llama_cpp

    model = llama_cpp.Llama(str(file), n_ctx=CONTEXT, n_batch=CONTEXT, n_ubatch=CONTEXT, logits_all=True, verbose=False)
    for piece in pieces:
        model.reset()
        model.eval(piece.tolist())
        yield np.asarray(model.scores[CONTEXT // 2 : CONTEXT - 1], np.float32).copy()


def quantised(original: Path, name: str, weights: dict[str, Floats]) -> Path:
    """A file of llama.cpp's, by its own quantiser with an importance matrix."""
    import llama_cpp

    target = FOLDER / f"{name}.gguf"
    entry = llama_cpp.llama_model_imatrix_data
    entries = (entry * (len(weights) + 1))()
    for place, (tensor, numbers) in zip(entries, weights.items(), strict=False):
        place.name = tensor.encode()
        place.data = numbers.ctypes.data_as(ctypes.POINTER(ctypes.c_float))
        place.size = len(numbers)
    options = llama_cpp.llama_model_quantize_default_params()
    options.ftype, options.nthread = TYPES[name], 2
    options.imatrix = ctypes.cast(entries, type(options.imatrix))
    if llama_cpp.llama_model_quantize(str(original).encode(), str(target).encode(), ctypes.byref(options)):
        raise SystemExit(f"llama.cpp does not make {name}")
    return target


def pack(original: Path, palette: str, words: int | None, text: Path | None, tokens: int) -> Path:
    target = FOLDER / "packed.soniq"
    command = [str(TOOL), "pack", str(original), "-o", str(target), "--palette", palette]
    command += ["--words", str(words)] if words else []
    command += ["--calibrate", str(text), "--calibration-tokens", str(tokens)] if text else []
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return target


def rows(pieces: int, tokens: int) -> Iterator[Row]:
    FOLDER.mkdir(parents=True, exist_ok=True)
    calibration, evaluation = texts(FOLDER / "texts")
    original = parent(files.SMOLLM2, FOLDER)
    floats = pack(original, "f32", None, None, tokens).rename(FOLDER / "parent.soniq")
    model = soniq.load(floats)
    measured = Evaluation(model, evaluation, pieces)
    yield measured.row("soniq", "f32 parent", original.stat().st_size, 32, of_soniq(model, measured.pieces))
    for palette, words, isCalibrated in RECIPES:
        name = palette + (f", words {words}" if words else "") + ("" if isCalibrated else ", nearest codes")
        file = pack(original, palette, words, calibration if isCalibrated else None, tokens)
        packed = soniq.load(file)
        bits = float(packed.metadata["soniq.average_bits"])
        yield measured.row("soniq", name, file.stat().st_size, bits, of_soniq(packed, measured.pieces))
    ids = model.tokenizer.encode(calibration.read_text(), add_special=False)
    step = max(LENGTH, len(ids) * LENGTH // tokens)
    read = [ids[first : first + LENGTH] for first in range(0, len(ids) - LENGTH, step)]
    weights = importance(TOOL, floats, read, FOLDER)
    for name in TYPES:
        file = quantised(original, name, weights)
        logits = of_llama_cpp(file, measured.pieces)
        yield measured.row("llama.cpp", name, file.stat().st_size, files.bits_per_weight(file), logits)
        file.unlink()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pieces", type=int, default=8, help=f"of {CONTEXT} tokens (%(default)s)")
    parser.add_argument("--tokens", type=int, default=9216, help="to calibrate on (%(default)s)")
    options = parser.parse_args()
    found: list[Row] = []
    print("| engine | file | MB | bits a weight | KL to the parent | perplexity | same first word |")
    print("|---|---|---:|---:|---:|---:|---:|", flush=True)
    for row in rows(options.pieces, options.tokens):
        found.append(row)
        size, share = f"{row.bytes / 1e6:.1f}", f"{100 * row.top1:.1f} %"
        cells = [row.engine, row.name, size, f"{row.bits_per_weight:.2f}", f"{row.kl:.4f} ± {row.kl_error:.4f}"]
        print("| " + " | ".join([*cells, f"{row.perplexity:.2f}", share]) + " |", flush=True)
        Path("build/quality-llm.json").write_text(json.dumps([asdict(row) for row in found], indent=1) + "\n")


if __name__ == "__main__":
    main()
