"""The mirror equals the header: sizes, offsets, constants, and the list of functions."""

from __future__ import annotations

import ctypes
import re
import subprocess
from pathlib import Path

import pytest

from soniq import _abi

STRUCTS = {
    "soniq_model_options": _abi.ModelOptions,
    "soniq_tensor_info": _abi.TensorInfo,
    "soniq_metadata": _abi.Metadata,
    "soniq_model_statistics": _abi.ModelStatistics,
    "soniq_size_limit": _abi.SizeLimit,
    "soniq_session_options": _abi.SessionOptions,
    "soniq_tensor": _abi.Tensor,
    "soniq_kernel_report": _abi.KernelReport,
    "soniq_profile_entry": _abi.ProfileEntry,
    "soniq_session_statistics": _abi.SessionStatistics,
    "soniq_state_info": _abi.StateInfo,
    "soniq_sequence_options": _abi.SequenceOptions,
    "soniq_decoder_options": _abi.DecoderOptions,
    "soniq_decoder_item": _abi.DecoderItem,
    "soniq_token_bias": _abi.TokenBias,
    "soniq_sampler_options": _abi.SamplerOptions,
    "soniq_level": _abi.Level,
    "soniq_matrix_options": _abi.MatrixOptions,
    "soniq_matrix_info": _abi.MatrixInfo,
}
CONSTANTS = {
    "SONIQ_ABI_VERSION": _abi.ABI_VERSION,
    "SONIQ_MAXIMUM_RANK": _abi.MAXIMUM_RANK,
    "SONIQ_MAXIMUM_LEVELS": _abi.MAXIMUM_LEVELS,
    "SONIQ_OK": _abi.OK,
    "SONIQ_ERROR_NOT_FOUND": _abi.ERROR_NOT_FOUND,
    "SONIQ_ENCODE_ADD_SPECIAL": _abi.ENCODE_ADD_SPECIAL,
    "SONIQ_ENCODE_PARSE_SPECIAL": _abi.ENCODE_PARSE_SPECIAL,
    "SONIQ_DECODE_SKIP_SPECIAL": _abi.DECODE_SKIP_SPECIAL,
    "SONIQ_DECODE_CONTINUES": _abi.DECODE_CONTINUES,
    "SONIQ_FLOAT32": _abi.FLOAT32,
    "SONIQ_INT32": _abi.INT32,
    "SONIQ_FLOAT16": _abi.FLOAT16,
    "SONIQ_INT8": _abi.INT8,
    "SONIQ_UINT8": _abi.UINT8,
    "SONIQ_MODEL_VERIFY": _abi.MODEL_VERIFY,
    "SONIQ_MODEL_COPY": _abi.MODEL_COPY,
    "SONIQ_MODEL_NO_COPIES": _abi.MODEL_NO_COPIES,
    "SONIQ_MATRIX_NO_COPIES": _abi.MATRIX_NO_COPIES,
    "SONIQ_SESSION_PROFILE": _abi.SESSION_PROFILE,
    "SONIQ_STATE_RECURRENT": _abi.STATE_RECURRENT,
    "SONIQ_STATE_GROWING": _abi.STATE_GROWING,
    "SONIQ_OUTPUTS_LAST": _abi.OUTPUTS["last"],
    "SONIQ_OUTPUTS_ALL": _abi.OUTPUTS["all"],
    "SONIQ_OUTPUTS_NONE": _abi.OUTPUTS["none"],
    "SONIQ_ISA_DEFAULT": _abi.ISA["default"],
    "SONIQ_ISA_PORTABLE": _abi.ISA["portable"],
    "SONIQ_ISA_AVX2": _abi.ISA["avx2"],
    "SONIQ_ISA_AVX512": _abi.ISA["avx512"],
    "SONIQ_METADATA_TEXT": _abi.METADATA_TEXT,
    "SONIQ_METADATA_INTEGER": _abi.METADATA_INTEGER,
    "SONIQ_METADATA_REAL": _abi.METADATA_REAL,
    "SONIQ_METADATA_BOOLEAN": _abi.METADATA_BOOLEAN,
    "SONIQ_CODE_BIPOLAR": _abi.CODE["bipolar"],
    "SONIQ_CODE_AFFINE": _abi.CODE["affine"],
}


@pytest.fixture(scope="module")
def compiled(header: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, int]:
    """What a C compiler makes of the header: {"struct": size, "struct.field": offset, "CONSTANT": value}."""
    lines = ["#include <soniq.h>", "#include <stdio.h>", "#include <stddef.h>", "int main(void) {"]
    for name, mirror in STRUCTS.items():
        lines.append(f'printf("{name} %zu\\n", sizeof({name}));')
        lines += [
            f'printf("{name}.{field} %zu\\n", offsetof({name}, {field}));' for field, *_ in mirror._fields_
        ]
    lines += [f'printf("{name} %ld\\n", (long){name});' for name in CONSTANTS]
    folder = tmp_path_factory.mktemp("abi")
    source, program = folder / "layout.c", folder / "layout"
    source.write_text("\n".join([*lines, "return 0; }"]))
    subprocess.run(["cc", "-std=c99", f"-I{header}", "-o", program, source], check=True)
    output = subprocess.run([program], check=True, capture_output=True, text=True).stdout
    return {name: int(value) for name, value in (line.split() for line in output.splitlines())}


@pytest.mark.parametrize("name", STRUCTS)
def test_struct_layout(name: str, compiled: dict[str, int]) -> None:
    mirror = STRUCTS[name]
    assert ctypes.sizeof(mirror) == compiled[name]
    for field, *_ in mirror._fields_:
        assert getattr(mirror, field).offset == compiled[f"{name}.{field}"], field


def test_constants(compiled: dict[str, int]) -> None:
    assert {name: compiled[name] for name in CONSTANTS} == CONSTANTS


def test_every_function_is_declared(header: Path) -> None:
    text = (header / "soniq.h").read_text()
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
    functions = set(re.findall(r"SONIQ_API[^;(]*?\b(soniq_\w+)\s*\(", text))
    assert functions == set(_abi.PROTOTYPES)


def test_argument_counts_match(header: Path) -> None:
    text = re.sub(r"/\*.*?\*/", "", (header / "soniq.h").read_text(), flags=re.S)
    for name, arguments in re.findall(r"SONIQ_API[^;(]*?\b(soniq_\w+)\s*\(([^)]*)\)", text):
        count = 0 if arguments.strip() == "void" else arguments.count(",") + 1
        assert len(_abi.PROTOTYPES[name][1]) == count, name
