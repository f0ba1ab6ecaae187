"""SONIQ: the noise, the penalty, the allocation of channels, and both phases on a small problem."""

from __future__ import annotations

import json
import math

import pytest
import torch
from networks import residual

from soniq.qat import BudgetError, KernelCosts, Precision, Quantization, prepare
from soniq.qat.allocation import Budget, Candidate, allocate
from soniq.qat.costs import Shape, stored_bits
from soniq.qat.noise import POOL, bits_of, logit_of, noisy, uniform_like
from soniq.qat.precision_search import noisy_weight

LEVELS = (Precision(1, 1, "bipolar", "affine"), Precision(4, 4, "bipolar", "affine"))


def test_bits_follow_the_published_formula() -> None:
    s = torch.tensor([50.0, 0.0, -1.0986, -1.9459, -4.8442])
    torch.testing.assert_close(bits_of(s), torch.tensor([1.0, 2, 3, 4, 8]), rtol=1e-4, atol=1e-4)
    for bits in (1.5, 2.0, 3.25, 7.0):
        s = torch.tensor(logit_of(bits))
        assert float(bits_of(s)) == pytest.approx(bits, rel=1e-5)
        assert float(1 - torch.log2(torch.sigmoid(s))) == pytest.approx(bits, rel=1e-5)


def test_noise_has_the_amplitude_and_the_clip_of_the_precision() -> None:
    for bits in (1.0, 2.5, 4.0):
        sigma = 2.0 ** (1 - bits)
        limit = torch.tensor(2 - sigma)
        x = torch.full((20000,), 9.0)
        values = noisy(x, torch.tensor(sigma), -limit, limit)
        noise = values - limit
        assert noise.abs().max() <= sigma * 1.0001 and noise.abs().max() > 0.98 * sigma
        assert float(noise.var()) == pytest.approx(sigma**2 / 3, rel=0.05)


@pytest.mark.parametrize("shape", [(64, 9), (3, 16, 32, 32), (200, 16, 32, 32), (2, POOL), (1, 1), (0, 5)])
def test_noise_is_uniform_and_drawn_anew(shape: tuple[int, ...]) -> None:
    torch.manual_seed(7)
    x = torch.zeros(shape)
    if x.ndim == 4:
        x = x.contiguous(memory_format=torch.channels_last)
    first, second = uniform_like(x), uniform_like(x)
    torch.manual_seed(7)
    assert torch.equal(uniform_like(x), first) and torch.equal(uniform_like(x), second)
    assert first.shape == x.shape and first.dtype == x.dtype
    if x.numel() < 100:
        return
    spread = 5 / math.sqrt(x.numel())
    assert float(first.abs().max()) < 1 and float(first.abs().max()) > 0.98
    assert float(first.mean()) == pytest.approx(0, abs=spread)
    assert float(first.square().mean()) == pytest.approx(1 / 3, abs=spread)
    assert float((first * second).mean()) == pytest.approx(0, abs=spread)
    assert float((first[:-1] * first[1:]).mean()) == pytest.approx(0, abs=spread)
    shares = torch.histc(first, 10, -1, 1) / x.numel()
    assert float((shares - 0.1).abs().max()) < spread


def test_gradients_of_noise_are_those_of_clipping_and_adding() -> None:
    x = (3 * torch.randn(8, 4, 6, 6)).double()
    low, high = torch.tensor(-1.5).expand(4, 1, 1).double(), (torch.rand(4, 1, 1) + 1).double()
    half_step = torch.rand(4, 1, 1).double()
    gradient = torch.randn_like(x)
    leaves = [value.clone().requires_grad_() for value in (x, half_step, low, high)]
    torch.manual_seed(3)
    values = noisy(*leaves)
    values.backward(gradient)
    noise = (values.detach() - x.clamp(low, high)) / half_step
    plain = [value.clone().requires_grad_() for value in (x, half_step, low, high)]
    (torch.minimum(torch.maximum(plain[0], plain[2]), plain[3]) + plain[1] * noise).backward(gradient)
    for leaf, other in zip(leaves, plain, strict=True):
        torch.testing.assert_close(leaf.grad, other.grad, rtol=1e-5, atol=1e-5)


