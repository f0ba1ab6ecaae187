"""Inputs for an ONNX file that nobody described: sizes for what it leaves open, numbers of the kind it reads."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx

# Sizes of what a file leaves open, by the place of the dimension.
BATCH, LENGTH, SIDE = 1, 64, 320
TYPES = {onnx.TensorProto.FLOAT: np.float32, onnx.TensorProto.FLOAT16: np.float16, onnx.TensorProto.INT64: np.int64,
         onnx.TensorProto.INT32: np.int32, onnx.TensorProto.UINT8: np.uint8, onnx.TensorProto.INT8: np.int8,
         onnx.TensorProto.BOOL: np.bool_, onnx.TensorProto.DOUBLE: np.float64}  # fmt: skip
# What passes indices on to the table that they choose from.
PASSING = {"Cast", "Unsqueeze", "Squeeze", "Reshape", "Slice", "Flatten", "Transpose", "Identity", "Concat", "Clip",
           "Split", "Gather", "Abs", "Relu"}  # fmt: skip
# Numbers for integers that choose from no table.
FEW = 2


class SampleError(Exception):
    """No inputs can be made for this file."""


def make(
    model: onnx.ModelProto, hints: dict[str, Any], count: int, seed: int, first: int = BATCH
) -> list[dict[str, np.ndarray]]:
    """`count` different runs: what each input is given in each. `first` is the size of first dimensions that the file
    leaves open and does not call a batch. Raises SampleError."""
    known = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in known]
    for value in inputs:
        if value.type.tensor_type.elem_type not in TYPES:
            raise SampleError(f"{value.name}: no samples for {onnx.helper.printable_type(value.type)}")
    sizes: dict[str, int] = {}
    shapes = {value.name: shape(value, hints, sizes, first) for value in inputs}
    limits = {value.name: limit(model, value.name) for value in inputs}
    random = np.random.default_rng(seed)
    return [{value.name: array(value, shapes[value.name], limits[value.name], hints, random) for value in inputs}
            for _ in range(count)]


def shape(value: onnx.ValueInfoProto, hints: dict[str, Any], sizes: dict[str, int], first: int = BATCH) -> list[int]:
    """The shape of an input; one name of a size is one size in all inputs, as the first hint has it."""
    stated = hints.get("shapes", {}).get(value.name)
    dimensions = value.type.tensor_type.shape.dim
    if stated is not None and len(stated) != len(dimensions):
        raise SampleError(f"{value.name}: the list has {len(stated)} sizes, the file {len(dimensions)}")
    result = []
    for axis, dimension in enumerate(dimensions):
        size = dimension.dim_value if dimension.dim_value > 0 or not stated else stated[axis] or 0
        if size <= 0:
            is_image = len(dimensions) == 4 and axis >= 2
            size = first if axis == 0 else SIDE if is_image else LENGTH
            if dimension.dim_param:
                size = sizes.get(dimension.dim_param, BATCH if "batch" in dimension.dim_param.lower() else size)
        if dimension.dim_param:
            sizes.setdefault(dimension.dim_param, size)
        result.append(size)
    return result


def limit(model: onnx.ModelProto, name: str) -> int | None:
    """The rows of the smallest table that numbers of this input choose from; None where there is none."""
    rows = {tensor.name: tensor.dims[0] for tensor in model.graph.initializer if tensor.dims}
    for node in model.graph.node:
        if node.op_type == "Constant" and node.attribute and node.attribute[0].t.dims:
            rows[node.output[0]] = node.attribute[0].t.dims[0]
    reached, least = {name}, None
    for node in model.graph.node:
        if node.op_type == "Gather" and node.input[1] in reached and node.input[0] in rows:
            least = min(least or rows[node.input[0]], rows[node.input[0]])
        elif node.op_type in PASSING and node.input and node.input[0] in reached:
            reached.update(node.output)
    return least


def array(
    value: onnx.ValueInfoProto, shape: list[int], rows: int | None, hints: dict[str, Any], random: np.random.Generator
) -> np.ndarray:
    """One input of one run."""
    kind = TYPES[value.type.tensor_type.elem_type]
    fixed = {**hints.get("fixed", {}), **hints.get("values", {})}
    if value.name in fixed:
        return np.broadcast_to(np.asarray(fixed[value.name], kind), shape).copy()
    stated = hints.get("ranges", {}).get(value.name)
    if stated and np.issubdtype(kind, np.floating):
        return random.uniform(stated[0], stated[1], shape).astype(kind)
    if rows is not None or np.issubdtype(kind, np.integer) or kind is np.bool_:
        low, high = stated or (0, 256 if kind is np.uint8 else rows or FEW)
        return random.integers(low, high, shape).astype(kind)
    if value.name in hints.get("text", []):
        return text(shape, random).astype(kind)
    if len(shape) == 4:
        return image(shape, random).astype(kind)
    if len(shape) <= 2 and shape and shape[-1] >= 256:
        return sound(shape, random).astype(kind)
    return random.standard_normal(shape).astype(kind)


def image(shape: list[int], random: np.random.Generator) -> np.ndarray:
    """Smooth shapes with edges and some noise, about -1 to 1: what networks for pictures were made for."""
    axes = [np.linspace(0, 1, size).reshape([-1 if axis == place else 1 for place in range(4)])
            for axis, size in enumerate(shape)]
    result = np.zeros(shape)
    for _ in range(6):
        phase = sum(axis * random.uniform(-12, 12) for axis in axes) + random.uniform(0, 6.3)
        wave = np.sin(phase)
        result += random.uniform(0.1, 0.5) * (np.sign(wave) if random.random() < 0.5 else wave)
    return np.clip(result + 0.05 * random.standard_normal(shape), -1.5, 1.5)


def text(shape: list[int], random: np.random.Generator) -> np.ndarray:
    """Dark words of random letters on light paper, [batch, channels, height, width], -1 to 1: for readers of text."""
    from PIL import Image, ImageDraw, ImageFont

    height, width = shape[2:]
    pages = np.empty(shape)
    for page in pages:
        picture = Image.new("L", (width, height), int(random.integers(200, 256)))
        draw = ImageDraw.Draw(picture)
        size = height * 2 // 3 if height < 100 else int(random.integers(18, 40))
        top = 2 if height < 100 else int(random.integers(4, size))
        while top + size < height:
            letters = "".join(chr(random.integers(97, 123)) for _ in range(max(2, int(1.3 * width / size))))
            words = letters[: len(letters) // 2] + " " + letters[len(letters) // 2:]
            ink = int(random.integers(0, 80))
            draw.text((int(random.integers(2, 20)), top), words, fill=ink, font=ImageFont.load_default(size))
            top += size + int(random.integers(4, 2 * size))
        page[:] = np.asarray(picture, np.float64) / 127.5 - 1 + 0.03 * random.standard_normal((height, width))
    return pages


def sound(shape: list[int], random: np.random.Generator) -> np.ndarray:
    """A few tones that swell and fade over noise, about -.3 to .3."""
    time = np.arange(shape[-1]) / 16000
    result = 0.02 * random.standard_normal(shape)
    for _ in range(4):
        tone = np.sin(2 * np.pi * random.uniform(80, 3000) * time + random.uniform(0, 6.3))
        result += random.uniform(0.02, 0.1) * tone * (0.6 + 0.4 * np.sin(2 * np.pi * random.uniform(1, 6) * time))
    return result
