"""What packing an ONNX model cost, against ONNX Runtime: `soniq.compare` and what it returns.

`soniq-pack compare` compares a packed file with soniq's own float32 import. This asks another library, so it also shows
what the import changed. Needs onnx and onnxruntime: `pip install soniq[compare]`.
"""

from __future__ import annotations

import dataclasses
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .model import load
from .packer import Packer
from .reference import ComparisonError, Reference
from .samples import Samples

Array = npt.NDArray[Any]
# Of the relative error of soniq's float32 import: where it is more, a name means another value than in the ONNX file,
# as that of a convolution does that a batch norm was folded into.
SAME_VALUE = 0.01


@dataclass(frozen=True)
class OutputDifference:
    """An output of the packed model against ONNX Runtime's.

    Attributes:
        name: of the output.
        cosine_min: the lowest cosine of a sample.
        largest_difference: of two numbers.
        largest_relative_difference: that, divided by the largest float number.
        equal_argmax: the part of the rows of the last axis whose largest number is at the same place; None where that
            axis has one place.
        import_error: the relative error of soniq's own float32 import: what is not packing's doing.
    """

    name: str
    cosine_min: float
    largest_difference: float
    largest_relative_difference: float
    equal_argmax: float | None
    import_error: float


@dataclass(frozen=True)
class LayerDifference:
    """A value between inputs and outputs: the relative errors of the packed model and of soniq's float32 import."""

    name: str
    error: float
    import_error: float


@dataclass(frozen=True)
class Comparison:
    """What `compare` found.

    Attributes:
        outputs: all outputs.
        layers: values of one name and meaning in both libraries, in the order of the ONNX file.
        skipped: values of one name that do not mean the same in both, or are not the same in shape.
        samples: how many samples were compared on.
        seed: of random samples; None for given ones.
    """

    outputs: list[OutputDifference]
    layers: list[LayerDifference]
    skipped: list[str]
    samples: int
    seed: int | None

    def first_layer(self, beyond: float = 0.1) -> LayerDifference | None:
        """The first layer whose error is above `beyond`."""
        return next((layer for layer in self.layers if layer.error > beyond), None)

    def largest_jump(self) -> LayerDifference | None:
        """The layer whose error is most above that of the layer before it; None where no error grows."""
        before = [0.0, *(layer.error for layer in self.layers)]
        jumps = [layer.error - earlier for layer, earlier in zip(self.layers, before, strict=False)]
        return self.layers[int(np.argmax(jumps))] if jumps and max(jumps) > 0 else None

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return dataclasses.asdict(self)

    def table(self, layers: int = 20, threshold: float = 0.1) -> str:
        """Lines for people: the outputs, and `layers` layers up to the first beyond the threshold, or the last ones."""
        lines = [f"against ONNX Runtime in float32, {self.samples} samples"]
        if self.seed is not None:
            lines[0] += f" of random numbers, seed {self.seed}: they are not what the model is for"
        for output in self.outputs:
            same = "" if output.equal_argmax is None else f", equal argmax {output.equal_argmax:.2%}"
            lines.append(
                f"  {output.name}: lowest cosine {output.cosine_min:.6f}, largest difference "
                f"{output.largest_difference:.3g} ({output.largest_relative_difference:.2%} of the largest){same}; "
                f"import alone {output.import_error:.2g}"
            )
        first, jump = self.first_layer(threshold), self.largest_jump()
        end = self.layers.index(first) + 1 if first else len(self.layers)
        shown = self.layers[max(0, end - layers) : end] if layers > 0 else []
        if shown:
            lines.append(f"{len(self.layers)} layers of one name in both, {len(self.skipped)} skipped")
            lines += [f"  {layer.error:8.2%}  {layer.name}" for layer in shown]
            lines.append(f"they part at {first.name}" if first else f"no layer has an error above {threshold:.2%}")
            lines.append(f"the largest jump is at {jump.name}" if jump else "no layer adds any error")
        return "\n".join(lines)


