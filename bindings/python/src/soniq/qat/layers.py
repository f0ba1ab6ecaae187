"""What all quantised layers share: precisions, scales, phases, and the codes that the runtime computes."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from .arithmetic import affine_codes, bipolar_codes, dynamic_affine, dynamic_bipolar
from .errors import PhaseError
from .gdnsq import GdnsqActivations, GdnsqWeights
from .grid import as_entry, code_integers, fake_quantize, search_scales
from .noise import bits_of, held, logit_of
from .palette import AFFINE, Precision
from .precision_search import noisy_activation, noisy_weight, row_scales

SEARCH = "search"  # SONIQ phase 1, or GDNSQ's learned widths
FIXED = "fixed"  # fixed levels, the real grid
LEAST_SCALE = 1e-30


class QuantLayer(nn.Module):
    """A layer whose weights [outputs, channels, ...] and inputs have one or two precisions, by input channel.

    The phases: "search" while precisions are learned, then "fixed". A layer of one precision that learns no width
    is fixed from the start.

    State: `weight`, `bias`; the real value of one weight integer is `weight_scale` (found by search) times
    `weight_factor` (learned), [levels, outputs] each, that of one activation integer, where fixed, `activation_scale`
    times `activation_factor` [levels]: factors near 1 learn alike whatever the scale. With GDNSQ `weight_offset`
    (found) plus `weight_shift` (learned) scales are added to every weight. `precision` [channels], SONIQ's s;
    `channel_levels` uint8 [channels]; `activation_zero` [levels], codes of 0.
    """

    channel_axis = -1

    def __init__(
        self,
        weight: Tensor,
        bias: Tensor | None,
        levels: tuple[Precision, ...],
        channels: int,
        *,
        dynamic: bool,
        estimator: str | None = None,
    ) -> None:
        """`levels` are resolved; `dynamic`: the scales of activations are measured row by row; `estimator`: that of
        GDNSQ, or None for SONIQ."""
        super().__init__()
        self.levels = levels
        self.channels = channels
        self.dynamic = dynamic
        self.weight = nn.Parameter(weight.detach().clone())
        self.bias = None if bias is None else nn.Parameter(bias.detach().clone())
        outputs, count, device = weight.shape[0], len(levels), weight.device
        self.register_buffer("weight_scale", torch.ones(count, outputs, device=device))
        self.weight_factor = nn.Parameter(torch.ones(count, outputs, device=device))
        self.register_buffer("activation_scale", None if dynamic else torch.ones(count, device=device))
        self.activation_factor = None if dynamic else nn.Parameter(torch.ones(count, device=device))
        self.weight_shift = self.gdnsq_weights = self.gdnsq_activations = self.precision = None
        if estimator is not None:
            self.register_buffer("weight_offset", torch.zeros(count, outputs, device=device))
            self.weight_shift = nn.Parameter(torch.zeros(count, outputs, device=device))
            self.gdnsq_weights = GdnsqWeights(outputs, estimator).to(device)
            self.gdnsq_activations = GdnsqActivations(estimator).to(device)
        elif count == 2:
            low, high = self._searched_bits()
            start = logit_of(low + 0.75 * (high - low))
            self.precision = nn.Parameter(torch.full((channels,), start, device=device))
        self.register_buffer("channel_levels", torch.full((channels,), count - 1, dtype=torch.uint8, device=device))
        self.register_buffer("activation_zero", torch.zeros(count, device=device))
        for name, values in self._constants().items():
            self.register_buffer(name, torch.tensor(values, device=device), persistent=False)
        self.register_buffer("order", torch.arange(channels, device=device), persistent=False)
        self.run_lengths: tuple[int, ...] = (0,) * (count - 1) + (channels,)
        self.is_unsigned = False
        self.phase = SEARCH if self.precision is not None or estimator is not None else FIXED

    def _constants(self) -> dict[str, list[float]]:
        """Codes of 0 and greatest codes, by level. Symmetric affine weights leave -2^(p-1) out, so that an output
        can turn its sign; `weight_grid_*` count from the least integer that is left."""
        symmetric = [level.weight_code == AFFINE and self.weight_shift is None for level in self.levels]
        zeros = [
            2.0 ** (level.weight_bits - 1) if is_symmetric else 0.0
            for level, is_symmetric in zip(self.levels, symmetric, strict=True)
        ]
        tops = [2.0**level.weight_bits - 1 for level in self.levels]
        return {
            "weight_zero": zeros,
            "weight_grid_zero": [zero - 1 if cut else zero for zero, cut in zip(zeros, symmetric, strict=True)],
            "weight_grid_top": [top - 1 if cut else top for top, cut in zip(tops, symmetric, strict=True)],
            "activation_top": [2.0**level.activation_bits - 1 for level in self.levels],
        }

    # Precisions

    def _searched_bits(self) -> tuple[int, int]:
        """Bits at both levels of the side whose bits differ, weights first."""
        low, high = self.levels
        if low.weight_bits != high.weight_bits:
            return low.weight_bits, high.weight_bits
        return low.activation_bits, high.activation_bits

    def fraction(self) -> Tensor:
        """[channels]: 0 at the coarse precision, 1 at the fine one, straight between in bits; SONIQ only."""
        low, high = self._searched_bits()
        return (held(bits_of(self.precision), low, high) - low) / (high - low)

    def set_channel_levels(self, levels: Tensor) -> None:
        """Fixes the level of every channel, uint8 [channels], and leaves the search."""
        self.channel_levels.copy_(levels)
        self._sort_channels()
        if self.precision is not None:
            self.precision.requires_grad_(False)
        self.phase = FIXED

    def _sort_channels(self) -> None:
        levels = self.channel_levels.long()
        self.order = torch.argsort(levels, stable=True)
        self.run_lengths = tuple(int(count) for count in torch.bincount(levels, minlength=len(self.levels)))

    def get_extra_state(self) -> dict:
        return {"phase": self.phase}

    def set_extra_state(self, state: dict) -> None:
        self.phase = state["phase"]

    def _load_from_state_dict(self, state, prefix, *rest) -> None:
        super()._load_from_state_dict(state, prefix, *rest)
        self._sort_channels()
        self._note_zeros()

    # Scales

    @torch.no_grad()
    def calibrate(self, low: float, high: float, sample: Tensor) -> None:
        """Finds scales from weights and from inputs: their least and greatest value, and a sample of values."""
        if self.gdnsq_weights is not None:
            self.gdnsq_weights.calibrate(self.weight)
            self.gdnsq_activations.calibrate(low, high)
            return
        self.search_weight_scales(whole=True)
        if self.activation_scale is None:
            return
        for index, level in enumerate(self.levels):
            top = 2**level.activation_bits - 1
            if level.activation_code == AFFINE:
                span = max(high - min(low, 0.0), 1e-8)
                self.activation_zero[index] = min(round(max(-low, 0.0) / span * top), top)
            zero = int(self.activation_zero[index])
            bits, code = level.activation_bits, level.activation_code
            self.activation_scale[index] = search_scales(sample[None], code, bits, zero)[0]
        self._note_zeros()

    def _note_zeros(self) -> None:
        """Whether no input is negative, so that 0 is the lower end at both levels."""
        affine = all(level.activation_code == AFFINE for level in self.levels)
        self.is_unsigned = affine and not self.dynamic and not bool(self.activation_zero.any())

    @torch.no_grad()
    def search_weight_scales(self, whole: bool = False) -> None:
        """Scales of least squared error for the channels of each level, or for all channels at every level."""
        runs = (self.weight,) * len(self.levels) if whole else self._runs(self.weight, 1)
        for index, (level, run) in enumerate(zip(self.levels, runs, strict=True)):
            if run.shape[1]:
                zero = int(self.weight_zero[index])
                found = search_scales(run.flatten(1), level.weight_code, level.weight_bits, zero)
                self.weight_scale[index] = found
                self.weight_factor[index] = 1

    @torch.no_grad()
    def fix_widths(self) -> None:
        """GDNSQ's learned scales become those of the level's whole bits; a width above its target is cut down."""
        level = self.levels[0]
        rows = self.weight.flatten(1)
        low, span = rows.amin(1), rows.amax(1) - rows.amin(1)
        needed = span / (2**level.weight_bits - 1)
        self.weight_scale[0] = torch.maximum(torch.exp2(self.gdnsq_weights.log_scale), needed)
        self.weight_offset[0] = low
        learned = self.gdnsq_activations
        self.activation_scale[0] = torch.exp2(learned.log_range - level.activation_bits)
        top = 2**level.activation_bits - 1
        self.activation_zero[0] = torch.round(-learned.lower / self.activation_scale[0]).clamp(0, top)
        for parameter in (*self.gdnsq_weights.parameters(), *learned.parameters()):
            parameter.requires_grad_(False)
        self.phase = FIXED

    def scales_of_weights(self) -> Tensor:
        """[levels, outputs]"""
        return (self.weight_scale * self.weight_factor).clamp(min=LEAST_SCALE)

    def offsets_of_weights(self) -> Tensor:
        """[levels, outputs]; GDNSQ only."""
        return self.weight_offset + self.weight_shift * self.weight_scale

    def scales_of_activations(self) -> Tensor:
        """[levels]"""
        if self.activation_scale is None:
            raise PhaseError("this layer measures its activations' scales row by row; it has no fixed ones")
        return (self.activation_scale * self.activation_factor).clamp(min=LEAST_SCALE)

    # Weights

    def _runs(self, x: Tensor, axis: int) -> tuple[Tensor, ...]:
        """`x` by level, the channels of each in their order."""
        if len(self.levels) == 1:
            return (x,)
        if self.channels not in self.run_lengths:
            x = x.index_select(axis, self.order)
        return x.split(self.run_lengths, axis)

    def _column(self, values: Tensor) -> Tensor:
        """[outputs] that broadcasts to the weight."""
        return values.view(-1, *(1,) * (self.weight.ndim - 1))

    def _fixed_run(self, run: Tensor, index: int) -> Tensor:
        level = self.levels[index]
        scale = self._column(self.scales_of_weights()[index])
        limits = self.weight_grid_zero[index], self.weight_grid_top[index]
        damping = 1 / math.sqrt(max(run[0].numel(), 1) * (2**level.weight_bits - 1))
        if self.weight_shift is None:
            return fake_quantize(run, level.weight_code, scale, *limits, damping)
        offset = self._column(self.offsets_of_weights()[index])
        return fake_quantize(run - offset, level.weight_code, scale, *limits, damping) + offset

    def quantized_weight(self) -> Tensor:
        """The weights as the phase has them, channels in their own order; [outputs, channels, ...]."""
        if self.phase == SEARCH and self.gdnsq_weights is not None:
            return self.gdnsq_weights(self.weight)
        if self.phase == SEARCH:
            scales = torch.stack([self._column(values) for values in self.scales_of_weights()])
            return noisy_weight(self.weight, scales, self.levels, self._row(self.fraction()))
        runs = self._fixed_runs()
        return runs[0] if len(self.levels) == 1 else self._unsorted(torch.cat(runs, 1))

    def _fixed_runs(self) -> list[Tensor]:
        return [self._fixed_run(run, index) for index, run in enumerate(self._runs(self.weight, 1)) if run.shape[1]]

    def _unsorted(self, sorted_weight: Tensor) -> Tensor:
        return sorted_weight.index_select(1, torch.argsort(self.order))

    @torch.no_grad()
    def weight_codes(self) -> Tensor:
        """The codes that the runtime stores, uint8, of the weight's shape, channels in their own order."""
        self._require_fixed("weight_codes")
        runs = []
        for index, run in enumerate(self._runs(self.weight, 1)):
            if not run.shape[1]:
                continue
            level, scale = self.levels[index], self._column(self.scales_of_weights()[index])
            values = run if self.weight_shift is None else run - self._column(self.offsets_of_weights()[index])
            zero, top = self.weight_grid_zero[index], self.weight_grid_top[index]
            integers = code_integers(values, level.weight_code, scale, zero, top)
            codes = integers + self.weight_zero[index] if level.weight_code == AFFINE else (integers + top) / 2
            runs.append(codes)
        codes = torch.cat(runs, 1).to(torch.uint8)
        return codes if len(self.levels) == 1 else self._unsorted(codes)

    @torch.no_grad()
    def weight_integers(self) -> Tensor:
        """The integers that the codes stand for, float64, of the weight's shape."""
        codes = self.weight_codes().double()
        multiplier = torch.tensor([1.0 if level.weight_code == AFFINE else 2.0 for level in self.levels])
        constant = torch.tensor(
            [
                float(self.weight_zero[index]) if level.weight_code == AFFINE else 2.0**level.weight_bits - 1
                for index, level in enumerate(self.levels)
            ]
        )
        chosen = self.channel_levels.long()
        return codes * self._row(multiplier.to(codes)[chosen]) - self._row(constant.to(codes)[chosen])

    def _row(self, values: Tensor) -> Tensor:
        """[channels] that broadcasts to the weight."""
        return values.view(-1, *(1,) * (self.weight.ndim - 2))

    # Activations

    def _channels(self, values: Tensor, x: Tensor) -> Tensor:
        """[channels] that broadcasts to the input."""
        return values.view(-1, *(1,) * (-1 - self.channel_axis)) if x.ndim > 1 else values

    def quantized_input(self, x: Tensor) -> Tensor:
        """The input as the phase has it."""
        if self.phase == SEARCH and self.gdnsq_activations is not None:
            return self.gdnsq_activations(x)
        if self.phase == SEARCH:
            if self.dynamic:
                scales, zeros = row_scales(x, self.levels)
            else:
                scales, zeros = self.scales_of_activations(), None if self.is_unsigned else self.activation_zero
            return noisy_activation(x, scales, zeros, self.levels, self._channels(self.fraction(), x))
        if self.dynamic:
            return self._dynamic_input(x)
        return self._static_input(x)

    def _static_input(self, x: Tensor) -> Tensor:
        scales = self.scales_of_activations()
        damping = 1 / math.sqrt(x.numel() * (2 ** self.levels[-1].activation_bits - 1))
        if len(self.levels) == 1:
            limits = self.activation_zero[0], self.activation_top[0]
            return fake_quantize(x, self.levels[0].activation_code, scales[0], *limits, damping)
        if len({level.activation_code for level in self.levels}) == 1:
            chosen = self.channel_levels.long()
            columns = (scales[chosen], self.activation_zero[chosen], self.activation_top[chosen])
            parts = (as_entry(self._channels(values, x), x) for values in columns)
            return fake_quantize(x, self.levels[0].activation_code, *parts, damping)
        limits = zip(self.activation_zero, self.activation_top, strict=True)
        sides = [
            fake_quantize(x, level.activation_code, scale, zero, top, damping)
            for level, scale, (zero, top) in zip(self.levels, scales, limits, strict=True)
        ]
        return torch.where(self._channels(self.channel_levels, x) == 0, *sides)

    def _dynamic_input(self, x: Tensor) -> Tensor:
        runs = self._dynamic_runs(x)
        return runs if len(self.levels) == 1 else runs.index_select(-1, torch.argsort(self.order))

    def _dynamic_runs(self, x: Tensor) -> Tensor:
        """The input, its channels in the order of their levels."""
        quantized = []
        for index, run in enumerate(self._runs(x, -1)):
            if not run.shape[-1]:
                continue
            level = self.levels[index]
            scale, zero = self._measured(run, index)
            quantized.append(fake_quantize(run, level.activation_code, scale, zero, self.activation_top[index]))
        return quantized[0] if len(quantized) == 1 else torch.cat(quantized, -1)

    @torch.no_grad()
    def _measured(self, run: Tensor, index: int) -> tuple[Tensor, Tensor]:
        """Scale and zero of every row of a level's channels, [..., 1]."""
        level = self.levels[index]
        top = 2.0**level.activation_bits - 1
        if level.activation_code == AFFINE:
            return dynamic_affine(run, top)
        step = dynamic_bipolar(run, top)
        return step, torch.zeros_like(step)

    @torch.no_grad()
    def level_codes(self, x: Tensor) -> list[tuple[Tensor, Tensor, Tensor]]:
        """For each level (codes uint8, scales, zeros) of its channels in their order, as the runtime quantises `x`.

        Codes have the shape of `x` with only the level's channels; scales and zeros are [] when fixed, else [..., 1].
        """
        self._require_fixed("codes")
        result = []
        for index, run in enumerate(self._runs(x, self.channel_axis)):
            level, top = self.levels[index], self.activation_top[index]
            if self.dynamic:
                scale, zero = self._measured(run, index)
            else:
                scale, zero = self.scales_of_activations()[index], self.activation_zero[index]
            if level.activation_code == AFFINE:
                codes = affine_codes(run, scale, zero, top)
            else:
                codes = bipolar_codes(run, scale, top)
            result.append((codes.to(torch.uint8), scale, zero))
        return result

    def codes(self, x: Tensor) -> list[Tensor]:
        """The activation codes of each level's channels, uint8; see `level_codes`."""
        return [codes for codes, _, _ in self.level_codes(x)]

    def activation_integers(self, x: Tensor) -> list[tuple[Tensor, Tensor]]:
        """For each level the integers that the codes stand for, float64, and their scales."""
        result = []
        for (codes, scale, zero), level in zip(self.level_codes(x), self.levels, strict=True):
            if level.activation_code == AFFINE:
                result.append((codes.double() - zero, scale))
            else:
                result.append((2 * codes.double() - (2**level.activation_bits - 1), scale))
        return result

    @torch.no_grad()
    def accumulators(self, x: Tensor) -> list[Tensor]:
        """The exact dot products of each level that has channels, int32, of the shape of the layer's output."""
        weights = self._runs(self.weight_integers(), 1)
        inputs = self.activation_integers(x)
        return [
            self._product(integers, weight).to(torch.int32)
            for (integers, _), weight in zip(inputs, weights, strict=True)
            if weight.shape[1]
        ]

    @torch.no_grad()
    def integer_forward(self, x: Tensor) -> Tensor:
        """The output as the runtime computes it: integer products, then one fused multiply-add for each level."""
        weights = self._runs(self.weight_integers(), 1)
        output = None
        for index, ((integers, scale), weight) in enumerate(zip(self.activation_integers(x), weights, strict=True)):
            if not weight.shape[1]:
                continue
            product = self._product(integers, weight)
            if output is None:
                start = torch.zeros(weight.shape[0]) if self.bias is None else self.bias.detach()
                output = torch.zeros_like(product, dtype=torch.float32) + self._outputs(start.to(product.device))
            factor = self._outputs(self.scales_of_weights()[index]) * scale
            output = (product * factor.double() + output.double()).float()
            if self.weight_shift is not None:
                sums = self._product(integers, torch.ones_like(weight)).float()
                offset = self._outputs(self.offsets_of_weights()[index]).double()
                output = ((sums * scale).double() * offset + output.double()).float()
        return output

    def _outputs(self, values: Tensor) -> Tensor:
        """[outputs] that broadcasts to the output."""
        return values.view(-1, *(1,) * (-1 - self.channel_axis))

    def _product(self, x: Tensor, weight: Tensor) -> Tensor:
        """The layer's product without bias."""
        raise NotImplementedError

    def _require_fixed(self, call: str) -> None:
        if self.phase != FIXED:
            raise PhaseError(f"{call} needs fixed precisions: call freeze() first")

    def forward(self, x: Tensor) -> Tensor:
        # Under autocast the products may be bfloat16; what codes are made of is not.
        x = x.float()
        if self.phase == FIXED and self.dynamic and len(self.levels) == 2:
            # Channels of both sides in the order of their levels: nothing is put back only to be added up.
            output = self._product(self._dynamic_runs(x), torch.cat(self._fixed_runs(), 1))
        else:
            output = self._product(self.quantized_input(x), self.quantized_weight())
        return output if self.bias is None else output + self._outputs(self.bias)