def test_scales_of_one_amplitude_give_the_published_noise() -> None:
    """Real values of one integer a * 2^(1 - p): half a step is a * sigma(s), the clip a * (2 - sigma(s))."""
    amplitude, channels = 0.7, 4000
    scales = torch.tensor([[amplitude], [amplitude / 8]])[:, :, None]
    for bits in (1.0, 2.0, 3.0, 4.0):
        fraction = torch.full((channels,), (bits - 1) / 3)
        values = noisy_weight(torch.full((1, channels), 9.0), scales, LEVELS, fraction)
        sigma = 2.0 ** (1 - bits)
        middle = amplitude * (2 - sigma)
        assert float(values.mean()) == pytest.approx(middle, rel=0.03)
        assert float((values - middle).abs().max()) == pytest.approx(amplitude * sigma, rel=0.02)


def test_stored_bits_count_padding_scales_sums_and_maps() -> None:
    shape = Shape(48, 32, taps=9)
    assert stored_bits(shape, LEVELS, (0, 48)) == 32 * (48 * 9 * 4 + 64)
    assert stored_bits(shape, LEVELS, (48, 0)) == 32 * (64 * 9 * 1 + 64)
    assert stored_bits(shape, LEVELS, (40, 8)) == 32 * (64 * 9 + 8 * 9 * 4 + 128) + 32 * 48
    assert stored_bits(Shape(48, 20), LEVELS, (0, 48)) == 32 * (48 * 4 + 64)


def test_the_channels_that_ask_most_are_promoted_within_the_budget() -> None:
    wishes, shape = torch.rand(64), Shape(64, 32, taps=9)
    eager, modest = Candidate("eager", shape, LEVELS, wishes), Candidate("modest", shape, LEVELS, wishes * 0.1)
    budget = 2.5 * 2 * shape.weights
    chosen = allocate([eager, modest], Budget(budget), stored_bits)
    counts = {name: int(levels.sum()) for name, levels in chosen.items()}
    assert counts["eager"] > counts["modest"]
    promoted = chosen["eager"].bool()
    assert wishes[promoted].min() >= wishes[~promoted].max()
    spent = sum(stored_bits(shape, LEVELS, (64 - count, count)) for count in counts.values())
    assert budget * 0.85 < spent <= budget


def profile(cost: dict[tuple[int, int], int]) -> str:
    costs = [
        {"kernel": f"k{weight}{activation}", "weightBits": weight, "activationBits": activation, "picoseconds": [c] * 6}
        for (weight, activation), c in cost.items()
    ]
    return json.dumps({"version": 1, "machine": "m", "sizes": [[64, 64]], "costs": costs})


def test_milliseconds_come_from_the_kernel_profile() -> None:
    costs = KernelCosts(profile({(1, 1): 2000, (4, 4): 9000, (4, 8): 8000}))
    shape = Shape(64, 32, taps=9, rows=50)
    thousands = 50 * 32 * 9 * 32 / 1000
    assert costs.milliseconds(shape, LEVELS, (32, 32)) == pytest.approx(thousands * (2000 + 8000) * 1e-9)
    with pytest.raises(BudgetError, match="no kernel for w2a2"):
        costs.milliseconds(shape, (Precision(2, 2),), (64,))
    for text in ("{", "[]", '{"version": 2}', '{"version": 1, "sizes": [], "costs": []}'):
        with pytest.raises(BudgetError, match="calibrate-cost"):
            KernelCosts(text)


def test_a_target_in_milliseconds(tmp_path) -> None:
    path = tmp_path / "profile.json"
    path.write_text(profile({(1, 1): 1000, (4, 4): 8000, (8, 8): 9000}))
    network, images = residual()
    everything_fine = _milliseconds(prepare(network, [images], palette=[(4, 4)]), path)
    target = 0.6 * everything_fine
    quantization = prepare(network, [images], target_latency_ms=target, kernel_profile=path)
    quantization.freeze()
    assert 0.4 * everything_fine < _milliseconds(quantization, path) <= target
    with pytest.raises(BudgetError, match="ms cannot be met"):
        prepare(network, [images], target_latency_ms=target / 100, kernel_profile=path)


