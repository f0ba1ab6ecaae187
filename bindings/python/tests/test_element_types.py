"""Arrays of every element type, in and out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import soniq

MODEL = Path(__file__).resolve().parents[3] / "Tests/SoniqFormatTests/Golden/version3-types.soniq"
TYPES = [np.float32, np.int32, np.float16, np.int8, np.uint8]


@pytest.fixture()
def model() -> soniq.Model:
    return soniq.load(MODEL, threads=1)


def inputs() -> dict[str, np.ndarray]:
    return {np.dtype(dtype).name: np.arange(12).reshape(2, 2, 3).astype(dtype) for dtype in TYPES}


def test_inputs_and_outputs_have_the_types_of_the_model(model: soniq.Model) -> None:
    assert [info.dtype for info in model.inputs] == TYPES
    outputs = model(**inputs())
    for dtype in TYPES:
        name = np.dtype(dtype).name
        assert outputs[f"transpose {name}"].dtype == dtype
        if dtype != np.uint8:
            cast = outputs[f"uint8 to {name}"]
            assert cast.dtype == dtype and np.array_equal(cast, inputs()[name])


@pytest.mark.parametrize("dtype", TYPES)
def test_moved_elements(dtype: type, model: soniq.Model) -> None:
    """A row of twos before, and 0 1 2 where the condition is 0: at its first element."""
    name = np.dtype(dtype).name
    given = inputs()[name]
    chosen = given.copy()
    chosen[0, 0, 0] = 0
    padded = np.concatenate([np.full((2, 1, 3), 2, dtype), chosen], axis=1)
    assert np.array_equal(model(**inputs())[f"transpose {name}"], padded.transpose(0, 2, 1))


def test_arrays_of_other_types_convert(model: soniq.Model) -> None:
    expected = model(**inputs())
    wide = {"f": np.float64, "i": np.int64, "u": np.int64}
    given = model(**{name: array.astype(wide[array.dtype.kind]) for name, array in inputs().items()})
    for name in expected:
        assert np.array_equal(given[name], expected[name])


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("uint8", 256, "do not fit uint8: 0...255"),
        ("uint8", -1, "do not fit uint8"),
        ("int8", 128, "do not fit int8: -128...127"),
        ("float16", 70000.0, "do not fit float16"),
        ("float16", 70000, "do not fit float16"),
    ],
)
def test_numbers_that_do_not_fit_are_refused(name: str, value: float, words: str, model: soniq.Model) -> None:
    with pytest.raises(ValueError, match=words):
        model(**{**inputs(), name: np.full((2, 2, 3), value)})


def test_floats_for_bytes_are_refused(model: soniq.Model) -> None:
    with pytest.raises(ValueError, match="takes integers, not float32"):
        model(**{**inputs(), "uint8": np.zeros((2, 2, 3), np.float32)})


def test_a_view_of_an_image_is_converted(model: soniq.Model) -> None:
    """Strides of its own, as a crop has them."""
    image = np.arange(4 * 5 * 6, dtype=np.uint8).reshape(4, 5, 6)
    crop = image[1:3, 1:3, ::2]
    assert np.array_equal(model(**{**inputs(), "uint8": crop})["uint8 to int32"], crop)
