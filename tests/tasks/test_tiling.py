"""TileGrid: pure integer geometry, any size."""

import itertools

import pytest
from contracts import tile_grid
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.tiling import Box, TileGrid, boxes

EVERY_CHECK = [
    tile_grid.check_cores_partition,
    tile_grid.check_windows,
    tile_grid.check_shards,
    tile_grid.check_tiles_behind,
]


def plane(y: int, x: int, core: int, halo: int, ramp: int, shard: int) -> TileGrid:
    """A grid of one plane."""
    return TileGrid(
        (1, 1, 1, y, x), (1, 1, 1, core, core), (0, 0, 0, halo, halo), (0, 0, 0, ramp, ramp), (1, 1, 1, shard, shard)
    )


@pytest.mark.parametrize("check", EVERY_CHECK)
@given(grid=tile_grid.grids())
@settings(max_examples=60, deadline=None)
def test_contract(check, grid):
    check(grid)


@pytest.mark.parametrize("check", EVERY_CHECK)
@pytest.mark.parametrize(("y", "x"), [(1, 1), (17, 3), (3, 17), (31, 33), (64, 64), (65, 129), (300, 5)])
def test_contract_holds_for_awkward_sizes(check, y, x):
    check(plane(y, x, core=16, halo=8, ramp=4, shard=32))


@given(grid=tile_grid.grids(), data=st.data())
@settings(max_examples=80, deadline=None)
def test_shards_near_a_box_are_complete(grid, data):
    start = [data.draw(st.integers(0, n - 1)) for n in grid.shape]
    stop = [data.draw(st.integers(a + 1, n)) for a, n in zip(start, grid.shape, strict=True)]
    tile_grid.check_shards_near(grid, Box(tuple(start), tuple(stop)))


@given(grid=tile_grid.grids())
@settings(max_examples=40, deadline=None)
def test_boxes_partition_a_shape(grid):
    assert list(boxes(grid.shape, grid.core)) == [grid.tile_core(tile) for tile in range(grid.tiles)]


def test_no_stored_object_has_two_writers():
    grid = plane(200, 130, core=16, halo=4, ramp=4, shard=32)
    writers = [set(grid.tiles_of(shard)) for shard in range(grid.shards)]
    assert not any(one & other for one, other in itertools.combinations(writers, 2))


def test_windows_at_the_border_shift_inwards():
    grid = plane(100, 100, core=40, halo=8, ramp=4, shard=40)
    assert grid.tile_window(0) == Box((0, 0, 0, 0, 0), (1, 1, 1, 56, 56))
    assert grid.tile_window(8) == Box((0, 0, 0, 44, 44), (1, 1, 1, 100, 100))


@pytest.mark.parametrize(
    ("halo", "ramp", "shard", "said"),
    [
        (2, 4, 32, "halo >= 4"),
        (8, 9, 32, "halo >= 9"),
        (9, 9, 32, "tiles >= 18"),
        (4, 4, 30, "cuts tiles"),
        (-1, 0, 32, "grid"),
    ],
)
def test_contradictions_are_told(halo, ramp, shard, said):
    with pytest.raises(ValueError, match=said):
        plane(64, 64, core=16, halo=halo, ramp=ramp, shard=shard)


def test_there_is_no_tile_behind_the_last():
    grid = plane(64, 64, core=16, halo=4, ramp=4, shard=32)
    with pytest.raises(IndexError, match="16"):
        grid.tile_core(16)
    with pytest.raises(IndexError, match="-1"):
        grid.shard_core(-1)
