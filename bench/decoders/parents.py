"""What the files of both engines are made of: SmolLM2 in float32, and what its matrices multiply.

The file that PyPI has is one of 4-bit codes in groups of 32 already, on whose grid every 4-bit format would look as if
it lost nothing. So channels are multiplied by random numbers between matrices and what feeds them: the function is
the same, the grid is gone.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import soniq

Floats = npt.NDArray[np.float32]
# Positions of a run.
LENGTH = 128
# Which value a matrix multiplies.
READERS = {
    "attn_norm": ("attn_q", "attn_k", "attn_v"),
    "attention": ("attn_output",),
    "ffn_norm": ("ffn_gate", "ffn_up"),
    "ffn_product": ("ffn_down",),
}


def parent(original: Path, folder: Path) -> Path:
    """A GGUF file of floats."""
    target = folder / "parent.f32.gguf"
    if target.exists():
        return target
    import gguf

    reader = gguf.GGUFReader(str(original))
    writer = gguf.GGUFWriter(str(target.with_suffix(".unfinished")), "llama")
    for name, field in reader.fields.items():
        if name.startswith("GGUF.") or name in ("general.architecture", "general.file_type"):
            continue
        kind = field.types[0]
        element = field.types[-1] if kind == gguf.GGUFValueType.ARRAY else None
        writer.add_key_value(name, field.contents(), kind, element)
    writer.add_file_type(0)
    for name, array in _scattered(_floats(reader)).items():
        writer.add_tensor(name, array)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    target.with_suffix(".unfinished").replace(target)
    return target


def _floats(reader: Any) -> dict[str, Floats]:
    from gguf.quants import dequantize

    return {tensor.name: dequantize(tensor.data, tensor.tensor_type).astype(np.float32) for tensor in reader.tensors}


def _scattered(tensors: dict[str, Floats]) -> dict[str, Floats]:
    random = np.random.default_rng(2026)
    for index in range(sum(name.endswith(".attn_norm.weight") for name in tensors)):
        part = {name: f"blk.{index}.{name}.weight" for name in ("attn_norm", "ffn_norm", *sum(READERS.values(), ()))}
        for giver, takers in (
            ("attn_norm", READERS["attn_norm"]),
            ("ffn_norm", READERS["ffn_norm"]),
            ("ffn_up", READERS["ffn_product"]),
        ):
            factors = np.exp2(random.random(len(tensors[part[giver]])) - 0.5).astype(np.float32)
            tensors[part[giver]] = (tensors[part[giver]].T * factors).T
            for taker in takers:
                tensors[part[taker]] = tensors[part[taker]] / factors
    return tensors


def importance(tool: Path, packed: Path, pieces: list[npt.NDArray[np.int32]], folder: Path) -> dict[str, Floats]:
    """The mean square of each input of each matrix while the float model reads: llama.cpp's importance matrix."""
    model = soniq.load(packed)
    blocks = sum(state.name.startswith("keys") for state in model.session().states)
    values = [f"blk.{index}.{name}" for index in range(blocks) for name in READERS]
    exposed = folder / "exposed.soniq"
    command = [str(tool), "expose", str(packed), "-o", str(exposed)]
    command += [word for value in values for word in ("--value", value)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    session = soniq.load(exposed).session(maximums={"batch": 1, "sequence": LENGTH, "capacity": LENGTH})
    sums = dict.fromkeys(values, np.zeros(1, np.float64))
    rows = np.arange(LENGTH, dtype=np.int32)
    for piece in pieces:
        session.reset()
        outputs = session(input_ids=piece[None, :LENGTH], logit_positions=rows)
        for value in values:
            sums[value] = sums[value] + np.square(outputs[value][0], dtype=np.float64).sum(axis=0)
    exposed.unlink()
    return {
        f"blk.{value.split('.')[1]}.{matrix}.weight": (sums[value] / (LENGTH * len(pieces))).astype(np.float32)
        for value in values
        for matrix in READERS[value.split(".")[2]]
    }
