"""Folders whose weights were quantised before: the numbers that their codes stand for, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import checkpoint
import numpy as np
import pytest
from test_decoders import MODELS, logits, pack
from test_folders import refused

import soniq

Stored = dict[str, tuple[str, np.ndarray]]
# All of its sizes are multiples of what words hold.
SOURCE = MODELS / "qwen3"
PARTS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
AWQ_ORDER = [0, 2, 4, 6, 1, 3, 5, 7]


def words(codes: np.ndarray, bits: int, order: list[int] | None = None) -> np.ndarray:
    """Neighbours along the last axis in words of 32 bits, the first one lowest."""
    count = 32 // bits
    split = codes.reshape(*codes.shape[:-1], -1, count).astype(np.uint64)
    split = split[..., order] if order else split
    return (split << (np.arange(count, dtype=np.uint64) * bits)).sum(-1).astype("<u4").view("<i4")


def columns(weights: np.ndarray, bits: int, group: int, random: np.random.Generator) -> tuple[np.ndarray, ...]:
    """Codes [inputs, outputs], zeros and scales [groups, outputs] of random rounding, and what they stand for."""
    length, outputs = weights.shape[1], weights.shape[0]
    codes = random.integers(0, 1 << bits, (length, outputs))
    zeros = random.integers(1, 1 << bits, (length // group, outputs))
    scales = (random.uniform(0.5, 1, zeros.shape) / (1 << bits)).astype("<f2")
    real = (codes - zeros.repeat(group, 0)).astype(np.float32) * scales.astype(np.float32).repeat(group, 0)
    return codes, zeros, scales, real.T


def gptq(name: str, weights: np.ndarray, bits: int, random: np.random.Generator) -> tuple[Stored, np.ndarray]:
    codes, zeros, scales, real = columns(weights, bits, 16, random)
    return {
        name + ".qweight": ("I32", words(codes.T, bits).T),
        name + ".qzeros": ("I32", words(zeros - 1, bits)),
        name + ".scales": ("F16", scales),
        name + ".g_idx": ("I32", (np.arange(len(codes)) // 16).astype("<i4")),
    }, real


def awq(name: str, weights: np.ndarray, random: np.random.Generator) -> tuple[Stored, np.ndarray]:
    codes, zeros, scales, real = columns(weights, 4, 16, random)
    return {
        name + ".qweight": ("I32", words(codes, 4, AWQ_ORDER)),
        name + ".qzeros": ("I32", words(zeros, 4, AWQ_ORDER)),
        name + ".scales": ("F16", scales),
    }, real


def ternary(name: str, weights: np.ndarray, divides: bool, random: np.random.Generator) -> tuple[Stored, np.ndarray]:
    """A power of two as the scale, so that either way to store it gives the same number."""
    codes = random.integers(0, 3, weights.shape).astype(np.uint8)
    packed = sum(part << (2 * index) for index, part in enumerate(np.split(codes, 4)))
    scale = np.array([4.0 if divides else 0.25], "<f4")
    real = (codes.astype(np.float32) - 1) / 4
    return {name + ".weight": ("U8", packed), name + ".weight_scale": ("F32", scale)}, real


def float8(
    name: str, weights: np.ndarray, scales: np.ndarray, ending: str, random: np.random.Generator
) -> tuple[Stored, np.ndarray]:
    codes = random.integers(0, 256, weights.shape).astype(np.uint8)
    codes[(codes & 127) == 127] = 3
    exponent, rest = (codes >> 3 & 15).astype(np.int32), (codes & 7) / 8
    real = np.where(exponent == 0, rest * 2.0**-6, (1 + rest) * 2.0 ** (exponent - 7)) * np.where(codes < 128, 1, -1)
    # Of rows, or of blocks of 8 x 16.
    spread = scales if len(scales) == len(weights) else scales.repeat(8, 0).repeat(16, 1)
    real = real.astype(np.float32) * spread[: weights.shape[0], : weights.shape[1]]
    return {name + ".weight": ("F8_E4M3", codes), name + ending: ("F32", scales)}, real


def float8_blocks(name: str, weights: np.ndarray, random: np.random.Generator) -> tuple[Stored, np.ndarray]:
    scales = random.uniform(1e-3, 2e-3, (weights.shape[0] // 8, weights.shape[1] // 16)).astype("<f4")
    return float8(name, weights, scales, ".weight_scale_inv", random)


def float8_rows(name: str, weights: np.ndarray, random: np.random.Generator) -> tuple[Stored, np.ndarray]:
    scales = random.uniform(1e-3, 2e-3, (weights.shape[0], 1)).astype("<f4")
    return float8(name, weights, scales, ".weight_scale", random)


Make = Callable[[str, np.ndarray, np.random.Generator], tuple[Stored, np.ndarray]]
WAYS: dict[str, tuple[dict[str, Any], Make]] = {
    **{
        f"gptq-{bits}": (
            {"quant_method": "gptq", "bits": bits, "group_size": 16},
            lambda name, weights, random, bits=bits: gptq(name, weights, bits, random),
        )
        for bits in (2, 4, 8)
    },
    "awq": ({"quant_method": "awq", "bits": 4, "group_size": 16, "version": "gemm", "zero_point": True}, awq),
    "bitnet": (
        {"quant_method": "bitnet", "linear_class": "autobitlinear", "quantization_mode": "offline"},
        lambda name, weights, random: ternary(name, weights, False, random),
    ),
    "bitlinear": ({"quant_method": "bitnet"}, lambda name, weights, random: ternary(name, weights, True, random)),
    "fp8": ({"quant_method": "fp8", "weight_block_size": [8, 16]}, float8_blocks),
    "fp8-rows": ({"quant_method": "compressed-tensors", "format": "float-quantized"}, float8_rows),
}
CODES = [name for name in WAYS if not name.startswith("fp8")]


def folders(way: str, folder: Path) -> tuple[Path, Path]:
    """The quantised folder, and one of the float32 numbers that its codes stand for."""
    config, make = WAYS[way]
    random = np.random.default_rng(5)
    stored: Stored = {}
    real: Stored = {}
    for name, array in checkpoint.read(SOURCE).items():
        module = name.removesuffix(".weight")
        if name.endswith(".weight") and module.endswith(PARTS):
            parts, numbers = make(module, array, random)
            stored |= parts
            real[name] = ("F32", numbers)
        else:
            stored[name] = real[name] = ("F32", array)
    coded = checkpoint.copied(SOURCE, folder / "coded", lambda fields: fields.update(quantization_config=config))
    checkpoint.write(coded / checkpoint.TENSORS, stored)
    plain = checkpoint.copied(SOURCE, folder / "plain")
    checkpoint.write(plain / checkpoint.TENSORS, real)
    return coded, plain


@pytest.mark.parametrize("way", WAYS)
def test_codes_are_the_numbers_that_they_stand_for(way: str, tmp_path: Path) -> None:
    ids = np.load(MODELS / "qwen3.npz")["ids"]
    coded, plain = folders(way, tmp_path)
    for palette in ("f32", "4"):
        files = [pack(path, tmp_path / f"{path.name}.soniq", "--palette", palette) for path in (coded, plain)]
        got, expected = (logits(soniq.load(path), ids, [24]) for path in files)
        assert np.array_equal(got, expected), palette


def distance(got: np.ndarray, expected: np.ndarray) -> float:
    return float(np.linalg.norm(got - expected) / np.linalg.norm(expected))


@pytest.mark.parametrize("way", CODES)
def test_codes_stay_by_default(way: str, tmp_path: Path) -> None:
    """Two real numbers a group in the file, and in layers the bits of its codes."""
    ids = np.load(MODELS / "qwen3.npz")["ids"]
    coded, plain = folders(way, tmp_path)
    model = soniq.load(pack(coded, tmp_path / "coded.soniq"))
    assert model.metadata["soniq.palette"] == "keep,8"
    expected = logits(soniq.load(pack(plain, tmp_path / "plain.soniq", "--palette", "f32")), ids, [24])
    got = logits(model, ids, [24])
    # What activations of 8 bits do to rows of 16; of other weights the distance is that of strangers.
    assert distance(got, expected) < 0.08
    for lengths in ([1] * 24, [7, 17]):
        assert np.array_equal(logits(model, ids, lengths), got), lengths
    kept = soniq.load(pack(coded, tmp_path / "kept.soniq", "--palette", "keep"))
    assert kept.metadata["soniq.average_bits"] > model.metadata["soniq.average_bits"]
    assert distance(logits(kept, ids, [24]), expected) < 0.08


def test_trained_ternary_weights_are_rounded_as_training_does(tmp_path: Path) -> None:
    """By the mean of the magnitudes of each matrix."""
    config = {"quant_method": "bitnet", "linear_class": "autobitlinear", "quantization_mode": "online"}
    source = MODELS / "bitnet"
    ids = np.load(MODELS / "bitnet.npz")["ids"]
    online = checkpoint.copied(source, tmp_path / "online", lambda fields: fields.update(quantization_config=config))

    def rounded(name: str, array: np.ndarray) -> tuple[str, np.ndarray]:
        if not name.removesuffix(".weight").endswith(PARTS):
            return "F32", array
        scale = np.float32(np.abs(array.astype(np.float64)).mean())
        return "F32", np.clip(np.round(array / scale), -1, 1) * scale

    plain = checkpoint.copied(source, tmp_path / "plain", store=rounded)
    files = [pack(path, tmp_path / f"{path.name}.soniq", "--palette", "f32") for path in (online, plain)]
    got, expected = (logits(soniq.load(path), ids, [24]) for path in files)
    assert np.array_equal(got, expected)


CONFIGS: dict[str, tuple[str, dict[str, Any], str]] = {
    "method": ("awq", {"quant_method": "other"}, 'quantization_config.quant_method: "other"; known: gptq, awq'),
    "bits": ("gptq-4", {"bits": 3}, "quantization_config.bits: 3; known: 2, 4, 8"),
    "group": ("gptq-4", {"group_size": 24}, "quantization_config.group_size: 24; known: 16, 32, 64, multiples"),
    "head": ("gptq-4", {"lm_head": True}, "quantization_config.lm_head: true; known: false"),
    "version": ("awq", {"version": "gemv"}, 'quantization_config.version: "gemv"; known: "gemm"'),
    "norm": ("bitnet", {"use_rms_norm": True}, "quantization_config.use_rms_norm: true; known: false"),
    "class": ("bitnet", {"linear_class": "other"}, "quantization_config.linear_class: "),
    "block": ("fp8", {"weight_block_size": [8]}, "quantization_config.weight_block_size: [8]; must be two sizes"),
    "block-size": ("fp8", {"weight_block_size": [8, 4]}, "weight_scale_inv: shape ["),
    "format": ("fp8-rows", {"format": "pack-quantized"}, 'quantization_config.format: "pack-quantized"; known: '),
    "another-group": ("gptq-4", {"group_size": 32}, "scales: F16 of shape [2, "),
}  # fmt: skip


@pytest.mark.parametrize("fault", CONFIGS)
def test_ways_that_are_not_known_are_named(fault: str, tmp_path: Path) -> None:
    way, change, text = CONFIGS[fault]
    coded, _ = folders(way, tmp_path)
    fields = json.loads((coded / "config.json").read_text())
    fields["quantization_config"].update(change)
    (coded / "config.json").write_text(json.dumps(fields))
    refused(coded, text, tmp_path)


def test_codes_that_do_not_fit_are_named(tmp_path: Path) -> None:
    module = "model.layers.1.mlp.down_proj"
    for way, name, tensor, text in [
        ("gptq-4", ".g_idx", ("I32", np.arange(32, dtype="<i4")[::-1]), "grouped by their activations (desc_act)"),
        ("gptq-4", ".qzeros", ("I32", np.zeros((2, 3), "<i4")), "qzeros: shape [2, 3], expected [2, 2]"),
        ("awq", ".scales", ("F16", np.full((2, 16), np.inf, "<f2")), "qweight: a scale of row 0, channel 0, is not"),
        ("awq", ".qweight", ("F32", np.zeros((32, 2), "<f4")), "qweight: F32 of shape [32, 2], expected a matrix"),
        ("bitnet", ".weight", ("U8", np.full((4, 32), 255, np.uint8)), "weight: the code at [0, 0] is 3"),
        ("bitnet", ".weight_scale", ("F32", np.zeros(1, "<f4")), "weight_scale: must be a number above 0"),
        ("fp8", ".weight", ("F8_E4M3", np.full((16, 32), 127, np.uint8)), "weight: the number at [0, 0] is nan"),
    ]:
        coded, _ = folders(way, tmp_path / way / name)
        data = (coded / checkpoint.TENSORS).read_bytes()
        checkpoint.write(coded / checkpoint.TENSORS, {**raw(data), module + name: tensor})
        refused(coded, f"tensor {module}", tmp_path)
        refused(coded, text, tmp_path)


def raw(data: bytes) -> Stored:
    """Tensors as bytes of their types, in their shapes."""
    end = 8 + int.from_bytes(data[:8], "little")
    types = {"F32": "<f4", "F16": "<f2", "I32": "<i4", "U8": "u1", "F8_E4M3": "u1"}
    tensors: Stored = {}
    for name, info in json.loads(data[8:end]).items():
        first, last = (end + offset for offset in info["data_offsets"])
        array = np.frombuffer(data[first:last], types[info["dtype"]]).reshape(info["shape"])
        tensors[name] = (info["dtype"], array)
    return tensors
