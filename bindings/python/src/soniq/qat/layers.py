"""What all quantised layers share: how they find their scales, and what they compute while they are trained."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .grid import as_entry, fake_quantize, search_scales
from .layer_codes import CodedLayer
from .layer_state import FIXED, SEARCH
from .palette import AFFINE
from .precision_search import noisy_activation, noisy_weight, row_scales
from .rounding import with_gradient

# What an output is computed from, for a batch norm behind it.
SOURCE = "_soniq_source"


class QuantLayer(CodedLayer):
    """A layer that trains as `LayerState` describes it, and is computed in integers once its precisions are fixed."""

    # Scales

    @torch.no_grad()
    def calibrate(self, low: float, high: float, sample: Tensor) -> None:
        """Finds scales from weights and from inputs: their least and greatest value, and a sample of values."""
        if self.gdnsq_weights is not None and self.gdnsq_activations is not None:
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
        learned_weights, learned = self.learned_widths()
        rows = self.weight.flatten(1)
        low, span = rows.amin(1), rows.amax(1) - rows.amin(1)
        needed = span / (2**level.weight_bits - 1)
        self.weight_scale[0] = torch.maximum(torch.exp2(learned_weights.log_scale), needed)
        self.weight_offset[0] = low
        self.activation_scale[0] = torch.exp2(learned.log_range - level.activation_bits)
        top = 2**level.activation_bits - 1
        self.activation_zero[0] = torch.round(-learned.lower / self.activation_scale[0]).clamp(0, top)
        for parameter in (*learned_weights.parameters(), *learned.parameters()):
            parameter.requires_grad_(False)
        self.phase = FIXED

    # Weights

    def _fixed_run(self, run: Tensor, index: int) -> Tensor:
        level = self.levels[index]
        scale = self._column(self.scales_of_weights()[index])
        limits = self.limits["weight_grid_zero"][index], self.limits["weight_grid_top"][index]
        damping = 1 / math.sqrt(max(run[0].numel(), 1) * (2**level.weight_bits - 1))
        if self.weight_shift is None:
            return fake_quantize(run, level.weight_code, scale, *limits, damping)
        offset = self._column(self.offsets_of_weights()[index])
        return fake_quantize(run - offset, level.weight_code, scale, *limits, damping) + offset

    def _fixed_runs(self) -> list[Tensor]:
        return [self._fixed_run(run, index) for index, run in enumerate(self._runs(self.weight, 1)) if run.shape[1]]

    def quantized_weight(self) -> Tensor:
        """The weights as the phase has them, channels in their own order; [outputs, channels, ...]."""
        if self.phase == SEARCH and self.gdnsq_weights is not None:
            return self.gdnsq_weights(self.weight)
        if self.phase == SEARCH:
            scales = torch.stack([self._column(values) for values in self.scales_of_weights()])
            return noisy_weight(self.weight, scales, self.levels, self._row(self.fraction()), self.training)
        runs = self._fixed_runs()
        return runs[0] if len(self.levels) == 1 else self._unsorted(torch.cat(runs, 1))

    # Activations

    def quantized_input(self, x: Tensor) -> Tensor:
        """The input as the phase has it."""
        if self.phase == SEARCH and self.gdnsq_activations is not None:
            return self.gdnsq_activations(x)
        if self.phase == SEARCH:
            if self.dynamic:
                scales, zeros = row_scales(x, self.levels)
            else:
                scales, zeros = self.scales_of_activations(), None if self.is_unsigned else self.activation_zero
            return noisy_activation(x, scales, zeros, self.levels, self._channels(self.fraction(), x), self.training)
        if self.dynamic:
            return self._dynamic_input(x)
        return self._static_input(x)

    def _static_input(self, x: Tensor) -> Tensor:
        scales = self.scales_of_activations()
        damping = 1 / math.sqrt(x.numel() * (2 ** self.levels[-1].activation_bits - 1))
        if len(self.levels) == 1:
            limits = self.activation_zero[0], self.limits["activation_top"][0]
            return fake_quantize(x, self.levels[0].activation_code, scales[0], *limits, damping)
        if len({level.activation_code for level in self.levels}) == 1:
            chosen = self.channel_levels.long()
            columns = (scales[chosen], self.activation_zero[chosen], self.activation_top[chosen])
            scale, zero, top = (as_entry(self._channels(values, x), x) for values in columns)
            return fake_quantize(x, self.levels[0].activation_code, scale, zero, top, damping)
        ends = zip(self.activation_zero, self.activation_top, strict=True)
        sides = [
            fake_quantize(x, level.activation_code, scale, zero, top, damping)
            for level, scale, (zero, top) in zip(self.levels, scales, ends, strict=True)
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
            top = self.limits["activation_top"][index]
            quantized.append(fake_quantize(run, level.activation_code, scale, zero, top))
        return quantized[0] if len(quantized) == 1 else torch.cat(quantized, -1)

    def forward(self, x: Tensor) -> Tensor:
        # Under autocast the products may be bfloat16; what codes are made of is not.
        x = x.float()
        if self.training or self.phase != FIXED:
            return self._trained(x)
        output = with_gradient(lambda: self._trained(x), lambda: self.integer_forward(x))
        setattr(output, SOURCE, (self, x.detach()))
        return output

    def _trained(self, x: Tensor) -> Tensor:
        """The product of real values, for gradients."""
        if self.phase == FIXED and self.dynamic and len(self.levels) == 2:
            # Channels of both sides in the order of their levels: nothing is put back only to be added up.
            output = self._product(self._dynamic_runs(x), torch.cat(self._fixed_runs(), 1))
        else:
            output = self._product(self.quantized_input(x), self.quantized_weight())
        return output if self.bias is None else output + self._outputs(self.bias)


def source_of(output: Tensor) -> tuple[QuantLayer, Tensor] | None:
    """The layer that computed a value, and its input; None when nothing of these did."""
    source: tuple[QuantLayer, Tensor] | None = getattr(output, SOURCE, None)
    return source
