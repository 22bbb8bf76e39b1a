"""Blending and joining: weights that add up to 1, identity in and identity out, NaN that survives, seams."""

import numpy as np
import pytest
from contracts.tile_grid import grids, windows
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.blend import blend, join, seams, tile_weights
from tasks.tiling import Box, TileGrid

PLANE = TileGrid((1, 1, 1, 75, 90), (1, 1, 1, 16, 16), (0, 0, 0, 6, 6), (0, 0, 0, 4, 4), (1, 1, 1, 32, 48))
HARD = TileGrid((1, 1, 1, 75, 90), (1, 1, 1, 16, 16), (0, 0, 0, 6, 6), (0, 0, 0, 0, 0), (1, 1, 1, 32, 48))


def joined(grid, image, box=None):
    """An image cut into windows, blended shard by shard and joined."""
    image = image.astype(np.float32)
    stored = [blend(grid, shard, windows(grid, shard, image)) for shard in range(grid.shards)]
    return join(grid, box or grid.whole, lambda shard, part: stored[shard][part.within(grid.shard_box(shard))])


def noise(grid, dtype, seed=0):
    """Random values over all of an integer type, or floats of many sizes."""
    rng = np.random.default_rng(seed)
    if np.dtype(dtype).kind == "f":
        return (rng.normal(0, 1, grid.shape) * 10.0 ** rng.integers(-3, 5, grid.shape)).astype(dtype)
    limits = np.iinfo(dtype)
    return rng.integers(limits.min, limits.max, grid.shape, dtype, endpoint=True)


@given(grid=grids())
@settings(max_examples=40, deadline=None)
def test_weights_of_all_tiles_add_up_to_one(grid):
    total = np.zeros(grid.shape, np.float64)
    count = np.zeros(grid.shape, np.int32)
    for tile in range(grid.tiles):
        product = np.ones(grid.tile_reach(tile).shape)
        for weights in tile_weights(grid, tile):
            product = product * weights.astype(np.float64)
        assert product.min() > 0
        total[grid.tile_reach(tile).slices] += product
        count[grid.tile_reach(tile).slices] += 1
    np.testing.assert_allclose(total, 1, atol=1e-6)
    assert (total[count == 1] == 1).all()


@given(grid=grids(), dtype=st.sampled_from(["uint8", "uint16", "int16"]))
@settings(max_examples=40, deadline=None)
def test_identity_returns_integers_bit_for_bit(grid, dtype):
    image = noise(grid, dtype)
    np.testing.assert_array_equal(np.rint(joined(grid, image)).astype(dtype), image)


@given(grid=grids())
@settings(max_examples=30, deadline=None)
def test_identity_returns_floats(grid):
    image = noise(grid, "float32")
    np.testing.assert_allclose(joined(grid, image), image, rtol=1e-6, atol=0)


def test_without_ramps_floats_are_the_same_to_the_bit():
    image = noise(HARD, "float32")
    np.testing.assert_array_equal(joined(HARD, image), image)


@given(grid=grids(), data=st.data())
@settings(max_examples=30, deadline=None)
def test_any_box_can_be_joined_alone(grid, data):
    start = [data.draw(st.integers(0, n - 1)) for n in grid.shape]
    stop = [data.draw(st.integers(a + 1, n)) for a, n in zip(start, grid.shape, strict=True)]
    box = Box(tuple(start), tuple(stop))
    image = noise(grid, "float32")
    np.testing.assert_array_equal(joined(grid, image, box), joined(grid, image)[box.slices])


@given(grid=grids())
@settings(max_examples=40, deadline=None)
def test_what_was_not_measured_stays_nan_and_spoils_nothing_else(grid):
    image = noise(grid, "float32")
    gaps = np.random.default_rng(1).random(grid.shape) < 0.2
    with_gaps = np.where(gaps, np.float32(np.nan), image)
    result = joined(grid, with_gaps)
    np.testing.assert_array_equal(np.isnan(result), gaps)
    np.testing.assert_allclose(result[~gaps], image[~gaps], rtol=1e-6)


