"""What a quantised layer holds: precisions, scales, phases, and how its channels are sorted by level."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from .errors import PhaseError
from .gdnsq import GdnsqActivations, GdnsqWeights
from .noise import bits_of, held, logit_of
from .palette import AFFINE, Precision

SEARCH = "search"  # SONIQ phase 1, or GDNSQ's learned widths
FIXED = "fixed"  # fixed levels, the real grid
LEAST_SCALE = 1e-30


class LayerState(nn.Module):
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
        self.weight = nn.Parameter(weight.detach().clone(), requires_grad=weight.requires_grad)
        self.bias = None if bias is None else nn.Parameter(bias.detach().clone(), requires_grad=bias.requires_grad)
        outputs, count, device = weight.shape[0], len(levels), weight.device
        self.register_buffer("weight_scale", torch.ones(count, outputs, device=device))
        self.weight_factor = nn.Parameter(torch.ones(count, outputs, device=device), weight.requires_grad)
        self.register_buffer("activation_scale", None if dynamic else torch.ones(count, device=device))
        self.activation_factor = None if dynamic else nn.Parameter(torch.ones(count, device=device))
        self.weight_shift = self.gdnsq_weights = self.gdnsq_activations = self.precision = None
        if estimator is not None:
            self.register_buffer("weight_offset", torch.zeros(count, outputs, device=device))
            self.weight_shift = nn.Parameter(torch.zeros(count, outputs, device=device), weight.requires_grad)
            self.gdnsq_weights = GdnsqWeights(outputs, estimator).to(device)
            self.gdnsq_activations = GdnsqActivations(estimator).to(device)
        elif count == 2:
            low, high = self._searched_bits()
            start = logit_of(low + 0.75 * (high - low))
            self.precision = nn.Parameter(torch.full((channels,), start, device=device))
        self.register_buffer("channel_levels", torch.full((channels,), count - 1, dtype=torch.uint8, device=device))
        self.register_buffer("activation_zero", torch.zeros(count, device=device))
        # The same as numbers, by which a clamp is five times as fast as by tensors.
        self.limits = self._constants()
        for name, values in self.limits.items():
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

    def learned_widths(self) -> tuple[GdnsqWeights, GdnsqActivations]:
        """What GDNSQ learns the widths with. Raises PhaseError for a layer of another method."""
        if self.gdnsq_weights is None or self.gdnsq_activations is None:
            raise PhaseError("this layer does not learn widths by GDNSQ")
        return self.gdnsq_weights, self.gdnsq_activations

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

    def get_extra_state(self) -> dict[str, str]:
        return {"phase": self.phase}

    def set_extra_state(self, state: dict[str, str]) -> None:
        self.phase = state["phase"]

    def _load_from_state_dict(self, state: Any, prefix: str, *rest: Any) -> None:
        super()._load_from_state_dict(state, prefix, *rest)
        self._sort_channels()
        self._note_zeros()

    def _note_zeros(self) -> None:
        """Whether no input is negative, so that 0 is the lower end at both levels."""
        affine = all(level.activation_code == AFFINE for level in self.levels)
        self.is_unsigned = affine and not self.dynamic and not bool(self.activation_zero.any())

    # Scales

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

    # Shapes

    def _runs(self, x: Tensor, axis: int) -> tuple[Tensor, ...]:
        """`x` by level, the channels of each in their order."""
        if len(self.levels) == 1:
            return (x,)
        if self.channels not in self.run_lengths:
            x = x.index_select(axis, self.order)
        runs: tuple[Tensor, ...] = x.split(self.run_lengths, axis)
        return runs

    def _unsorted(self, sorted_weight: Tensor) -> Tensor:
        return sorted_weight.index_select(1, torch.argsort(self.order))

    def _column(self, values: Tensor) -> Tensor:
        """[outputs] that broadcasts to the weight."""
        return values.view(-1, *(1,) * (self.weight.ndim - 1))

    def _row(self, values: Tensor) -> Tensor:
        """[channels] that broadcasts to the weight."""
        return values.view(-1, *(1,) * (self.weight.ndim - 2))

    def _channels(self, values: Tensor, x: Tensor) -> Tensor:
        """[channels] that broadcasts to the input."""
        return values.view(-1, *(1,) * (-1 - self.channel_axis)) if x.ndim > 1 else values

    def _outputs(self, values: Tensor) -> Tensor:
        """[outputs] that broadcasts to the output."""
        return values.view(-1, *(1,) * (-1 - self.channel_axis))

    def _product(self, x: Tensor, weight: Tensor) -> Tensor:
        """The layer's product without bias."""
        raise NotImplementedError

    def _require_fixed(self, call: str) -> None:
        if self.phase != FIXED:
            raise PhaseError(f"{call} needs fixed precisions: call freeze() first")
