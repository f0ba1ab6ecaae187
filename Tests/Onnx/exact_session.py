"""ONNX Runtime as a reference for 8-bit arithmetic."""

from __future__ import annotations

from pathlib import Path

import onnxruntime


def exact_session(source: Path | str) -> onnxruntime.InferenceSession:
    """One that does not saturate: on x86-64 without VNNI sums of two products of bytes are cut off at 16 bits."""
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.x64quantprecision", "1")
    try:
        return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    except onnxruntime.capi.onnxruntime_pybind11_state.NotImplemented:  # of signed activations there is only one kind
        return onnxruntime.InferenceSession(source, providers=["CPUExecutionProvider"])
