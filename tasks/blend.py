"""Overlapping tiles -> shards with their margins -> final pixels, by linear ramps across the borders between tiles.

A shard holds the weighted sum of its own tiles. The weights of all tiles of an input add up to 1 at every pixel, so the
sum of all shards that hold a pixel is its value, and no weights need to be stored. NaN says "not measured: copy the
source here"; whether a pixel was measured does not depend on the tile that looks at it, and NaN survives every weight.
"""

from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from tasks.tiling import Box, TileGrid

Pixels = NDArray[np.float32]
Estimates = Iterable[tuple[int, Pixels]]  # tile, its pixels in the shape of the grid's windows


def tile_weights(grid: TileGrid, tile: int) -> list[Pixels]:
    """The weights of a tile over its reach: five vectors, one per axis, that broadcast to their product.

    A pixel to which no other tile contributes has the weight 1 exactly.
    """
    core, reach = grid.tile_core(tile), grid.tile_reach(tile)
    weights = []
    for axis, (n, ramp) in enumerate(zip(grid.shape, grid.ramp, strict=True)):
        vector = np.ones(reach.shape[axis], np.float32)
        pixels = np.arange(reach.start[axis], reach.stop[axis])
        if core.start[axis] > 0:
            vector *= _rise(pixels - (core.start[axis] - ramp), ramp)
        if core.stop[axis] < n:
            vector *= _rise(core.stop[axis] + ramp - 1 - pixels, ramp)
        weights.append(vector.reshape([-1 if other == axis else 1 for other in range(5)]))
    return weights


def blend(grid: TileGrid, shard: int, estimates: Estimates) -> Pixels:
    """The weighted sum of a shard's tiles.

    Args:
        grid: of the input.
        shard: number of the shard.
        estimates: every tile of the shard once, in the order of their numbers: the sum of three numbers depends on the
            order, and a lot that is done twice must write the same bytes.

    Returns:
        Pixels of shape grid.shard_box(shard).shape, in data units.

    Raises:
        ValueError: a tile is missing, double, out of order or of another shape.
    """
    box = grid.shard_box(shard)
    image = np.zeros(box.shape, np.float32)
    left = grid.tiles_of(shard)[::-1]
    for tile, estimate in estimates:
        if not left or tile != left.pop():
            raise ValueError(f"Shard {shard} got tile {tile}; wanted were {grid.tiles_of(shard)}, each once, in order.")
        reach = grid.tile_reach(tile)
        part = _seen(grid, tile, reach, estimate).copy()
        for weights in tile_weights(grid, tile):
            if not np.all(weights == 1):
                part *= weights
        image[reach.within(box)] += part
    if left:
        raise ValueError(f"Shard {shard} lacks the tiles {left[::-1]}.")
    return image


def join(grid: TileGrid, box: Box, read: Callable[[int, Box], Pixels]) -> Pixels:
    """The pixels of a box: the sum of the parts of all shards that hold some of them.

    Args:
        grid: of the input.
        box: of the input.
        read: gives the part of a stored shard that lies in a box, which lies in grid.shard_box(shard).

    Returns:
        Pixels of shape box.shape.
    """
    image = np.zeros(box.shape, np.float32)
    for shard in grid.shards_near(box):
        part = grid.shard_box(shard).meet(box)
        if part is not None:
            image[part.within(box)] += read(shard, part)
    return image


def seams(grid: TileGrid, shard: int, estimates: Estimates) -> dict[int, float | None]:
    """How much tiles differ from those beside them, where both contribute: rms in data units, mean of the neighbours.

    Tiles of other shards are not compared: what they said is stored only after it was weighted.

    Returns:
        One number per tile of the shard; None where a tile overlaps with no other that was measured there.
    """
    known = dict(estimates)
    found: dict[int, list[float]] = {tile: [] for tile in grid.tiles_of(shard)}
    for tile, axis in ((tile, axis) for tile in found for axis in range(5)):
        other = grid.tile_behind(tile, axis)
        if other not in found:
            continue
        both = grid.tile_reach(tile).meet(grid.tile_reach(other))
        if both is None:
            continue
        difference = _seen(grid, tile, both, known[tile]) - _seen(grid, other, both, known[other])
        square = np.square(difference[~np.isnan(difference)], dtype=np.float64)
        if square.size:
            rms = float(np.sqrt(square.mean()))
            found[tile].append(rms)
            found[other].append(rms)
    return {tile: sum(each) / len(each) if each else None for tile, each in found.items()}


def _rise(position: NDArray[np.int64], ramp: int) -> Pixels:
    """0 ... 1 over twice the ramp, at the centres of pixels; the tile on the other side falls by the same formula."""
    if ramp == 0:
        return np.ones(position.shape, np.float32)
    return np.minimum((position + 0.5) / (2 * ramp), 1.0).astype(np.float32)


def _seen(grid: TileGrid, tile: int, box: Box, estimate: Pixels) -> Pixels:
    """The part of a tile's estimate that lies in a box within its window."""
    if estimate.shape != grid.window_shape:
        raise ValueError(f"Tile {tile} has the shape {estimate.shape}; the grid's windows are {grid.window_shape}.")
    return estimate[box.within(grid.tile_window(tile))]