def _milliseconds(quantization: Quantization, path) -> float:
    costs = KernelCosts.read(path)
    layers = quantization.layers().items()
    return sum(costs.milliseconds(quantization.shapes[name], layer.levels, layer.run_lengths) for name, layer in layers)


def train(quantization: Quantization, images, labels, steps: int, rate: float = 3e-3) -> float:
    optimizer = torch.optim.Adam(quantization.parameter_groups(rate))
    quantization.train()
    for _ in range(steps):
        loss = torch.nn.functional.cross_entropy(quantization(images), labels)
        (loss + quantization.regularizer(loss)).backward()
        optimizer.step()
        optimizer.zero_grad()
        quantization.step_schedule()
    return float(loss.detach())


def test_both_phases_learn_within_the_budget() -> None:
    network, images = residual()
    labels = torch.arange(16) % 5
    quantization = prepare(network, [images], target_bits=4.5, steps=120)
    assert not quantization.is_frozen
    before = quantization.average_bits()
    train(quantization, images, labels, 47)
    assert not quantization.is_frozen and quantization.average_bits() < before
    loss = train(quantization, images, labels, 73)
    assert quantization.is_frozen and quantization.average_bits() <= 4.5
    assert loss < 0.8 < math.log(5)
    bits = {bits for name, row in quantization.precision_map().items() if name == "wide" for bits in row}
    assert bits <= {1, 4}


def test_noise_of_channels_that_hurt_makes_them_finer() -> None:
    """The inputs of half of the channels decide the output, the others are noise of the same size."""
    torch.manual_seed(5)
    model = torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.Linear(64, 32), torch.nn.Linear(32, 32))
    with torch.no_grad():
        model[0].weight.copy_(torch.eye(64))
        model[2].weight.copy_(torch.eye(32))
        model[1].weight[:, 32:] *= 0.02
    x = torch.randn(256, 64)
    choices = {"static_linear": True, "skip": ["0", "2"], "end_bits": None}
    quantization = prepare(model.eval(), [x], target_bits=4, steps=400, **choices)
    target = model(x).detach()
    optimizer = torch.optim.Adam([quantization.layers()["1"].precision], lr=0.05)
    for _ in range(150):
        loss = (quantization(x) - target).square().mean()
        (loss + quantization.regularizer(loss)).backward()
        optimizer.step()
        optimizer.zero_grad()
    bits = bits_of(quantization.layers()["1"].precision.detach())
    assert bits[:32].mean() > bits[32:].mean() + 0.3


@pytest.mark.parametrize("taps", [(), (3, 2)])
def test_gradients_of_noisy_weights_are_those_of_clipping_and_adding(taps: tuple[int, ...]) -> None:
    ones = (1,) * len(taps)
    weight = torch.randn(6, 40, *taps).double() * 2
    scales = torch.rand(2, 6, 1, *ones).double() * torch.tensor([0.8, 0.2]).view(2, 1, 1, *ones) + 0.05
    fraction = torch.rand(40, *ones).double()
    gradient = torch.randn_like(weight)
    leaves = [value.clone().requires_grad_() for value in (weight, scales, fraction)]
    torch.manual_seed(3)
    values = noisy_weight(leaves[0], leaves[1], LEVELS, leaves[2])
    values.backward(gradient)
    plain = [value.clone().requires_grad_() for value in (weight, scales, fraction)]
    half_step = torch.exp(torch.lerp(plain[1][0].log(), plain[1][1].log(), plain[2]))
    limit = half_step * (torch.exp2(1 + 3 * plain[2]) - 1)
    torch.manual_seed(3)
    expected = torch.minimum(torch.maximum(plain[0], -limit), limit) + half_step * uniform_like(weight)
    torch.testing.assert_close(values, expected)
    expected.backward(gradient)
    for leaf, other in zip(leaves, plain, strict=True):
        torch.testing.assert_close(leaf.grad, other.grad, rtol=1e-5, atol=1e-5)