def compare(
    model: str | os.PathLike[str],
    packed: str | os.PathLike[str],
    inputs: Mapping[str, npt.ArrayLike] | None = None,
    *,
    samples: int = 64,
    seed: int = 1,
    layers: bool = True,
    tool: str | os.PathLike[str] | None = None,
) -> Comparison:
    """Runs an ONNX model in ONNX Runtime, and its packed file in soniq, on the same samples.

    Args:
        model: the ONNX file.
        packed: the .soniq file that was made of it.
        inputs: an array [samples, ...] for each input, by its name; None: random numbers of `seed`, which are not what
            the model is for.
        samples: the most samples, chosen evenly.
        seed: of random samples.
        layers: compare values between inputs and outputs too. Needs `soniq-pack`.
        tool: `soniq-pack`; None: what SONIQ_PACK names, or the one on PATH.

    Raises:
        ComparisonError: onnx, onnxruntime or soniq-pack is missing; the file was not packed from this model; samples do
            not fit; no value between inputs and outputs has one name in both. One line.
        SoniqError: the packed file cannot be read, or refuses the samples.
    """
    reference = Reference(Path(model))
    opened = load(packed)
    reference.require_interface(opened, packed)
    data = Samples(reference, opened, inputs, samples, seed)
    with tempfile.TemporaryDirectory(prefix="soniq-compare-") as folder:
        packer = Packer(tool, Path(folder)) if layers else None
        names = packer.values(packed) if packer else []
        wanted = [name for name in reference.values() if name in set(names)]
        if packer and not wanted:
            raise ComparisonError(
                f"no value has one name in {model} and {packed}: another model, or another version; "
                "layers=False compares the outputs alone"
            )
        plain = packer.float_file(reference.path, opened) if packer else None
        made = _Runs(reference, packer, packed, plain, wanted)
        found = made.differences(data)
    outputs = [found[name].output(name) for name in reference.outputs]
    compared, skipped = [], []
    for name in wanted:
        difference = found[name]
        if difference.is_same_value:
            compared.append(LayerDifference(name, difference.error, difference.import_error))
        else:
            skipped.append(name)
    return Comparison(outputs, compared, skipped, data.count, None if inputs is not None else seed)


class _Runs:
    """The same samples through ONNX Runtime, the packed file and, where there is one, the float32 file."""

    # Values that are held at a time, by number: each pass over the samples takes so many.
    AT_A_TIME = 64

    def __init__(
        self, reference: Reference, packer: Packer | None, packed: Any, plain: Path | None, wanted: list[str]
    ) -> None:
        self.reference = reference
        self.packer = packer
        self.packed = packed
        self.plain = plain
        self.wanted = wanted

    def differences(self, data: Samples) -> dict[str, Difference]:
        found: dict[str, Difference] = {}
        inner = [name for name in self.wanted if name not in self.reference.outputs]
        groups = [inner[begin : begin + self.AT_A_TIME] for begin in range(0, len(inner), self.AT_A_TIME)] or [[]]
        for index, group in enumerate(groups):
            names = [*(self.reference.outputs if index == 0 else []), *group]
            for name in names:
                found[name] = Difference()
            session = self.reference.session(names)
            packed = load(self.packer.exposed(self.packed, group) if self.packer and group else self.packed)
            plain = None
            if self.packer and self.plain is not None:
                known = set(self.packer.values(self.plain))
                plain = load(self.packer.exposed(self.plain, [name for name in group if name in known]))
            for feeds, count in data.runs():
                wanted = self.reference.run(session, names, feeds)
                given = data.for_soniq(feeds)
                got = {name: np.array(array) for name, array in packed(**given).items()}
                float32 = {} if plain is None else {name: np.array(array) for name, array in plain(**given).items()}
                for name in names:
                    found[name].add(wanted[name], got.get(name), float32.get(name), count)
        return found


