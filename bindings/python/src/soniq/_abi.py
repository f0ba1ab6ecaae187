"""Mirror of include/soniq.h, one to one: structs, constants and prototypes. Comfort lives elsewhere.

tests/test_abi.py compiles a C program against the header and compares every size and offset.
"""

from __future__ import annotations

import ctypes
from ctypes import (
    POINTER,
    c_char_p,
    c_double,
    c_float,
    c_int32,
    c_int64,
    c_size_t,
    c_uint8,
    c_uint32,
    c_uint64,
    c_void_p,
)

from . import _abi_decoding as _decoding
from ._abi_decoding import OUTPUTS as OUTPUTS
from ._abi_decoding import DecoderItem as DecoderItem
from ._abi_decoding import DecoderOptions as DecoderOptions
from ._abi_decoding import SamplerOptions as SamplerOptions
from ._abi_decoding import SequenceOptions as SequenceOptions
from ._abi_decoding import TokenBias as TokenBias
from ._abi_structs import ABI_VERSION as ABI_VERSION
from ._abi_structs import MAXIMUM_RANK, STATUS, ErrorOut, Handle, HandleOut, LogFunction, ProgressFunction, SizedStruct
from ._abi_structs import Tensor as Tensor

MAXIMUM_LEVELS = 2

OK = 0
ERROR_NOT_FOUND = -12
FLOAT32 = 1
INT32 = 2
FLOAT16 = 4
INT8 = 5
UINT8 = 6
ENCODE_ADD_SPECIAL, ENCODE_PARSE_SPECIAL = 1, 2
DECODE_SKIP_SPECIAL, DECODE_CONTINUES = 1, 2
MODEL_VERIFY = 1
MODEL_COPY = 2
MODEL_NO_COPIES = 4
MATRIX_NO_COPIES = 1
SESSION_PROFILE = 1
STATE_RECURRENT, STATE_GROWING = 1, 2
ISA = {"default": 0, "portable": 10, "avx2": 20, "avx512": 30, "neon": 50, "dotprod": 60, "i8mm": 70}
METADATA_TEXT, METADATA_INTEGER, METADATA_REAL, METADATA_BOOLEAN = 1, 2, 3, 4
CODE = {"default": 0, "bipolar": 1, "affine": 2}


class ModelOptions(SizedStruct):
    _fields_ = [
        ("struct_size", c_uint32),
        ("abi_version", c_uint32),
        ("flags", c_uint32),
        ("reserved", c_uint32),
        ("log", LogFunction),
        ("log_context", c_void_p),
        ("progress", ProgressFunction),
        ("progress_context", c_void_p),
    ]


class TensorInfo(SizedStruct):
    _fields_ = [
        ("struct_size", c_uint32),
        ("element_type", c_uint32),
        ("rank", c_uint32),
        ("is_optional", c_uint32),
        ("name", c_char_p),
        ("dimensions", c_int64 * MAXIMUM_RANK),
        ("maximum_dimensions", c_int64 * MAXIMUM_RANK),
        ("dimension_names", c_char_p * MAXIMUM_RANK),
        ("usual_dimensions", c_int64 * MAXIMUM_RANK),
    ]


class Metadata(SizedStruct):
    _fields_ = [
        ("struct_size", c_uint32),
        ("kind", c_uint32),
        ("key", c_char_p),
        ("text", c_char_p),
        ("text_length", c_size_t),
        ("integer", c_int64),
        ("real", c_double),
        ("boolean", c_uint32),
        ("reserved", c_uint32),
    ]


class ModelStatistics(SizedStruct):
    _fields_ = [
        ("struct_size", c_uint32),
        ("node_count", c_uint32),
        ("file_bytes", c_uint64),
        ("mapped_bytes", c_uint64),
        ("heap_bytes", c_uint64),
        ("heap_resident_bytes", c_uint64),
        ("copied_weight_bytes", c_uint64),
    ]


class SizeLimit(ctypes.Structure):
    _fields_ = [("name", c_char_p), ("maximum", c_uint64)]


class SessionOptions(SizedStruct):
    _fields_ = [
        ("struct_size", c_uint32),
        ("abi_version", c_uint32),
        ("thread_count", c_uint32),
        ("maximum_isa", c_uint32),
        ("flags", c_uint32),
        ("size_limit_count", c_uint32),
        ("size_limits", POINTER(SizeLimit)),
        ("workspace", c_void_p),
        ("workspace_size", c_size_t),
        ("allocator", c_void_p),
        ("thread_pool", c_void_p),
        ("log", LogFunction),
        ("log_context", c_void_p),
        ("kernel_profile", c_char_p),
    ]


class KernelReport(SizedStruct):
    _fields_ = [
        ("struct_size", c_uint32),
        ("isa", c_uint32),
        ("node", c_char_p),
        ("operation", c_char_p),
        ("level", c_char_p),
        ("kernel", c_char_p),
        ("refusals", c_char_p),
        ("copied_weight_bytes", c_uint64),
    ]


