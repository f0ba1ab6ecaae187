"""Weights of codes with a scale for each block: how ONNX Runtime stores them, and how a packed file does."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np

sys.path.append(str(Path(__file__).parents[2] / "bindings/python/tests"))
from format_fields import read_sections

WEIGHTS, STORED_WEIGHTS, SCALES, OFFSETS = 16, 25, 27, 28


def packed_bits(codes: np.ndarray, bits: int) -> np.ndarray:
    """Codes [..., count] as bytes [..., ceil(count * bits / 8)], the first one in the lowest bits."""
    each = 8 // bits
    missing = -codes.shape[-1] % each
    parts = np.pad(codes, [(0, 0)] * (codes.ndim - 1) + [(0, missing)]).reshape(
        *codes.shape[:-1], -1, each
    )
    shifts = np.arange(each) * bits
    return np.bitwise_or.reduce(
        parts.astype(np.uint16) << shifts.astype(np.uint16), -1
    ).astype(np.uint8)


def unpacked_bits(data: np.ndarray, bits: int, count: int) -> np.ndarray:
    """The inverse of packed_bits."""
    parts = data[..., None] >> (np.arange(8 // bits) * bits).astype(np.uint8)
    return (parts & ((1 << bits) - 1)).reshape(*data.shape[:-1], -1)[..., :count]


def section(packed: Path, *kinds: int) -> bytes:
    """The only section of these kinds."""
    (data,) = [
        data for kind, data in read_sections(packed.read_bytes()) if kind in kinds
    ]
    return data


def stored_codes(packed: Path, outputs: int, channels: int, bits: int) -> np.ndarray:
    """The codes [outputs, channels] in the tiles of a file with one matrix: nibbles, or bytes."""
    tiles = np.frombuffer(section(packed, WEIGHTS, STORED_WEIGHTS), np.uint8)
    tiles = tiles.reshape(-(-outputs // 16), -1, 16, 4)
    parts = [tiles] if bits == 8 else [tiles & 15, tiles >> 4]
    codes = np.stack(parts, 3).transpose(0, 2, 1, 3, 4)
    return codes.reshape(tiles.shape[0] * 16, -1)[:outputs, :channels]


def stored_numbers(packed: Path, kind: int, outputs: int, groups: int) -> np.ndarray:
    """Scales or offsets [outputs, groups] of a file with one matrix."""
    data = section(packed, kind)
    panels = -(-outputs // 16)
    number = np.float16 if len(data) == panels * groups * 32 else np.float32
    numbers = np.frombuffer(data, number).reshape(panels, groups, 16).transpose(0, 2, 1)
    return numbers.reshape(panels * 16, groups)[:outputs].astype(np.float32)


def notes(source: Path) -> str:
    """What the packer would say of a model at 8 bits."""
    command = [os.environ["SONIQ_PACK"], "pack", source, "--dry-run", "--palette", "8"]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    return "\n".join(line for line in result.stderr.splitlines() if "note:" in line)
