"""The part of the mirror of include/soniq.h that is for language models; see `_abi`."""

from __future__ import annotations

import ctypes
from ctypes import POINTER, c_char_p, c_float, c_int32, c_size_t, c_uint32, c_uint64, c_void_p

from ._abi_structs import STATUS, ErrorOut, Handle, HandleOut, ProgressFunction, SizedStruct, Tensor

OUTPUTS = {"last": 0, "all": 1, "none": 2}


class SequenceOptions(SizedStruct):
    _fields_ = [
        ("struct_size", c_uint32),
        ("abi_version", c_uint32),
        ("capacity", c_uint64),
        ("allocator", c_void_p),
    ]


class DecoderOptions(SizedStruct):
    _fields_ = [
        ("struct_size", c_uint32),
        ("abi_version", c_uint32),
        ("thread_count", c_uint32),
        ("maximum_isa", c_uint32),
        ("maximum_tokens", c_uint32),
        ("maximum_outputs", c_uint32),
        ("capacity", c_uint64),
        ("allocator", c_void_p),
        ("thread_pool", c_void_p),
        ("kernel_profile", c_char_p),
        ("progress", ProgressFunction),
        ("progress_context", c_void_p),
        ("reserved", c_uint64),
    ]


class DecoderItem(ctypes.Structure):
    _fields_ = [
        ("sequence", c_void_p),
        ("tokens", c_void_p),
        ("token_count", c_size_t),
        ("outputs", c_uint32),
        ("reserved", c_uint32),
    ]


class TokenBias(ctypes.Structure):
    _fields_ = [("token", c_int32), ("bias", c_float)]


class SamplerOptions(SizedStruct):
    _fields_ = [
        ("struct_size", c_uint32),
        ("abi_version", c_uint32),
        ("seed", c_uint64),
        ("biases", POINTER(TokenBias)),
        ("bias_count", c_uint32),
        ("penalty_window", c_uint32),
        ("repetition_penalty", c_float),
        ("frequency_penalty", c_float),
        ("presence_penalty", c_float),
        ("top_k", c_uint32),
        ("top_p", c_float),
        ("min_p", c_float),
        ("temperature", c_float),
        ("reserved", c_uint32),
        ("allocator", c_void_p),
    ]


PROTOTYPES: dict[str, tuple[object, list[object]]] = {
    "soniq_sequence_size": (STATUS, [Handle, POINTER(SequenceOptions), POINTER(c_size_t), ErrorOut]),
    "soniq_sequence_create": (STATUS, [HandleOut, Handle, POINTER(SequenceOptions), ErrorOut]),
    "soniq_sequence_destroy": (None, [Handle]),
    "soniq_sequence_length": (STATUS, [Handle, POINTER(c_uint64), ErrorOut]),
    "soniq_sequence_truncate": (STATUS, [Handle, c_uint64, ErrorOut]),
    "soniq_sequence_copy": (STATUS, [Handle, Handle, c_uint64, ErrorOut]),
    "soniq_sequence_save": (STATUS, [Handle, c_void_p, c_size_t, POINTER(c_size_t), ErrorOut]),
    "soniq_sequence_load": (STATUS, [Handle, c_void_p, c_size_t, ErrorOut]),
    "soniq_decoder_create": (STATUS, [HandleOut, Handle, POINTER(DecoderOptions), ErrorOut]),
    "soniq_decoder_destroy": (None, [Handle]),
    "soniq_decoder_run": (STATUS, [Handle, POINTER(DecoderItem), c_uint32, ErrorOut]),
    "soniq_decoder_output": (STATUS, [Handle, c_uint32, POINTER(Tensor), ErrorOut]),
    "soniq_sampler_create": (STATUS, [HandleOut, c_uint32, POINTER(SamplerOptions), ErrorOut]),
    "soniq_sampler_destroy": (None, [Handle]),
    "soniq_sampler_sample": (
        STATUS,
        [Handle, c_void_p, c_size_t, c_void_p, POINTER(c_int32), POINTER(c_float), ErrorOut],
    ),
    "soniq_sampler_accept": (STATUS, [Handle, c_void_p, c_size_t, ErrorOut]),
    "soniq_sampler_reset": (STATUS, [Handle, ErrorOut]),
}