class ProfileEntry(SizedStruct):
    _fields_ = [
        ("struct_size", c_uint32),
        ("reserved", c_uint32),
        ("name", c_char_p),
        ("operation", c_char_p),
        ("level", c_char_p),
        ("kernel", c_char_p),
        ("nanoseconds", c_uint64),
        ("rows", c_uint64),
        ("multiply_accumulates", c_uint64),
    ]


class SessionStatistics(SizedStruct):
    _fields_ = [
        ("struct_size", c_uint32),
        ("isa", c_uint32),
        ("thread_count", c_uint32),
        ("reserved", c_uint32),
        ("workspace_bytes", c_uint64),
        ("heap_bytes", c_uint64),
        ("heap_resident_bytes", c_uint64),
        ("allocation_count", c_uint64),
        ("run_count", c_uint64),
        ("state_bytes", c_uint64),
    ]


class StateInfo(SizedStruct):
    _fields_ = [
        ("struct_size", c_uint32),
        ("kind", c_uint32),
        ("element_type", c_uint32),
        ("rank", c_uint32),
        ("name", c_char_p),
        ("dimensions", c_int64 * MAXIMUM_RANK),
        ("length", c_uint64),
        ("byte_count", c_uint64),
        ("element_bits", c_uint32),
        ("reserved", c_uint32),
    ]


class Level(ctypes.Structure):
    _fields_ = [
        ("weight_code", c_uint32),
        ("weight_bits", c_uint32),
        ("activation_code", c_uint32),
        ("activation_bits", c_uint32),
        ("activation_scale", c_float),
        ("activation_zero", c_int32),
        ("reserved", c_uint32 * 2),
    ]


class MatrixOptions(SizedStruct):
    _fields_ = [
        ("struct_size", c_uint32),
        ("abi_version", c_uint32),
        ("level_count", c_uint32),
        ("maximum_isa", c_uint32),
        ("thread_count", c_uint32),
        ("block_rows", c_uint32),
        ("levels", Level * MAXIMUM_LEVELS),
        ("channel_levels", POINTER(c_uint8)),
        ("bias", POINTER(c_float)),
        ("allocator", c_void_p),
        ("thread_pool", c_void_p),
        ("kernel_profile", c_char_p),
        ("flags", c_uint32),
        ("reserved", c_uint32),
    ]


class MatrixInfo(SizedStruct):
    _fields_ = [
        ("struct_size", c_uint32),
        ("level_count", c_uint32),
        ("outputs", c_uint64),
        ("inputs", c_uint64),
        ("byte_count", c_uint64),
        ("weight_bytes", c_uint64),
        ("isa", c_uint32),
        ("reserved", c_uint32),
    ]


