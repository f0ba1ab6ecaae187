"""An ONNX model in ONNX Runtime, with the values between its nodes as outputs."""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from .model import Model


class ComparisonError(Exception):
    """Files, samples or packages that do not fit a comparison; the message is one line."""


def _package(name: str) -> ModuleType:
    try:
        return __import__(name)
    except ImportError as error:
        raise ComparisonError(f"{name} is needed to compare with ONNX Runtime: pip install soniq[compare]") from error


@functools.lru_cache(maxsize=4)
def _read(path: Path, _time: int) -> Any:
    onnx = _package("onnx")
    try:
        return onnx.load(str(path))
    except OSError as error:
        raise ComparisonError(f"{path}: {error.strerror or error}") from error
    # protobuf's own, of either of its implementations, and what onnx raises for missing external data.
    except Exception as error:
        raise ComparisonError(f"{path}: not an ONNX file that can be read: {error}".splitlines()[0]) from error


def read(path: Path) -> Any:
    """The ModelProto of a file. Raises ComparisonError."""
    try:
        return _read(path, path.stat().st_mtime_ns)
    except OSError as error:
        raise ComparisonError(f"{path}: {error.strerror}") from error


def dimension_names(path: Path) -> dict[str, list[str]]:
    """By input: what its dynamic sizes are called; "" for fixed ones."""
    return {info.name: [dim.dim_param for dim in info.type.tensor_type.shape.dim] for info in read(path).graph.input}


class Reference:
    """An ONNX file.

    Attributes:
        path: of the file.
        outputs: names of its outputs.
        types: numpy's type of each input, by name.
    """

    def __init__(self, path: Path) -> None:
        """Raises ComparisonError for a file that cannot be read, and when onnx or onnxruntime is missing."""
        _package("onnxruntime")
        self.path = path
        graph = read(path).graph
        self.outputs = [info.name for info in graph.output]
        constants = {tensor.name for tensor in graph.initializer}
        onnx = _package("onnx")
        self.types: dict[str, np.dtype[Any]] = {
            info.name: np.dtype(onnx.helper.tensor_dtype_to_np_dtype(info.type.tensor_type.elem_type))
            for info in graph.input
            if info.name not in constants
        }

    def values(self) -> list[str]:
        """Names of what the nodes make, in order."""
        return [name for node in read(self.path).graph.node for name in node.output if name]

    def table_rows(self, name: str) -> int | None:
        """The rows of the smallest constant table that an input looks up in; None when it looks up in none."""
        graph = read(self.path).graph
        rows = {tensor.name: tensor.dims[0] for tensor in graph.initializer if tensor.dims}
        same, found = {name}, []
        for node in graph.node:
            if node.op_type in ("Cast", "Identity", "Reshape", "Unsqueeze") and node.input[0] in same:
                same.add(node.output[0])
            elif node.op_type == "Gather" and node.input[1] in same and node.input[0] in rows:
                found.append(rows[node.input[0]])
        return min(found, default=None)

    def require_interface(self, packed: Model, path: str | os.PathLike[str]) -> None:
        """Raises ComparisonError unless the packed file has the inputs and outputs of this model."""
        for what, own, other in (
            ("input", set(self.types), {info.name for info in packed.inputs}),
            ("output", set(self.outputs), {info.name for info in packed.outputs}),
        ):
            for name in sorted(own ^ other):
                has, lacks = (self.path, path) if name in own else (path, self.path)
                raise ComparisonError(
                    f"{what} {name}: {has} has it and {lacks} has not; was the file packed from this model?"
                )

    def session(self, names: list[str]) -> Any:
        """An onnxruntime.InferenceSession that computes these values, outputs or not."""
        onnx, runtime = _package("onnx"), _package("onnxruntime")
        model = onnx.ModelProto()
        model.CopyFrom(read(self.path))
        known = set(self.outputs)
        model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names if name not in known)
        serialized = model.SerializeToString()
        for is_exact in (True, False):
            options = runtime.SessionOptions()
            options.log_severity_level = 3
            # Without it sums of 8-bit products saturate on CPUs without VNNI; some kinds of layers it refuses.
            options.add_session_config_entry("session.x64quantprecision", str(int(is_exact)))
            try:
                return runtime.InferenceSession(serialized, options, providers=["CPUExecutionProvider"])
            # A class of its own, which onnxruntime names differently from version to version.
            except Exception as error:
                refusal = error
        raise ComparisonError(f"{self.path}: ONNX Runtime refuses it: {refusal}".splitlines()[0]) from refusal

    def run(self, session: Any, names: list[str], feeds: Mapping[str, Any]) -> dict[str, Any]:
        """The values of these names, by name. Raises ComparisonError for inputs that ONNX Runtime refuses."""
        try:
            return dict(zip(names, session.run(names, dict(feeds)), strict=True))
        except Exception as error:
            raise ComparisonError(f"{self.path}: ONNX Runtime cannot run it: {error}".splitlines()[0]) from error
