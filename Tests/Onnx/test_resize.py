"""Resize beyond what the runtime's own operation does, against ONNX Runtime or what ONNX says."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx.reference import ReferenceEvaluator
from small_graphs import IDS, Make, Packed, node, real
from test_sampled import with_opset


def resized(make: Make, shape: list, constants: dict[str, np.ndarray], **attributes: object) -> Packed:
    """The inputs that are given by name; opset 19."""
    nodes = [node("Resize", "x roi scales sizes", "y", **attributes)]
    nodes[0].input[:] = ["x"] + [name if name in constants else "" for name in ("roi", "scales", "sizes")]
    return with_opset(make(nodes, {"x": shape}, constants), 19)


@pytest.mark.parametrize("outside", [0, 1])
@pytest.mark.parametrize("mode", ["linear", "cubic"])
@pytest.mark.parametrize("sizes", [(5, 4), (3, 11), (19, 2), (20, 21), (1, 1)])
def test_antialias(make: Make, random: np.random.Generator, mode: str, sizes: tuple[int, int], outside: int) -> None:
    """As PyTorch exports interpolate(antialias=True)."""
    constants = {"sizes": np.array([2, 3, *sizes])}
    model = resized(make, [2, 3, 13, 10], constants, mode=mode, antialias=1, exclude_outside=outside)
    model.expect({"x": real(random, 2, 3, 13, 10)}, 2e-5)


@pytest.mark.parametrize("coefficient", [-0.75, -0.5])
@pytest.mark.parametrize("place", ["half_pixel", "align_corners", "asymmetric", "pytorch_half_pixel"])
def test_cubic_without_what_is_outside(
    make: Make, random: np.random.Generator, place: str, coefficient: float
) -> None:
    attributes = {"coordinate_transformation_mode": place, "cubic_coeff_a": coefficient, "exclude_outside": 1}
    for sizes in ([1, 2, 9, 4], [1, 2, 3, 11]):
        model = resized(make, [1, 2, 6, 7], {"sizes": np.array(sizes)}, mode="cubic", **attributes)
        model.expect({"x": real(random, 1, 2, 6, 7)}, 2e-5)


def test_antialias_of_signals_and_any_batch(make: Make, random: np.random.Generator) -> None:
    model = resized(make, ["batch", 3, 17], {"sizes": np.array([6])}, mode="linear", antialias=1, axes=[2])
    assert model.pack().returncode == 0
    reference = ReferenceEvaluator(onnx.load(model.source))
    for batch in (1, 3):
        x = real(random, batch, 3, 17)
        np.testing.assert_allclose(model.run({"x": x}), reference.run(None, {"x": x})[0], rtol=1e-5, atol=1e-5)


def test_antialias_that_only_enlarges_stays_the_operation(make: Make, random: np.random.Generator) -> None:
    scales = {"scales": np.array([1, 1, 2, 2], np.float32)}
    model = resized(make, [1, 2, "h", 5], scales, mode="linear", antialias=1)
    assert model.pack().returncode == 0
    plain = ReferenceEvaluator(onnx.load(model.source))
    for height in (3, 8):
        x = real(random, 1, 2, height, 5)
        np.testing.assert_allclose(model.run({"x": x}), plain.run(None, {"x": x})[0], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("policy", ["not_larger", "not_smaller"])
@pytest.mark.parametrize("mode", ["nearest", "linear"])
def test_aspect_ratios(make: Make, random: np.random.Generator, mode: str, policy: str) -> None:
    # No place lies in the middle of two pixels, where float32 decides.
    constants = {"sizes": np.array([7, 5])}
    model = resized(make, [1, 2, 4, 7], constants, mode=mode, keep_aspect_ratio_policy=policy, axes=[2, 3])
    model.expect({"x": real(random, 1, 2, 4, 7)})


@pytest.mark.parametrize("mode", ["nearest", "linear", "cubic"])
@pytest.mark.parametrize("region", [(0.2, 0.1, 0.8, 0.9), (-0.35, 0.2, 1.2, 0.7), (0.9, 0.9, 0.1, 0.2)])
def test_cropped_regions(
    make: Make, random: np.random.Generator, mode: str, region: tuple[float, float, float, float]
) -> None:
    constants = {"roi": np.array(region, np.float32), "sizes": np.array([4, 5])}
    place = {"coordinate_transformation_mode": "tf_crop_and_resize", "extrapolation_value": 7.5, "axes": [2, 3]}
    model = resized(make, [2, 1, 6, 7], constants, mode=mode, **place)
    assert model.pack().returncode == 0
    x = real(random, 2, 1, 6, 7)
    (expected,) = ReferenceEvaluator(onnx.load(model.source)).run(None, {"x": x})
    np.testing.assert_allclose(model.run({"x": x}), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("mode", ["nearest", "linear"])
def test_volumes_and_images_whose_channels_are_last(make: Make, random: np.random.Generator, mode: str) -> None:
    volume = resized(make, [1, 2, 3, 4, 5], {"sizes": np.array([1, 2, 5, 3, 10])}, mode=mode)
    volume.expect({"x": real(random, 1, 2, 3, 4, 5)})
    scales = {"scales": np.array([1, 2, 1.5, 1], np.float32)}
    image = resized(make, [1, "h", 4, 3], scales, mode=mode)
    assert image.pack().returncode == 0
    for height in (3, 6):
        x = real(random, 1, height, 4, 3)
        (expected,) = ReferenceEvaluator(onnx.load(image.source)).run(None, {"x": x})
        np.testing.assert_allclose(image.run({"x": x}), expected, rtol=1e-5, atol=1e-5)


def test_whole_numbers(make: Make, random: np.random.Generator) -> None:
    scales = {"scales": np.array([1, 1, 2, 0.5], np.float32)}
    model = resized(make, [1, 1, 3, 8, IDS], scales, mode="nearest")
    source = onnx.load(model.source)
    source.graph.output[0].type.tensor_type.elem_type = onnx.TensorProto.INT64
    onnx.save(source, model.source)
    assert model.pack().returncode == 0
    x = random.integers(-99, 99, (1, 1, 3, 8))
    np.testing.assert_array_equal(model.run({"x": x}), ReferenceEvaluator(source).run(None, {"x": x})[0])


def test_refusals(make: Make) -> None:
    sizes = {"sizes": np.array([1, 1, 2, 2])}

    def refusal(shape: list, constants: dict, **attributes: object) -> str:
        return resized(make, shape, constants, **attributes).refusal()

    assert "fix it with --shape" in refusal([1, 1, "h", 8], sizes, mode="linear", antialias=1)
    assert "coordinates polar" in refusal([1, 1, 4, 4], sizes, coordinate_transformation_mode="polar")
    assert "mode area" in refusal([1, 1, 4, 4], sizes, mode="area")
    assert "keep_aspect_ratio_policy crop" in refusal([1, 1, 4, 4], sizes, keep_aspect_ratio_policy="crop")
    place = {"coordinate_transformation_mode": "tf_crop_and_resize"}
    assert "its roi is not known" in refusal([1, 1, 4, 4], sizes, mode="linear", **place)
    assert "a size of 0" in refusal([1, 1, 4, 4], {"sizes": np.array([1, 1, 0, 2])}, mode="linear")
    assert "resized from 4 to 0" in refusal(
        [1, 1, 4, 4], {"scales": np.array([1, 1, 0.1, 1], np.float32)}, mode="linear", antialias=1
    )
