"""The model of the INT8 baselines: static QDQ, per channel, made by ONNX Runtime's own tool from random images."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import onnx

CALIBRATION_IMAGES = 16


def random_images(model: onnx.ModelProto, count: int, seed: int) -> np.ndarray:
    """Normally distributed pixels, float32 [count, channels, height, width]."""
    dimensions = model.graph.input[0].type.tensor_type.shape.dim
    shape = (count, *(dimension.dim_value for dimension in dimensions[1:]))
    return np.random.default_rng(seed).standard_normal(shape, np.float32)


def calibration_file(model: Path) -> Path:
    """The images that every engine is calibrated on, as soniq-pack reads them: an .npz with the array "image"."""
    path = model.with_suffix(".npz")
    if not path.exists():
        images = random_images(onnx.load(model, load_external_data=False), CALIBRATION_IMAGES, seed=2)
        unfinished = path.with_suffix(".unfinished.npz")
        np.savez(unfinished, image=images)
        unfinished.replace(path)
    return path


def quantize(model: Path) -> Path:
    """Writes MODEL-int8.onnx beside the model unless it is there; returns its path."""
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    path = model.with_name(f"{model.stem}-int8.onnx")
    if path.exists():
        return path
    with np.load(calibration_file(model)) as archive:
        images = archive["image"]

    class Images(CalibrationDataReader):
        def __init__(self) -> None:
            self._left = iter(images)

        def get_next(self) -> dict[str, np.ndarray] | None:
            image = next(self._left, None)
            return None if image is None else {"image": image[None]}

    # It asks for a preparation of the model whose work, folding batch norm and inferring shapes, is done already.
    logging.getLogger().setLevel(logging.ERROR)
    unfinished = path.with_suffix(".unfinished")
    quantize_static(
        model, unfinished, Images(), quant_format=QuantFormat.QDQ, per_channel=True,
        activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
    )
    unfinished.replace(path)
    return path
