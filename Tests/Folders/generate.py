"""Folders of Hugging Face Transformers, tiny and with random weights, and what Transformers computes with them.

usage: generate.py [NAME...]     writes folders/NAME; needs torch and transformers

The folders are committed: PyTorch is too large for every test run. Those here are of transformers 5.24.0 and torch
2.13.0. Each holds config.json and model.safetensors as save_pretrained writes them, and expected.npz: the inputs and,
by the names that the packed model has, the outputs.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import torch
from case import LENGTHS, SEED, WORDS, Case
from families import cases
from torch import nn

FOLDERS = Path(__file__).parent / "folders"


def build(case: Case, seed: int) -> nn.Module:
    torch.manual_seed(seed)
    module = case.model(case.config)
    for parameter in module.parameters():
        scale = case.scale if parameter.dim() > 1 else 1
        parameter.data = parameter.data * scale + 0.1 * torch.randn_like(parameter)
        parameter.data = parameter.data.to(case.dtype).to(torch.float32)
    return module.eval()


def inputs_of(case: Case, random: np.random.Generator) -> dict[str, np.ndarray]:
    """Sequences of several lengths, the shorter ones padded."""
    inner = case.part or case.only
    config = getattr(case.config, f"{inner}_config") if inner else case.config
    if hasattr(config, "image_size"):
        side = config.image_size
        return {"pixel_values": random.standard_normal((2, 3, side, side)).astype(np.float32)}
    if hasattr(case.config, "num_mel_bins"):
        shape = (2, case.config.num_mel_bins, 2 * case.config.max_source_positions)
        return {
            "input_features": random.standard_normal(shape).astype(np.float32),
            "decoder_input_ids": np.ones((2, 1), np.int64),
        }
    if hasattr(config, "encoder_num_hidden_layers"):
        mask = (np.arange(2000) < np.array([[2000], [1300]])).astype(np.int64)
        return {
            "input_values": random.standard_normal((2, 2000)).astype(np.float32),
            "attention_mask": mask,
            "decoder_input_ids": np.ones((2, 1), np.int64),
        }
    lengths = np.array(LENGTHS)[:, None]
    shape = (len(LENGTHS), max(LENGTHS))
    mask = (np.arange(shape[1]) < lengths).astype(np.int64)
    inputs = {"input_ids": np.where(mask == 1, random.integers(3, WORDS, shape), case.padding), "attention_mask": mask}
    if case.ending is not None:
        inputs["input_ids"][np.arange(shape[1]) == lengths - 1] = case.ending
    if case.types:
        inputs["token_type_ids"] = random.integers(0, 2, shape)
    return inputs


def write(name: str, folder: Path, seed: int = SEED) -> None:
    """One folder with its expected outputs, which replace what is there."""
    case = cases()[name]
    random = np.random.default_rng(seed)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    module = build(case, seed)
    inputs = inputs_of(case, random)
    with torch.no_grad():
        given = {key: torch.from_numpy(array) for key, array in inputs.items()}
        if case.outputs.keys() == {"logits"}:
            given.pop("decoder_input_ids", None)
        result = case.run(module, given) if case.run else module(**given)
    outputs = {packed: result[theirs].numpy() for packed, theirs in case.outputs.items()}
    if case.modules:
        vector = case.modules(folder, random)
        states = result.last_hidden_state
        outputs["sentence_embedding"] = vector(states, torch.from_numpy(inputs["attention_mask"])).numpy()
    module.to(case.dtype).save_pretrained(folder, **({"max_shard_size": case.shards} if case.shards else {}))
    if case.fields:
        stated = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(stated | case.fields, indent=2) + "\n")
    (folder / "generation_config.json").unlink(missing_ok=True)
    inputs.pop("decoder_input_ids", None)
    kept = {f"in.{key}": array for key, array in inputs.items()} | {
        f"out.{key}": array for key, array in outputs.items()
    }
    np.savez_compressed(folder / "expected.npz", **kept)


def main() -> None:
    for name in sys.argv[1:] or cases():
        write(name, FOLDERS / name)


if __name__ == "__main__":
    main()
