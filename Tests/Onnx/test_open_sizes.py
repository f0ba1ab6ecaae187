"""Sizes of which nobody says how large they may become, and those that an option or the model makes numbers."""

from __future__ import annotations

import numpy as np
import pytest
from small_graphs import Make, node, real
from test_dynamic_sizes import expect_sizes

import soniq


def test_sizes_that_nobody_bounds(make: Make, random: np.random.Generator) -> None:
    """A session takes more when a call needs it: longer signals, more pictures than its memory was planned for."""
    model = make([node("Conv", "x w", "y", pads=[1, 1])], {"x": ["n", 3, "time"]}, {"w": real(random, 4, 3, 3)})
    expect_sizes(model, random, [(1, 3, 5), (2, 3, 20_000), (70, 3, 30)])
    info = soniq.load(model.output).inputs[0]
    assert info.usual_shape == (64, 3, 512) and info.maximum_shape[2] == 262_144
    pictures = make([node("Conv", "x w", "y")], {"x": ["n", 3, 512, 512]}, {"w": real(random, 8, 3, 1, 1)})
    pictures.pack()
    packed = soniq.load(pictures.output)
    for batch in (1, 9, 2):
        assert packed(x=real(random, batch, 3, 512, 512))["y"].shape == (batch, 8, 512, 512)
    bounded = soniq.load(pictures.output, maximums={"n": 2})
    with pytest.raises(soniq.SoniqError, match="at most 2"):
        bounded(x=real(random, 3, 3, 512, 512))


def test_shape_is_for_all_inputs_of_a_size(make: Make, random: np.random.Generator) -> None:
    model = make([node("Mul", "x z", "y")], {"x": ["n", "time"], "z": ["n", "time"]}, {})
    model.pack("--shape", "x=1,?")
    assert [info.shape for info in soniq.load(model.output).inputs] == [(1, "time"), (1, "time")]
