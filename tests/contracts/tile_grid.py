"""What every TileGrid promises, and the strategy that draws grids of all kinds."""

import itertools
import math
from collections import Counter
from collections.abc import Callable, Iterator

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from tasks.tiling import Box, Five, TileGrid

_MANY = 40_000  # pixels: more teach nothing new


@st.composite
def grids(draw: st.DrawFn, planes: bool = True) -> TileGrid:
    """Any valid grid: 1 x 1, smaller than a tile, odd, stacks, channels, with and without ramps, several shards."""
    axes = [draw(_axis(12 if number < 3 else 90, planes or number >= 3)) for number in range(5)]
    while math.prod(axis[0] for axis in axes) > _MANY:
        largest = max(range(5), key=lambda number: axes[number][0])
        axes[largest] = (axes[largest][0] // 2, *axes[largest][1:])
    return TileGrid(*(tuple(column) for column in zip(*axes, strict=True)))


@st.composite
def _axis(draw: st.DrawFn, most: int, open_: bool) -> tuple[int, int, int, int, int]:
    n = draw(st.integers(1, most)) if open_ else 1
    core = draw(st.integers(1, max(1, n + 3)))
    ramp = draw(st.integers(0, core // 2))
    halo = ramp + draw(st.integers(0, 5))
    return n, core, halo, ramp, core * draw(st.integers(1, 4))


def windows(grid: TileGrid, shard: int, image: NDArray[np.float32]) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """The estimates of a method that returns what it sees."""
    return ((tile, image[grid.tile_window(tile).slices]) for tile in grid.tiles_of(shard))


def check_cores_partition(grid: TileGrid) -> None:
    """Every pixel of the input is owned by one tile and by one shard, and no core leaves the input."""
    for count, core in ((grid.tiles, grid.tile_core), (grid.shards, grid.shard_core)):
        owners = np.zeros(grid.shape, np.int32)
        for number in range(count):
            box = core(number)
            assert box.meet(grid.whole) == box
            owners[box.slices] += 1
        assert (owners == 1).all()


def check_windows(grid: TileGrid) -> None:
    """All windows are of one shape, lie inside the input, and hold the tile's core and what it blends."""
    for tile in range(grid.tiles):
        window, reach = grid.tile_window(tile), grid.tile_reach(tile)
        assert window.shape == grid.window_shape
        assert window.meet(grid.whole) == window
        assert window.meet(reach) == reach
        assert reach.meet(grid.tile_core(tile)) == grid.tile_core(tile)
        assert all(0 <= part.start < part.stop for part in reach.within(window))


def check_shards(grid: TileGrid) -> None:
    """Shards are whole tiles: every tile in one of them, and what its tiles reach is its box, and fits into storage."""
    members = Counter(tile for shard in range(grid.shards) for tile in grid.tiles_of(shard))
    assert members == Counter(range(grid.tiles))
    for shard in range(grid.shards):
        tiles, box = grid.tiles_of(shard), grid.shard_box(shard)
        assert tiles == sorted(tiles)
        assert all(grid.shard_of(tile) == shard for tile in tiles)
        reaches = [grid.tile_reach(tile) for tile in tiles]
        assert box == Box(_edge(min, [r.start for r in reaches]), _edge(max, [r.stop for r in reaches]))
        assert sum(math.prod(grid.tile_core(tile).shape) for tile in tiles) == math.prod(grid.shard_core(shard).shape)
        assert all(n <= most for n, most in zip(box.shape, grid.shard_box_shape, strict=True))


def check_shards_near(grid: TileGrid, box: Box) -> None:
    """The shards near a box are exactly those whose box holds a pixel of it, in order."""
    near = [shard for shard in range(grid.shards) if grid.shard_box(shard).meet(box)]
    assert grid.shards_near(box) == near


def check_tiles_behind(grid: TileGrid) -> None:
    """The tile behind another owns the pixels that follow it along that axis, and no others do."""
    for tile, axis in itertools.product(range(grid.tiles), range(5)):
        core, behind = grid.tile_core(tile), grid.tile_behind(tile, axis)
        if behind is None:
            assert core.stop[axis] == grid.shape[axis]
            continue
        other = grid.tile_core(behind)
        assert other.start[axis] == core.stop[axis]
        assert all(other.start[a] == core.start[a] for a in range(5) if a != axis)


def _edge(choose: Callable[[tuple[int, ...]], int], corners: list[Five]) -> tuple[int, ...]:
    return tuple(choose(values) for values in zip(*corners, strict=True))
