"""The operators of the ONNX domain "soniq" in numpy, written from docs/training.md alone."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from onnx.reference.op_run import OpRun

BIPOLAR = 1


def weight_integers(codes, levels, attributes):
    integers = np.zeros(codes.shape)
    for level, (code, bits, zero) in enumerate(
        zip(attributes["weight_code"], attributes["weight_bits"], attributes["weight_zero"], strict=True)
    ):
        chosen = codes[:, levels == level].astype(np.float64)
        assert chosen.size == 0 or chosen.max() < 2**bits
        integers[:, levels == level] = 2 * chosen - (2**bits - 1) if code == BIPOLAR else chosen - zero
    return integers


def fixed_integers(x, code, bits, scale, zero):
    """x any shape"""
    top, x = 2**bits - 1, x.astype(np.float64)
    if code == BIPOLAR:
        inverse = float(np.float32(0.5) / np.float32(scale))
        place = (x * inverse + 2 ** (bits - 1)).astype(np.float32)
        return 2 * np.floor(np.clip(place, 0, top)) - top
    inverse = np.float32(1) / np.float32(scale)
    return np.rint(np.clip(x.astype(np.float32) * inverse, -zero, top - zero)).astype(np.float64)


def row_scale(rows, code, bits):
    """Scales and zeros of the rows of [..., channels]."""
    top = np.float32(2**bits - 1)
    if code == BIPOLAR:
        step = np.abs(rows).mean(-1) if bits == 1 else np.abs(rows).max(-1) / top
        return np.where(step > 0, step, 1), np.zeros(step.shape)
    low, high = np.minimum(rows.min(-1), 0), np.maximum(rows.max(-1), 0)
    scale = np.where(high > low, (high - low) / top, 1)
    return scale, np.rint(-low / scale)


def layer(x, axis, product, codes, levels, scales, offsets, bias, attributes):
    """Sum over levels of scale * activation scale * integer product, with offsets and bias."""
    integers = weight_integers(codes, levels, attributes)
    output = 0.0
    for level, scale in enumerate(scales.astype(np.float64)):
        chosen = np.flatnonzero(levels == level)
        if not len(chosen):
            continue
        part = np.take(x, chosen, axis) if len(levels) == x.shape[axis] else x
        code, bits = attributes["activation_code"][level], attributes["activation_bits"][level]
        if attributes["activation_fixed"]:
            step = attributes["activation_scale"][level]
            values = fixed_integers(part, code, bits, step, attributes["activation_zero"][level]) * step
        else:
            steps, zeros = row_scale(part, code, bits)
            values = np.stack([
                fixed_integers(row, code, bits, step, zero) * step
                for row, step, zero in zip(part.reshape(-1, len(chosen)), steps.ravel(), zeros.ravel(), strict=True)
            ]).reshape(part.shape)  # fmt: skip
        column = (slice(None), *(None,) * (codes.ndim - 1))
        weight = integers[:, chosen] * scale[column]
        if offsets is not None:
            weight = weight + offsets[level].astype(np.float64)[column]
        output = output + product(values, weight)
    if bias is not None:
        output = output + bias.reshape(-1, *(1,) * (-1 - axis))
    return output.astype(np.float32)


class QuantLinear(OpRun):
    op_domain = "soniq"

    def _run(self, x, codes, levels, scales, offsets=None, bias=None, **attributes):
        return (layer(x, -1, lambda v, w: v @ w.T, codes, levels, scales, offsets, bias, attributes),)


class QuantConv(OpRun):
    op_domain = "soniq"

    def _run(self, x, codes, levels, scales, offsets=None, bias=None, **attributes):
        def product(values, weight):
            return convolution(values, weight, attributes)

        axis = -1 - len(attributes["kernel_shape"])
        return (layer(x, axis, product, codes, levels, scales, offsets, bias, attributes),)


class QuantEmbedding(OpRun):
    op_domain = "soniq"

    def _run(self, ids, codes, scales, **attributes):
        code, bits, zero = (attributes[f"weight_{name}"][0] for name in ("code", "bits", "zero"))
        integers = 2.0 * codes - (2**bits - 1) if code == BIPOLAR else codes.astype(np.float64) - zero
        return ((integers * scales.astype(np.float64)[:, None])[ids].astype(np.float32),)


def convolution(values, weight, attributes):
    """Direct, with zeros around; [batch, channels, ...] and [outputs, channels / group, ...]."""
    dimensions = weight.ndim - 2
    pads, strides, dilations = attributes["pads"], attributes["strides"], attributes["dilations"]
    padding = [(0, 0), (0, 0)] + [(pads[axis], pads[axis + dimensions]) for axis in range(dimensions)]
    padded = np.pad(values, padding)
    extents = [dilation * (size - 1) + 1 for dilation, size in zip(dilations, weight.shape[2:], strict=True)]
    windows = sliding_window_view(padded, extents, axis=tuple(range(2, 2 + dimensions)))
    steps = [slice(None, None, stride) for stride in strides]
    taps = [slice(None, None, dilation) for dilation in dilations]
    windows = windows[(slice(None), slice(None), *steps, *taps)]
    groups = attributes["group"]
    parts = []
    for inputs, part in zip(np.split(windows, groups, 1), np.split(weight, groups, 0), strict=True):
        axes = [1, *range(2 + dimensions, 2 + 2 * dimensions)]
        parts.append(np.moveaxis(np.tensordot(inputs, part, (axes, [1, *range(2, 2 + dimensions)])), -1, 1))
    return np.concatenate(parts, 1)
