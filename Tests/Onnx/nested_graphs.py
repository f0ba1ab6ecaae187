"""Models with graphs inside nodes, packed and compared with ONNX Runtime."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

import soniq

FLOAT, INT64, BOOL = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL
Arrays = dict[str, np.ndarray]


def value(name: str, kind: int = FLOAT, shape: list | None = None) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, shape)


def body(
    nodes: list, outputs: list, inputs: list | None = None, constants: Arrays | None = None
) -> onnx.GraphProto:
    initializers = [numpy_helper.from_array(array, name) for name, array in (constants or {}).items()]
    return helper.make_graph(nodes, "body", inputs or [], outputs, initializers)


class Model:
    """A model in a file, packed and compared."""

    def __init__(
        self,
        folder: Path,
        nodes: list,
        inputs: list,
        constants: Arrays | None = None,
        outputs: tuple[str, ...] = ("y",),
        functions: list | None = None,
    ) -> None:
        self.source, self.output = folder / "model.onnx", folder / "model.soniq"
        graph = body(nodes, [value(name) for name in outputs], inputs, constants)
        imports = [helper.make_opsetid("", 17)] + ([helper.make_opsetid("mine", 1)] if functions else [])
        onnx.save(
            helper.make_model(graph, opset_imports=imports, ir_version=8, functions=functions or []), self.source
        )

    def pack(self, *options: str) -> subprocess.CompletedProcess[str]:
        command = [os.environ["SONIQ_PACK"], "pack", self.source, "-o", self.output, *options]
        if "--palette" not in options:
            command += ["--palette", "f32"]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    def refusal(self, *options: str) -> str:
        result = self.pack(*options)
        assert result.returncode in (64, 65), (result.returncode, result.stderr)
        assert not self.output.exists()
        return result.stderr

    def load(self, *options: str) -> soniq.Model:
        result = self.pack(*options)
        assert result.returncode == 0, result.stderr
        return soniq.load(self.output)

    def expect(self, inputs: Arrays, *options: str, fixed: Arrays | None = None) -> None:
        model = self.load(*options)
        session = onnxruntime.InferenceSession(self.source, providers=["CPUExecutionProvider"])
        compare(model, session, inputs, fixed)


def compare(
    model: soniq.Model, session: onnxruntime.InferenceSession, inputs: Arrays, fixed: Arrays | None = None
) -> None:
    expected = session.run(None, {**inputs, **(fixed or {})})
    results = model(**inputs)
    for output, truth in zip(session.get_outputs(), expected, strict=True):
        ours = np.array(results[output.name]).reshape(truth.shape)
        np.testing.assert_allclose(ours, truth, rtol=1e-5, atol=1e-5)


def branches(then: list, other: list, result: str = "r", kind: int = FLOAT, **constants: np.ndarray) -> dict:
    return {
        "then_branch": body(then, [value(result, kind)], constants=constants),
        "else_branch": body(other, [value(result, kind)], constants=constants),
    }