class Difference:
    """Sums over runs for one value."""

    def __init__(self) -> None:
        self.distance = self.length = self.import_distance = 0.0
        self.largest = self.magnitude = 0.0
        self.cosine = 1.0
        self.rows = self.equal_rows = 0
        self.fits = True
        self.has_float = True

    def add(self, wanted: Array, got: Array | None, plain: Array | None, count: int) -> None:
        """Adds a run of `count` samples: ONNX Runtime's array, the packed model's and the float32 import's."""
        wanted = np.asarray(wanted, np.float64)
        aligned = None if got is None else _aligned(np.asarray(got, np.float64), wanted)
        if aligned is None:
            self.fits = False
            return
        given = aligned
        finite = np.isfinite(wanted)
        reference = np.where(finite, wanted, 0)
        aligned = np.where(np.isfinite(aligned), aligned, np.inf)
        difference = np.where(finite, aligned - reference, 0)
        self.distance += float((difference**2).sum())
        self.length += float((reference**2).sum())
        self.largest = max(self.largest, float(np.abs(difference).max(initial=0)))
        self.magnitude = max(self.magnitude, float(np.abs(reference).max(initial=0)))
        other = None if plain is None else _aligned(np.asarray(plain, np.float64), wanted)
        self.has_float = self.has_float and other is not None
        if other is not None:
            other = np.where(np.isfinite(other), other, np.inf)
            self.import_distance += float((np.where(finite, other - reference, 0) ** 2).sum())
        by_sample = count if wanted.ndim and wanted.shape[0] == count else 1
        first, second = reference.reshape(by_sample, -1), np.where(finite, aligned, 0).reshape(by_sample, -1)
        self.cosine = min(self.cosine, _lowest_cosine(first, second))
        if wanted.ndim and wanted.shape[-1] > 1:
            places = [np.where(np.isnan(array), -np.inf, array).argmax(-1) for array in (wanted, given)]
            self.rows += places[0].size
            self.equal_rows += int((places[0] == places[1]).sum())

    @property
    def is_same_value(self) -> bool:
        """Whether soniq's float32 value of this name is ONNX Runtime's."""
        return self.fits and self.has_float and self.import_error < SAME_VALUE

    @property
    def error(self) -> float:
        return _ratio(self.distance**0.5, self.length**0.5)

    @property
    def import_error(self) -> float:
        return _ratio(self.import_distance**0.5, self.length**0.5)

    def output(self, name: str) -> OutputDifference:
        """What there is to say of an output. Raises ComparisonError where the shapes differ."""
        if not self.fits:
            raise ComparisonError(f"output {name}: its shape is not that of ONNX Runtime's")
        share = self.equal_rows / self.rows if self.rows else None
        relative = _ratio(self.largest, self.magnitude)
        return OutputDifference(name, self.cosine, self.largest, relative, share, self.import_error)


def _aligned(array: Array, wanted: Array) -> Array | None:
    """The array in the layout of `wanted`: soniq has the channels of images last. None where no layout fits.

    Where both layouts fit, it is the one that is nearer.
    """
    fitting = [array] if array.shape == wanted.shape else []
    if array.ndim == 4:
        moved = array.transpose(0, 3, 1, 2)
        fitting += [moved] if moved.shape == wanted.shape else []
    if not fitting and array.size == wanted.size and array.squeeze().shape == wanted.squeeze().shape:
        fitting = [array.reshape(wanted.shape)]
    if len(fitting) < 2:
        return fitting[0] if fitting else None
    return min(fitting, key=lambda layout: float(np.nansum((layout - wanted) ** 2)))


def _lowest_cosine(first: Array, second: Array) -> float:
    if not np.isfinite(second).all():
        return 0.0
    products = (first * second).sum(1)
    lengths = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    same = (np.linalg.norm(first - second, axis=1) == 0).astype(np.float64)
    return float(np.where(lengths > 0, products / np.where(lengths > 0, lengths, 1), same).min(initial=1))


def _ratio(part: float, whole: float) -> float:
    return 0.0 if part == 0 else float("inf") if whole == 0 else part / whole
