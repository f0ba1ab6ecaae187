"""Functions of one float, softmax and norms as the kernels compute them: see docs/numerics.md, "Functions"."""

from __future__ import annotations

import torch
from torch import Tensor

from .arithmetic import lane_sum
from .rounding import fma, lane_fma_sum, polynomial, with_exponent

EXPONENTIAL = (0.0013814538, 0.008368745, 0.041668393, 0.16666521, 0.49999994, 1.0, 1.0)
ERROR_FUNCTION = (
    -0.00045064036, 0.0013621555, -0.0016197104, 0.0021121337, -0.004827043, 0.008839691, -0.013090527, 0.018425444,
    -0.02496542, 0.03204526, -0.039771218, 0.049645193, -0.067126594, 0.13465935,
)  # fmt: skip
TANGENT = (-0.005666875, 0.020606091, -0.053729985, 0.13331331, -0.33333278)
LOGARITHM = (
    0.070376836, -0.1151461, 0.116769984, -0.12420141, 0.14249323, -0.16668058, 0.20000715, -0.24999994, 0.33333331,
)  # fmt: skip
SUM_LANES = 8


def exponential_of_kernels(x: Tensor) -> Tensor:
    """exp(x), 0 below -87.33"""
    limited = torch.where(x > 88.37, 88.37, x)
    n = torch.round(limited * 1.442695)
    r = fma(n, 2.1219444e-4, fma(n, -0.693359375, limited))
    result = with_exponent(polynomial(r, EXPONENTIAL), n.nan_to_num())
    return torch.where(x < -87.33, 0.0, result)


def exponential(x: Tensor) -> Tensor:
    half = exponential_of_kernels(x * 0.5)
    return half * half


def half_error_function(x: Tensor) -> Tensor:
    """erf(x / sqrt 2) / 2"""
    square = x * x
    s = fma(torch.where(square < 27.5625, square, 27.5625), 0.07256236, -1.0)
    return (x * polynomial(s, ERROR_FUNCTION)).clamp(-0.5, 0.5)


def gelu(x: Tensor) -> Tensor:
    return x * (half_error_function(x) + 0.5)


def gelu_tanh(x: Tensor) -> Tensor:
    return x / (1 + exponential_of_kernels(x * fma(x * x, -0.071354814, -1.5957691)))


def sigmoid(x: Tensor) -> Tensor:
    return 1 / (1 + exponential_of_kernels(0 - x))


def silu(x: Tensor) -> Tensor:
    return x / (1 + exponential_of_kernels(0 - x))


def tanh(x: Tensor) -> Tensor:
    square = x * x
    small = fma(polynomial(square, TANGENT) * square, x, x)
    e = exponential_of_kernels(x.abs() * -2)
    large = torch.copysign((1 - e) / (1 + e), x)
    return torch.where(x.abs() < 0.625, small, large)


def error_function(x: Tensor) -> Tensor:
    return 2 * half_error_function(x * 1.4142136)


def logarithm(x: Tensor) -> Tensor:
    """Natural, of positive normal numbers."""
    bits = x.view(torch.int32)
    n = (bits - 0x3F3504F3) >> 23
    f = (bits - (n << 23)).view(torch.float32) - 1
    q = f * f
    y = fma(n.float(), -2.1219444e-4, polynomial(f, LOGARITHM) * f * q)
    return fma(n.float(), 0.693359375, f + fma(-0.5, q, y))


def softplus(x: Tensor) -> Tensor:
    t = exponential_of_kernels(-x.abs())
    u = 1 + t
    return x.clamp(min=0) + (logarithm(u) + (t - (u - 1)) / u)


def mish(x: Tensor) -> Tensor:
    e = exponential_of_kernels(x.clamp(max=20))
    n = e * (e + 2)
    return x * (n / (n + 2))


def hard_swish(x: Tensor) -> Tensor:
    return x * fma(x, 1 / 6, 0.5).clamp(0, 1)


def elu(x: Tensor, alpha: float = 1.0) -> Tensor:
    t = tanh(x * 0.5)
    return torch.where(x < 0, alpha * (2 * t / (1 - t)), x)


def square_root(x: Tensor) -> Tensor:
    """Rounded right, which that of a library of vectors may not be in its last bit."""
    return x.double().sqrt().float()


def inverse_square_root(x: Tensor) -> Tensor:
    return 1 / square_root(x)


def softmax(x: Tensor) -> Tensor:
    """Over the last axis: eight lanes, added from the first to the last."""
    e = exponential(x - x.amax(-1, keepdim=True))
    lanes = _eight_lanes(e)
    total = lanes[..., :1]
    for lane in range(1, SUM_LANES):
        total = total + lanes[..., lane : lane + 1]
    return e / total


def softmax_in_order(x: Tensor, axis: int) -> Tensor:
    """Over another axis: elements in their order."""
    e = exponential(x - x.amax(axis, keepdim=True))
    total = torch.zeros_like(e.select(axis, 0))
    for part in e.unbind(axis):
        total = total + part
    return e / total.unsqueeze(axis)


def layer_norm(x: Tensor, weight: Tensor, bias: Tensor | None, epsilon: float) -> Tensor:
    """Over the last axis."""
    channels = x.shape[-1]
    centred = x - lane_sum(x) / channels
    variance = lane_fma_sum(centred, centred) / channels
    inverse = inverse_square_root(variance + torch.tensor(epsilon, dtype=torch.float32))
    return fma(centred * inverse, weight, 0.0 if bias is None else bias)


def mean_of_squares(x: Tensor) -> Tensor:
    """Over the last axis, [..., 1]."""
    return lane_fma_sum(x, x) / x.shape[-1]


def rms_norm(x: Tensor, weight: Tensor | None, epsilon: float) -> Tensor:
    """Over the last axis."""
    inverse = inverse_square_root(mean_of_squares(x) + torch.tensor(epsilon, dtype=torch.float32))
    return x * inverse if weight is None else x * inverse * weight


def unit_rows(x: Tensor, epsilon: float) -> Tensor:
    """Rows of length 1 along the last axis."""
    return x / square_root(lane_fma_sum(x, x)).clamp(min=epsilon)


def eight_lane_sum(x: Tensor) -> Tensor:
    """Over the last axis, [..., 1]: lanes i and i + 4, i + 2, i + 1 are combined."""
    lanes = _eight_lanes(x)
    for half in (4, 2, 1):
        lanes = lanes[..., :half] + lanes[..., half:]
    return lanes


def _eight_lanes(x: Tensor) -> Tensor:
    blocks = torch.nn.functional.pad(x, (0, -x.shape[-1] % SUM_LANES)).unflatten(-1, (-1, SUM_LANES))
    lanes = blocks[..., 0, :]
    for block in range(1, blocks.shape[-2]):
        lanes = lanes + blocks[..., block, :]
    return lanes
