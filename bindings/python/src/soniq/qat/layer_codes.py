"""What the runtime computes of a quantised layer: codes, the integers that they stand for, and their products."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .arithmetic import affine_codes, bipolar_codes, dynamic_affine, dynamic_bipolar
from .grid import code_integers
from .layer_state import LayerState
from .palette import AFFINE
from .rounding import exact_sums, fma


@dataclass(frozen=True)
class Fold:
    """A batch norm, factor * output + shift, float64 [outputs] each, that is taken into the layer before it."""

    factor: Tensor
    shift: Tensor


class CodedLayer(LayerState):
    """A layer whose precisions are fixed, in integers, bit for bit as the runtime has it."""

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
        """The integers that the codes stand for, float32, of the weight's shape."""
        codes = self.weight_codes().float()
        multiplier = torch.tensor([1.0 if level.weight_code == AFFINE else 2.0 for level in self.levels])
        constant = torch.tensor(
            [
                float(self.weight_zero[index]) if level.weight_code == AFFINE else 2.0**level.weight_bits - 1
                for index, level in enumerate(self.levels)
            ]
        )
        chosen = self.channel_levels.long()
        return codes * self._row(multiplier.to(codes)[chosen]) - self._row(constant.to(codes)[chosen])

    @torch.no_grad()
    def _measured(self, run: Tensor, index: int) -> tuple[Tensor, Tensor]:
        """Scale and zero of every row of a level's channels, [..., 1]."""
        level = self.levels[index]
        top = 2.0**level.activation_bits - 1
        if not run.shape[-1]:
            one = run.new_ones(*run.shape[:-1], 1)
            return one, torch.zeros_like(one)
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
        """For each level the integers that the codes stand for, float32, and their scales."""
        result = []
        for (codes, scale, zero), level in zip(self.level_codes(x), self.levels, strict=True):
            if level.activation_code == AFFINE:
                result.append((codes.float() - zero, scale))
            else:
                result.append((2 * codes.float() - (2**level.activation_bits - 1), scale))
        return result

    @torch.no_grad()
    def accumulators(self, x: Tensor) -> list[Tensor]:
        """The exact dot products of each level that has channels, int32, of the shape of the layer's output."""
        weights = self._runs(self.weight_integers(), 1)
        inputs = self.activation_integers(x)
        return [
            self._product(integers.double(), weight.double()).to(torch.int32)
            for (integers, _), weight in zip(inputs, weights, strict=True)
            if weight.shape[1]
        ]

    @torch.no_grad()
    def integer_forward(self, x: Tensor, fold: Fold | None = None) -> Tensor:
        """The output as the runtime computes it: integer products, then one fused multiply-add for each level."""
        weights = self._runs(self.weight_integers(), 1)
        bias = self.weight.new_zeros(self.weight.shape[0]) if self.bias is None else self.bias.float()
        output = self._outputs(bias if fold is None else (bias.double() * fold.factor + fold.shift).float())
        for index, ((integers, scale), weight) in enumerate(zip(self.activation_integers(x), weights, strict=True)):
            if not weight.shape[1]:
                continue
            greatest = self._greatest_sum(weight, index)
            product, sums = exact_sums(self._product, integers, weight, greatest), None
            if self.weight_shift is not None:
                sums = exact_sums(self._product, integers, torch.ones_like(weight), greatest)
            scales, offsets = self._factors(index, fold)
            if fold is not None:
                product = self._turned(product, sums, index, fold)
            output = fma(product, self._outputs(scales) * scale, output)
            if sums is not None and offsets is not None:
                output = fma(sums * scale, self._outputs(offsets), output)
        return output

    def _factors(self, index: int, fold: Fold | None) -> tuple[Tensor, Tensor | None]:
        """Scales and offsets of a level's weights, [outputs] each, as the file has them."""
        scales = self.scales_of_weights()[index]
        offsets = None if self.weight_shift is None else self.offsets_of_weights()[index]
        if fold is None:
            return scales, offsets
        folded = (scales.double() * fold.factor.abs().clamp(min=1e-30)).float()
        if offsets is None:
            return folded, None
        extra = scales.double() * self.weight_top(index) * fold.factor
        new = offsets.double() * fold.factor + torch.where(fold.factor < 0, extra, 0.0)
        return folded, new.float()

    def _turned(self, product: Tensor, sums: Tensor | None, index: int, fold: Fold) -> Tensor:
        """Products of weights whose integers turn their signs where the factor is negative; those that count from 0
        turn within their range, and the offset takes the rest."""
        turned = -product if sums is None else self.weight_top(index) * sums - product
        return torch.where(self._outputs(fold.factor < 0), turned, product)

    def weight_top(self, index: int) -> float:
        return 2.0 ** self.levels[index].weight_bits - 1

    def _greatest_sum(self, weight: Tensor, index: int) -> float:
        level = self.levels[index]
        return float(weight[0].numel()) * 2.0 ** (level.weight_bits + level.activation_bits)
