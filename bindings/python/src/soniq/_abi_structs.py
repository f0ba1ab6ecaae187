"""What the mirror of include/soniq.h is made of: structs with their size, functions of the host, prototypes."""

from __future__ import annotations

import ctypes
from ctypes import POINTER, c_char_p, c_int32, c_int64, c_size_t, c_uint32, c_uint64, c_void_p

ABI_VERSION = 1
MAXIMUM_RANK = 8

Handle = c_void_p
HandleOut = POINTER(c_void_p)
ErrorOut = POINTER(c_void_p)
STATUS = c_int32


class SizedStruct(ctypes.Structure):
    """A struct whose first field is its own size; `abi_version` is set where there is one."""

    def __init__(self, **fields: object) -> None:
        super().__init__(struct_size=ctypes.sizeof(type(self)), **fields)
        if hasattr(self, "abi_version"):
            self.abi_version = ABI_VERSION


LogFunction = ctypes.CFUNCTYPE(None, c_void_p, c_uint32, c_char_p, c_size_t)
ProgressFunction = ctypes.CFUNCTYPE(c_int32, c_void_p, c_uint64, c_uint64)


class Tensor(SizedStruct):
    _fields_ = [
        ("struct_size", c_uint32),
        ("element_type", c_uint32),
        ("rank", c_uint32),
        ("reserved", c_uint32),
        ("data", c_void_p),
        ("byte_count", c_size_t),
        ("dimensions", c_int64 * MAXIMUM_RANK),
    ]
