"""Times encoders as Transformers' classes export them against ONNX Runtime INT8 of the same file, in one run.

    .ci/bench encoders [--models bert,vit] [--sequences 16,64,128] [--threads 1]

Six classes (BERT, DistilBERT, RoBERTa, MPNet, ALBERT, ViT) of 6 layers, 384 channels and 12 heads with random weights,
exported with dynamic batch and length. Baselines: dynamic quantisation per channel by ONNX Runtime's own tool, and the
float32 file in ONNX Runtime. soniq is packed at 8 bits. One process an engine, pinned to its core; engines take turns.
Prints a table: medians over rounds of what an engine took, and of the ratio in the same round.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import statistics
import subprocess
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from contestants import EngineError, Setting, Worker, take_turns
from measure import context

if TYPE_CHECKING:
    import transformers

SIZES = {"hidden_size": 384, "num_hidden_layers": 6, "num_attention_heads": 12, "intermediate_size": 1536}
TEXT = {**SIZES, "vocab_size": 5000, "max_position_embeddings": 514}
IMAGE = (3, 112, 112)
NAMES = ("bert", "distilbert", "roberta", "mpnet", "albert", "vit")


def build(name: str) -> transformers.PreTrainedModel:
    """With random weights of a fixed seed."""
    import torch
    import transformers

    distilbert = {"dim": 384, "n_layers": 6, "n_heads": 12, "hidden_dim": 1536, "vocab_size": 5000}
    classes: dict[str, tuple[Any, Any]] = {
        "bert": (transformers.BertModel, transformers.BertConfig(**TEXT)),
        "distilbert": (transformers.DistilBertModel, transformers.DistilBertConfig(**distilbert)),
        "roberta": (transformers.RobertaModel, transformers.RobertaConfig(**TEXT, pad_token_id=1)),
        "mpnet": (transformers.MPNetModel, transformers.MPNetConfig(**TEXT, pad_token_id=1)),
        "albert": (transformers.AlbertModel, transformers.AlbertConfig(**TEXT, embedding_size=128)),
        "vit": (transformers.ViTModel, transformers.ViTConfig(**SIZES, image_size=IMAGE[1], patch_size=14)),
    }
    torch.manual_seed(0)
    model, config = classes[name]
    return model(config).eval()


def export(name: str, folder: Path) -> Path:
    """Writes NAME.onnx unless it is there; returns its path."""
    path = folder / f"{name}.onnx"
    if path.exists():
        return path
    import torch

    model = build(name)
    inputs = ["pixel_values"] if name == "vit" else ["input_ids", "attention_mask"]

    class States(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, *tensors: torch.Tensor) -> torch.Tensor:
            return self.model(**dict(zip(inputs, tensors, strict=True))).last_hidden_state

    ids = torch.randint(2, 1000, (2, 16))
    examples = (torch.randn(2, *IMAGE),) if name == "vit" else (ids, torch.ones_like(ids))
    sizes = {0: "batch"} if name == "vit" else {0: "batch", 1: "sequence"}
    folder.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".unfinished")
    with warnings.catch_warnings():
        # Of conditions in the classes that the trace takes as they are.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            States(), examples, unfinished, dynamo=False, opset_version=17, input_names=inputs,
            output_names=["last_hidden_state"], dynamic_axes=dict.fromkeys(inputs, sizes),
        )
    unfinished.replace(path)
    return path


def quantize(model: Path) -> Path:
    """Writes MODEL-int8.onnx beside the model unless it is there; returns its path."""
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from onnxruntime.quantization.shape_inference import quant_pre_process

    path = model.with_name(f"{model.stem}-int8.onnx")
    if not path.exists():
        logging.getLogger().setLevel(logging.ERROR)
        unfinished, prepared = path.with_suffix(".unfinished"), path.with_suffix(".prepared")
        # Without it the shared weights of ALBERT, which a Transpose reads, stay float32.
        quant_pre_process(model, prepared, skip_symbolic_shape=True)
        quantize_dynamic(prepared, unfinished, per_channel=True, weight_type=QuantType.QInt8)
        prepared.unlink()
        unfinished.replace(path)
    return path


def pack(tool: Path, model: Path) -> Path:
    """Packs at 8 bits unless that is done; returns the path of the .soniq file."""
    path = model.with_suffix(".soniq")
    if path.exists() and path.stat().st_mtime >= max(tool.stat().st_mtime, model.stat().st_mtime):
        return path
    command = [str(tool), "pack", str(model), "-o", str(path), "--palette", "8"]
    if model.stem == "vit":
        images = np.random.default_rng(2).standard_normal((16, *IMAGE), np.float32)
        np.savez(model.with_suffix(".npz"), pixel_values=images)
        command += ["--calibrate", str(model.with_suffix(".npz"))]
    answer = subprocess.run(command, capture_output=True, text=True)
    if answer.returncode:
        raise EngineError(f"{' '.join(command)}:\n{answer.stderr[-2000:]}")
    return path


def measure(files: dict[str, Path], setting: Setting, rounds: int, seconds: float) -> dict[str, list[float]]:
    """Milliseconds of every round by engine."""
    with contextlib.ExitStack() as stack:
        workers = {
            engine: stack.enter_context(Worker(engine, "w8a8", path, setting)) for engine, path in files.items()
        }
        take_turns(list(workers.values()), rounds, seconds)
    return {engine: worker.round_ms[1:] for engine, worker in workers.items()}


def row(name: str, length: int, times: dict[str, list[float]]) -> str:
    """One line of the table."""
    ratio = statistics.median(
        other / one for one, other in zip(times["soniq"], times["onnxruntime_int8"], strict=True)
    )
    columns = " | ".join(f"{statistics.median(times[engine]):.2f}" for engine in times)
    return f"| {name} | {length} | {columns} | {ratio:.2f} |"


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=lambda text: text.split(","), default=list(NAMES))
    parser.add_argument("--sequences", type=lambda text: [int(part) for part in text.split(",")], default=[16, 64, 128])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=0.2, help="of one turn")
    parser.add_argument("--folder", type=Path, default=Path("build/bench-encoders"), help="where models are kept")
    parser.add_argument("--tool", type=Path, default=Path("build/bin/soniq-pack"))
    arguments = parser.parse_args()
    unknown = set(arguments.models) - set(NAMES)
    if unknown:
        parser.error(f"--models: no {min(unknown)} (have: {', '.join(NAMES)})")
    return arguments


def main() -> None:
    arguments = parse()
    about = context()
    capped = ", soniq capped (the baselines are not)" if about["capped"] else ""
    print(f"{about['cpu']}, {about['class']}{capped}; {arguments.threads} thread(s), batch 1; {about['revision']}\n")
    print("| encoder | tokens | soniq, ms | ONNX Runtime INT8, ms | ONNX Runtime float32, ms | times as fast as INT8 |")
    print("|---|---:|---:|---:|---:|---:|")
    for name in arguments.models:
        model = export(name, arguments.folder)
        files = {"soniq": pack(arguments.tool, model), "onnxruntime_int8": quantize(model), "onnxruntime_f32": model}
        # 8 x 8 patches and the class token.
        for length in [65] if name == "vit" else arguments.sequences:
            setting = Setting(name, arguments.threads, 1, length)
            print(row(name, length, measure(files, setting, arguments.rounds, arguments.seconds)), flush=True)


if __name__ == "__main__":
    try:
        main()
    except (EngineError, subprocess.CalledProcessError, OSError) as error:
        sys.exit(f"encoders.py: {error}")