def test_a_step_between_two_tiles_becomes_a_ramp():
    grid = TileGrid((1, 1, 1, 1, 32), (1, 1, 1, 1, 16), (0, 0, 0, 0, 4), (0, 0, 0, 0, 4), (1, 1, 1, 1, 32))
    estimates = [(tile, np.full(grid.window_shape, tile, np.float32)) for tile in range(2)]
    row = blend(grid, 0, estimates).ravel()
    expected = np.concatenate([np.zeros(12), (np.arange(8) + 0.5) / 8, np.ones(12)])
    np.testing.assert_allclose(row, expected, atol=1e-7)


def test_a_sliver_at_the_end_is_blended_too():
    grid = TileGrid((1, 1, 1, 1, 34), (1, 1, 1, 1, 16), (0, 0, 0, 0, 8), (0, 0, 0, 0, 8), (1, 1, 1, 1, 16))
    image = np.arange(34, dtype=np.float32).reshape(grid.shape)
    np.testing.assert_allclose(joined(grid, image), image, rtol=1e-6)


@pytest.mark.parametrize(
    "tiles", [[0, 1, 2, 6, 7], [0, 1, 2, 6, 7, 8, 8], [1, 0, 2, 6, 7, 8], [0, 1, 2, 6, 7, 9]], ids=str
)
def test_missing_double_disordered_and_foreign_tiles_are_refused(tiles):
    assert PLANE.tiles_of(0) == [0, 1, 2, 6, 7, 8]
    empty = np.zeros(PLANE.window_shape, np.float32)
    with pytest.raises(ValueError, match="Shard 0"):
        blend(PLANE, 0, [(tile, empty) for tile in tiles])


def test_an_estimate_of_another_shape_is_refused():
    with pytest.raises(ValueError, match=r"Tile 0 has the shape \(1, 1, 1, 28, 27\)"):
        blend(PLANE, 0, [(0, np.zeros((1, 1, 1, 28, 27), np.float32))])


def test_estimates_are_left_as_they_were():
    image = noise(PLANE, "float32")
    before = image.copy()
    blend(PLANE, 0, windows(PLANE, 0, image))
    np.testing.assert_array_equal(image, before)


def test_seams_are_zero_where_tiles_agree():
    image = noise(PLANE, "float32")
    assert set(seams(PLANE, 0, windows(PLANE, 0, image)).values()) == {0.0}


def test_a_seam_is_the_rms_difference_in_data_units():
    def estimates():
        return [
            (tile, np.full(PLANE.window_shape, 3.0 if tile == 7 else 1.0, np.float32)) for tile in PLANE.tiles_of(0)
        ]

    found = seams(PLANE, 0, estimates())
    assert found[7] == pytest.approx(2.0)
    assert found[1] == pytest.approx(2.0 / 3)  # one of its three neighbours in the shard differs
    assert found[0] == 0.0


def test_seams_ignore_what_was_not_measured():
    def estimates(gap):
        for tile in PLANE.tiles_of(0):
            window = np.full(PLANE.window_shape, float(tile), np.float32)
            window[..., gap] = np.nan
            yield tile, window

    assert seams(PLANE, 0, estimates(slice(0, 0))).keys() == set(PLANE.tiles_of(0))
    assert set(seams(PLANE, 0, estimates(slice(None))).values()) == {None}


def test_there_are_no_seams_without_overlap():
    image = noise(HARD, "float32")
    assert set(seams(HARD, 0, windows(HARD, 0, image)).values()) == {None}
    alone = TileGrid((1, 1, 1, 9, 9), (1, 1, 1, 16, 16), (0, 0, 0, 4, 4), (0, 0, 0, 4, 4), (1, 1, 1, 16, 16))
    assert seams(alone, 0, windows(alone, 0, np.ones(alone.shape, np.float32))) == {0: None}
