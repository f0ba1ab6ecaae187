"""GDNSQ against its formulas."""

from __future__ import annotations

import math

import pytest
import torch
from networks import residual

from soniq.qat import logits_symmetric_kl, prepare
from soniq.qat.gdnsq import GdnsqActivations, GdnsqWeights, WidthPenalty, aewgs_gradient, rounded, weighted_penalties


def test_weights() -> None:
    weight = torch.randn(4, 3, 3, 3)
    quantizer = GdnsqWeights(4, "ste")
    quantizer.calibrate(weight)
    rows = weight.flatten(1)
    span = rows.amax(1) - rows.amin(1)
    torch.testing.assert_close(quantizer.log_scale.detach(), torch.log2(span / 1023))
    torch.testing.assert_close(quantizer.widths(weight), torch.full((4,), 10.0), rtol=1e-5, atol=1e-5)
    quantizer.log_scale.data = torch.log2(span / 3)
    torch.testing.assert_close(quantizer.widths(weight), torch.full((4,), 2.0), rtol=1e-5, atol=1e-5)
    assert quantizer.actual_widths(weight).tolist() == [2.0] * 4
    scale, low = (span / 3)[:, None], rows.amin(1, keepdim=True)
    expected = scale * torch.round((rows - low) / scale) + low
    torch.testing.assert_close(quantizer(weight).flatten(1), expected)


def test_activations() -> None:
    quantizer = GdnsqActivations("ste")
    quantizer.calibrate(0.0, 6.0)
    assert not quantizer.lower.requires_grad and quantizer.width().item() == pytest.approx(10)
    quantizer.log_scale.data.fill_(math.log2(0.5))
    quantizer.log_range.data.fill_(1.0)
    x = torch.tensor([-1.0, 0.2, 0.3, 0.8, 1.3, 9.0])
    assert quantizer(x).tolist() == [0.0, 0.0, 0.5, 1.0, 1.5, 1.5]
    assert quantizer.width().item() == 2.0 and float(quantizer.actual_width()) == 2.0
    signed = GdnsqActivations("ste")
    signed.calibrate(-1.0, 2.0)
    assert signed.lower.item() == -1.0 and signed.lower.requires_grad


def gradients(estimator: str, x: torch.Tensor, scale: float) -> tuple[torch.Tensor, torch.Tensor]:
    value, step = x.clone().requires_grad_(), torch.tensor(scale, requires_grad=True)
    rounded(value, step, torch.tensor(0.0), estimator, (0,)).sum().backward()
    return value.grad, step.grad


def test_the_scale_gets_the_rounding_error_and_a_fair_coin() -> None:
    x = torch.rand(4001) * 8
    error = (torch.round(x / 0.5) - x / 0.5).sum()
    extras = torch.stack([gradients("ste", x, 0.5)[1] - error for _ in range(200)])
    # One coin an element: r / sqrt(3) has variance 1/12; the gradient of the noise is the scale, 0.5.
    variance = 4001 / 12 * 0.5**2
    assert float(extras.mean().abs()) < 4 * math.sqrt(variance / 200)
    assert float(extras.var()) == pytest.approx(variance, rel=0.4)
    assert gradients("ste", x, 0.5)[0].eq(1).all()
    x_gradient, scale_gradient = gradients("lsq", x, 0.5)
    assert x_gradient.eq(1).all() and float(scale_gradient) == pytest.approx(1.5 * float(error), rel=1e-3, abs=1e-2)


def test_gradient_estimators() -> None:
    x = torch.rand(50) * 8
    error = torch.round(x / 0.5) - x / 0.5
    torch.testing.assert_close(gradients("ewgs", x, 0.5)[0], 1 - 0.01 * error / 0.5 * 0.5, rtol=1e-5, atol=1e-5)
    gradient = torch.randn(3, 40)
    error = torch.rand(3, 40) - 0.5
    signed = gradient.sign() * error
    delta = signed.mean(1, keepdim=True) / error.var(1, unbiased=False, keepdim=True).clamp(min=1e-3)
    expected = gradient - gradient * torch.minimum(delta * gradient.sign() * error, torch.tensor(0.99))
    torch.testing.assert_close(aewgs_gradient(gradient, error, (1,)), expected)
    assert not torch.allclose(expected, gradient)


def test_penalties_weigh_violated_constraints() -> None:
    weights = torch.tensor([2.5, 1.0, 4.0]), torch.full((3,), 2.0)
    activations = torch.tensor([2.0, 1.5]), torch.full((2,), 2.0)
    of_weights = (0.501 + 0 + 2.001) / 3
    of_activations = (0.001 + 0) / 2
    expected = (2.001 / 3.001) * of_weights + (1.001 / 3.001) * of_activations
    assert float(weighted_penalties(weights, activations)) == pytest.approx(expected, rel=1e-5)


def test_the_penalty_scales_itself_and_grows() -> None:
    pairs = (torch.tensor([4.0]), torch.tensor([2.0])), (torch.tensor([1.0]), torch.tensor([2.0]))
    penalty, inner = WidthPenalty(), float(weighted_penalties(*pairs))
    assert float(penalty(torch.tensor(3.0), *pairs)) == 0.0
    for _ in range(5):
        penalty.advance(0.01)
    assert float(penalty.strength) == pytest.approx(0.1)
    assert float(penalty(torch.tensor(1.0), *pairs)) == pytest.approx(2.0 * 0.1 * inner, rel=1e-5)
    lossless = WidthPenalty(lossless=True)
    loss = torch.tensor(3.0)
    assert float(loss + lossless(loss, *pairs)) == pytest.approx(3.0 * inner, rel=1e-5)


def test_distillation_is_symmetric() -> None:
    left, right = torch.randn(6, 9), torch.randn(6, 9)
    p, q = left.softmax(-1), right.softmax(-1)
    expected = ((p * (p / q).log()).sum(-1) + (q * (q / p).log()).sum(-1)).mean()
    assert float(logits_symmetric_kl(left, right)) == pytest.approx(float(expected), rel=1e-4)
    assert float(logits_symmetric_kl(left, left)) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("estimator", ["ste", "aewgs"])
def test_widths_fall_to_the_target_and_are_fixed(estimator: str) -> None:
    network, images = residual()
    choices = {"method": "gdnsq", "palette": [(4, 4)], "estimator": estimator}
    quantization = prepare(network, [images], steps=500, search_part=0.9, **choices)
    optimizer = torch.optim.RAdam(quantization.parameter_groups(2e-3, precision_rate=0.06))
    labels = torch.arange(16) % 5
    quantization.train()
    start = quantization.average_bits()
    for _ in range(450):
        loss = torch.nn.functional.cross_entropy(quantization(images), labels, label_smoothing=0.2)
        (loss + quantization.regularizer(loss)).backward()
        optimizer.step()
        optimizer.zero_grad()
        quantization.step_schedule(optimizer)
        if quantization.is_frozen:
            break
    assert start > 9 and bool(quantization.is_converged)
    rate = optimizer.param_groups[0]["lr"]
    quantization.step_schedule(optimizer)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(rate * 0.9985)
    for name in ("body.0", "body.3", "wide"):
        layer = quantization.layers()[name]
        assert layer.weight_codes().max() <= 15 and layer.codes(torch.randn(1, 32, 4, 4))[0].max() <= 15
