"""Small ONNX graphs made in tests, packed, and compared with ONNX Runtime."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import onnx
from exact_session import exact_session
from onnx import TensorProto, helper, numpy_helper

import soniq

FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64
Nodes = Sequence[onnx.NodeProto]
Arrays = dict[str, np.ndarray]
# At the end of a shape: whole numbers.
IDS = -1


def node(kind: str, inputs: str, outputs: str, **attributes: object) -> onnx.NodeProto:
    return helper.make_node(kind, inputs.split(), outputs.split(), name=f"the_{outputs.split()[0]}", **attributes)


class Packed:
    """A model in a folder of its own, and what the packer makes of it."""

    def __init__(self, folder: Path, nodes: Nodes, inputs: dict[str, list], constants: Arrays | None = None) -> None:
        self.source = folder / "model.onnx"
        self.output = folder / "model.soniq"
        described = [
            helper.make_tensor_value_info(name, INT64, shape[:-1])
            if shape[-1] == IDS
            else helper.make_tensor_value_info(name, FLOAT, shape)
            for name, shape in inputs.items()
        ]
        graph = helper.make_graph(
            list(nodes), "graph", described, [helper.make_tensor_value_info("y", FLOAT, None)],
            [numpy_helper.from_array(array, name) for name, array in (constants or {}).items()],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        onnx.save(model, self.source)

    def pack(self, *options: str, calibration: Arrays | None = None) -> subprocess.CompletedProcess[str]:
        palette = "f32" if calibration is None else "8"
        if calibration is not None:
            samples = self.source.with_name("samples.npz")
            np.savez(samples, **calibration)
            options = (*options, "--calibrate", str(samples))
        command = [os.environ["SONIQ_PACK"], "pack", self.source, "-o", self.output, "--palette", palette, *options]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    def refusal(self, *options: str) -> str:
        result = self.pack(*options)
        assert result.returncode in (64, 65), result.stderr
        return result.stderr

    def run(self, inputs: Arrays) -> np.ndarray:
        return np.array(next(iter(soniq.load(self.output)(**inputs).values())))

    def expect(self, inputs: Arrays, tolerance: float = 1e-5, *options: str, calibration: Arrays | None = None) -> None:
        result = self.pack(*options, calibration=calibration)
        assert result.returncode == 0, result.stderr
        session = exact_session(self.source)
        expected = session.run(None, inputs)[0]
        np.testing.assert_allclose(
            self.run(inputs), expected, rtol=tolerance, atol=tolerance * max(1.0, float(np.abs(expected).max()))
        )


Make = Callable[..., Packed]


def real(random: np.random.Generator, *shape: int) -> np.ndarray:
    return random.standard_normal(shape).astype(np.float32)