# name -> (result, arguments). A function that returns a status takes `soniq_error **` last.
PROTOTYPES: dict[str, tuple[object, list[object]]] = {
    "soniq_status_name": (c_char_p, [c_int32]),
    "soniq_error_status": (STATUS, [Handle]),
    "soniq_error_message": (c_char_p, [Handle]),
    "soniq_error_node": (c_char_p, [Handle]),
    "soniq_error_field": (c_char_p, [Handle]),
    "soniq_error_offset": (c_int64, [Handle]),
    "soniq_error_destroy": (None, [Handle]),
    "soniq_version": (c_char_p, []),
    "soniq_abi_version": (c_uint32, []),
    "soniq_require_abi": (STATUS, [c_uint32, ErrorOut]),
    "soniq_build_info": (c_char_p, []),
    "soniq_cpu_isa": (c_uint32, []),
    "soniq_cpu_features": (c_char_p, []),
    "soniq_isa_name": (c_char_p, [c_uint32]),
    "soniq_model_open": (STATUS, [HandleOut, c_char_p, POINTER(ModelOptions), ErrorOut]),
    "soniq_model_open_memory": (STATUS, [HandleOut, c_void_p, c_size_t, POINTER(ModelOptions), ErrorOut]),
    "soniq_model_retain": (STATUS, [Handle, ErrorOut]),
    "soniq_model_destroy": (None, [Handle]),
    "soniq_model_input_count": (STATUS, [Handle, POINTER(c_uint32), ErrorOut]),
    "soniq_model_output_count": (STATUS, [Handle, POINTER(c_uint32), ErrorOut]),
    "soniq_model_input_info": (STATUS, [Handle, c_uint32, POINTER(TensorInfo), ErrorOut]),
    "soniq_model_output_info": (STATUS, [Handle, c_uint32, POINTER(TensorInfo), ErrorOut]),
    "soniq_model_input_index": (STATUS, [Handle, c_char_p, POINTER(c_uint32), ErrorOut]),
    "soniq_model_output_index": (STATUS, [Handle, c_char_p, POINTER(c_uint32), ErrorOut]),
    "soniq_model_metadata_count": (STATUS, [Handle, POINTER(c_uint32), ErrorOut]),
    "soniq_model_metadata_get": (STATUS, [Handle, c_uint32, POINTER(Metadata), ErrorOut]),
    "soniq_model_metadata_find": (STATUS, [Handle, c_char_p, POINTER(Metadata), ErrorOut]),
    "soniq_model_verify": (STATUS, [Handle, ProgressFunction, c_void_p, ErrorOut]),
    "soniq_model_get_statistics": (STATUS, [Handle, POINTER(ModelStatistics), ErrorOut]),
    "soniq_session_workspace_size": (STATUS, [Handle, POINTER(SessionOptions), POINTER(c_size_t), ErrorOut]),
    "soniq_session_create": (STATUS, [HandleOut, Handle, POINTER(SessionOptions), ErrorOut]),
    "soniq_session_destroy": (None, [Handle]),
    "soniq_session_set_input": (
        STATUS,
        [Handle, c_uint32, c_uint32, c_uint32, POINTER(c_int64), c_void_p, ErrorOut],
    ),
    "soniq_session_clear_inputs": (STATUS, [Handle, ErrorOut]),
    "soniq_session_run": (STATUS, [Handle, ErrorOut]),
    "soniq_session_output": (STATUS, [Handle, c_uint32, POINTER(Tensor), ErrorOut]),
    "soniq_session_kernel_count": (STATUS, [Handle, POINTER(c_uint32), ErrorOut]),
    "soniq_session_kernel_get": (STATUS, [Handle, c_uint32, POINTER(KernelReport), ErrorOut]),
    "soniq_session_profile_count": (STATUS, [Handle, POINTER(c_uint32), ErrorOut]),
    "soniq_session_profile_get": (STATUS, [Handle, c_uint32, POINTER(ProfileEntry), ErrorOut]),
    "soniq_session_profile_reset": (STATUS, [Handle, ErrorOut]),
    "soniq_session_state_count": (STATUS, [Handle, POINTER(c_uint32), ErrorOut]),
    "soniq_session_get_state_info": (STATUS, [Handle, c_uint32, POINTER(StateInfo), ErrorOut]),
    "soniq_session_reset": (STATUS, [Handle, ErrorOut]),
    "soniq_session_truncate": (STATUS, [Handle, c_uint64, ErrorOut]),
    "soniq_session_read_states": (STATUS, [Handle, c_void_p, c_size_t, POINTER(c_size_t), ErrorOut]),
    "soniq_session_write_states": (STATUS, [Handle, c_void_p, c_size_t, ErrorOut]),
    "soniq_session_get_statistics": (STATUS, [Handle, POINTER(SessionStatistics), ErrorOut]),
    **_decoding.PROTOTYPES,
    "soniq_tokenizer_create": (STATUS, [HandleOut, Handle, ErrorOut]),
    "soniq_tokenizer_destroy": (None, [Handle]),
    "soniq_tokenizer_count": (STATUS, [Handle, POINTER(c_uint32), ErrorOut]),
    "soniq_tokenizer_find": (STATUS, [Handle, c_char_p, c_size_t, POINTER(c_int32), ErrorOut]),
    "soniq_tokenizer_encode": (
        STATUS,
        [Handle, c_char_p, c_size_t, c_uint32, c_void_p, c_size_t, POINTER(c_size_t), ErrorOut],
    ),
    "soniq_tokenizer_decode": (
        STATUS,
        [Handle, c_void_p, c_size_t, c_uint32, c_char_p, c_size_t, POINTER(c_size_t), ErrorOut],
    ),
    "soniq_matrix_pack": (
        STATUS,
        [HandleOut, c_void_p, c_size_t, c_size_t, POINTER(MatrixOptions), ErrorOut],
    ),
    "soniq_matrix_destroy": (None, [Handle]),
    "soniq_matrix_multiply": (
        STATUS,
        [Handle, c_void_p, c_size_t, c_size_t, c_void_p, c_size_t, ErrorOut],
    ),
    "soniq_matrix_multiply_codes": (
        STATUS,
        [Handle, c_void_p, c_void_p, c_size_t, c_void_p, c_size_t, ErrorOut],
    ),
    "soniq_matrix_scales": (STATUS, [Handle, c_uint32, POINTER(POINTER(c_float)), ErrorOut]),
    "soniq_matrix_unpack": (STATUS, [Handle, c_void_p, c_size_t, ErrorOut]),
    "soniq_matrix_get_info": (STATUS, [Handle, POINTER(MatrixInfo), ErrorOut]),
    "soniq_matrix_get_kernel": (STATUS, [Handle, POINTER(KernelReport), ErrorOut]),
}


def declare(library: ctypes.CDLL) -> None:
    """Gives every function of the library its prototype. AttributeError names one that is missing."""
    for name, (result, arguments) in PROTOTYPES.items():
        function = getattr(library, name)
        function.restype = result
        function.argtypes = arguments
