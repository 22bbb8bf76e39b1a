"""The tiles of a shard, read at once."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from tasks.guides import guide_window
from tasks.measured import Pixels, Valid, measured_pixels, read_box
from tasks.plan import InputPlan
from tasks.problems import Window, seed_of
from tasks.tiling import Box, TileGrid

if TYPE_CHECKING:
    import xarray as xr

Value = TypeVar("Value", bound=np.generic)


@dataclass(frozen=True)
class Tile:
    """A tile as it was read. core: the rows and columns of its window that it owns, in measured pixels.

    seen: which pixels of its window each channel measured, (c, h, w).
    """

    shard: int
    number: int
    window: Window
    core: tuple[slice, slice]
    seen: Valid

    @property
    def entry(self) -> InputPlan:
        """The input that it belongs to."""
        return self.window.entry

    @property
    def measured(self) -> Pixels:
        """Raw values (c, h, w) on the grid of the image, each pixel with that in which it lies."""
        return _repeated(self.window.raw, self.entry.factor)

    @property
    def valid(self) -> Valid:
        """Which pixels (h, w) of the grid of the image lie in measured ones."""
        return _repeated(self.window.valid, self.entry.factor)

    @property
    def image_core(self) -> tuple[slice, slice]:
        """What it owns, on the grid of the image."""
        grid = self.entry.image_grid
        rows, columns = grid.tile_core(self.number).within(grid.tile_window(self.number))[3:]
        return rows, columns

    @property
    def is_empty(self) -> bool:
        """Nothing was measured, or one value only: there is nothing to restore, and the tile is copied through."""
        values = self.window.raw[:, self.window.valid]
        return values.size == 0 or bool((values.max(1) == values.min(1)).all())


def read_tiles(
    entry: InputPlan, array: "xr.DataArray", tiles: list[int], run_seed: int, collection: str
) -> Iterator[Tile]:
    """Some tiles in their order; the box that holds them all is read in one go.

    Raises:
        InputError: the input cannot be read.
    """
    grid = entry.grid
    box = _hull([grid.tile_window(tile) for tile in tiles])
    values = read_box(array, box)
    measured = measured_pixels(array, box, values, joint=False)
    for tile in tiles:
        window, core = grid.tile_window(tile), grid.tile_core(tile)
        part = window.within(box)
        read = Window(
            entry=entry,
            channels=slice(window.start[1], window.stop[1]),
            raw=values[part][0, :, 0].astype(np.float32),
            valid=np.asarray(measured[part].all(axis=1))[0, 0],
            seed=seed_of(run_seed, collection, entry.name, f"tile {tile}"),
            guide=None if entry.guide is None else guide_window(array, entry.guide, window),
        )
        rows, columns = core.within(window)[3:]
        yield Tile(grid.shard_of(tile), tile, read, (rows, columns), np.asarray(measured[part])[0, :, 0])


def place_of(grid: TileGrid, tile: int) -> dict[str, int]:
    """Where a tile lies, in the columns of the convergence table."""
    core = grid.tile_core(tile)
    t, c, z, y0, x0 = core.start
    joint = grid.core[1] == grid.shape[1] and grid.shape[1] > 1
    return {"t": t, "c": -1 if joint else c, "z": z, "y0": y0, "x0": x0, "h": core.shape[3], "w": core.shape[4]}


def _hull(boxes: list[Box]) -> Box:
    starts = zip(*(box.start for box in boxes), strict=True)
    stops = zip(*(box.stop for box in boxes), strict=True)
    t, c, z, y, x = (min(values) for values in starts)
    t_, c_, z_, y_, x_ = (max(values) for values in stops)
    return Box((t, c, z, y, x), (t_, c_, z_, y_, x_))


def _repeated(plane: NDArray[Value], factor: int) -> NDArray[Value]:
    return plane.repeat(factor, -2).repeat(factor, -1) if factor > 1 else plane
