"""Palettes: which precisions the channels of a model may have."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from .errors import PaletteError

BIPOLAR = "bipolar"
AFFINE = "affine"
AUTOMATIC = "auto"


@dataclass(frozen=True)
class Precision:
    """A precision of an input channel: bits and codes of its weights and of its activations.

    Codes are "bipolar" (1..7 bits: the odd integers -(2^p - 1) ... 2^p - 1), "affine" (1..8 bits: q - zero) or
    "auto". Automatic weights are affine at 8 bits and bipolar below; automatic activations are affine at 8 bits
    and wherever no negative value was seen while calibrating, else bipolar.
    """

    weight_bits: int
    activation_bits: int
    weight_code: str = AUTOMATIC
    activation_code: str = AUTOMATIC

    def __post_init__(self) -> None:
        for side, bits, code in (
            ("weights", self.weight_bits, self.weight_code),
            ("activations", self.activation_bits, self.activation_code),
        ):
            if code not in (BIPOLAR, AFFINE, AUTOMATIC):
                raise PaletteError(f"unknown code {code!r} of {side}: use {BIPOLAR!r}, {AFFINE!r} or {AUTOMATIC!r}")
            if isinstance(bits, bool) or not isinstance(bits, int) or not 1 <= bits <= 8:
                raise PaletteError(f"{bits!r} bits of {side}: use a whole number from 1 to 8")
            if code == BIPOLAR and bits == 8:
                raise PaletteError(f"bipolar codes of {side} have 1 to 7 bits: use affine codes for 8 bits")

    def resolved(self, unsigned: bool) -> Precision:
        """Automatic codes decided for a layer whose inputs are never negative (`unsigned`) or may be."""
        weight, activation = self.weight_code, self.activation_code
        if weight == AUTOMATIC:
            weight = AFFINE if self.weight_bits == 8 else BIPOLAR
        if activation == AUTOMATIC:
            activation = AFFINE if unsigned or self.activation_bits == 8 else BIPOLAR
        return replace(self, weight_code=weight, activation_code=activation)

    @property
    def label(self) -> str:
        return f"w{self.weight_bits}a{self.activation_bits}"

    def __str__(self) -> str:
        return f"{self.label} ({self.weight_code} weights, {self.activation_code} activations)"


def parse_palette(palette: Iterable[Precision | tuple[int, int] | int]) -> tuple[Precision, ...]:
    """One precision, or two, the coarser first. A pair is (weight bits, activation bits), a number both.

    Raises PaletteError for anything that the runtime cannot run.
    """
    if isinstance(palette, (str, bytes)) or not isinstance(palette, Iterable):
        raise PaletteError(f"the palette is {palette!r}: give a list such as [(1, 1), (4, 4)]")
    levels = []
    for entry in palette:
        if isinstance(entry, Precision):
            levels.append(entry)
        elif isinstance(entry, int) and not isinstance(entry, bool):
            levels.append(Precision(entry, entry))
        elif isinstance(entry, (tuple, list)) and len(entry) == 2:
            levels.append(Precision(*entry))
        else:
            raise PaletteError(f"{entry!r} is no precision: use (weight bits, activation bits)")
    if not 1 <= len(levels) <= 2:
        raise PaletteError(f"a palette has one or two precisions, not {len(levels)}")
    if any(level.weight_bits == 1 and level.weight_code == AFFINE for level in levels):
        raise PaletteError("affine weights have 2 to 8 bits: use bipolar codes for 1 bit")
    levels.sort(key=lambda level: (level.weight_bits, level.activation_bits))
    if len(levels) == 2:
        low, high = levels
        if (low.weight_bits, low.activation_bits) == (high.weight_bits, high.activation_bits):
            raise PaletteError(f"both precisions are {low.label}: give one of them only")
        if low.activation_bits > high.activation_bits:
            raise PaletteError(
                f"{low.label} and {high.label}: one has fewer weight bits, the other fewer activation bits, so that "
                "neither is the finer; order them alike"
            )
    return tuple(levels)
