"""TileGrid: where tiles, shards and their margins lie. Pure integer geometry over the axes t, c, z, y, x."""

import itertools
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

AXES = ("t", "c", "z", "y", "x")
Five = tuple[int, int, int, int, int]


@dataclass(frozen=True)
class Box:
    """A box of pixels: first pixel and the one behind the last, along t, c, z, y, x."""

    start: Five
    stop: Five

    @property
    def shape(self) -> Five:
        """Pixels along each axis."""
        return _five(b - a for a, b in zip(self.start, self.stop, strict=True))

    @property
    def slices(self) -> tuple[slice, ...]:
        """The box as an index."""
        return tuple(slice(a, b) for a, b in zip(self.start, self.stop, strict=True))

    def within(self, other: "Box") -> tuple[slice, ...]:
        """This box as an index into an array that holds `other`."""
        return tuple(slice(a - o, b - o) for a, b, o in zip(self.start, self.stop, other.start, strict=True))

    def meet(self, other: "Box") -> "Box | None":
        """The pixels that lie in both, or None."""
        start = _five(map(max, self.start, other.start))
        stop = _five(map(min, self.stop, other.stop))
        return Box(start, stop) if all(a < b for a, b in zip(start, stop, strict=True)) else None


@dataclass(frozen=True)
class TileGrid:
    """Tiles and shards of one input.

    shape: pixels of the input. core: pixels that a tile owns; the last tile of an axis may own fewer.
    halo: pixels that a tile borrows on either side. All windows (core and halo) of an input have one shape: at the
    border they shift inwards, so that tiles fit into one batch; an input smaller than a window is one window.
    ramp: on either side of the border between two cores, pixels over which the two are blended; 0 cuts there.
    shard: pixels of a shard, a multiple of core along each axis. Tiles and shards are numbered in row-major order.

    Raises ValueError where halo < ramp or core < 2 ramp (three tiles would meet in one place), or a shard cuts a tile.
    """

    shape: Five
    core: Five
    halo: Five
    ramp: Five
    shard: Five

    def __post_init__(self) -> None:
        """Check the geometry, axis by axis."""
        for axis, n, core, halo, ramp, shard in zip(
            AXES, self.shape, self.core, self.halo, self.ramp, self.shard, strict=True
        ):
            if n < 1 or core < 1 or min(halo, ramp) < 0:
                raise ValueError(f"Axis {axis}: {n} pixels in tiles of {core} with halo {halo}: not a grid.")
            if ramp > halo or 2 * ramp > core:
                raise ValueError(
                    f"Axis {axis}: a ramp of {ramp} px needs a halo >= {ramp} px and tiles >= {2 * ramp} px."
                )
            if shard % core:
                raise ValueError(
                    f"Axis {axis}: a shard of {shard} px cuts tiles of {core} px; use a multiple of {core}."
                )

    def enlarged(self, factor: int) -> "TileGrid":
        """The same tiles and shards on a grid `factor` times as fine along y and x: windows lie upon their windows."""
        sizes = (self.shape, self.core, self.halo, self.ramp, self.shard)
        return TileGrid(*(_five((t, c, z, y * factor, x * factor)) for t, c, z, y, x in sizes))

    @property
    def tile_counts(self) -> Five:
        """Tiles along each axis."""
        return _five(-(-n // core) for n, core in zip(self.shape, self.core, strict=True))

    @property
    def shard_counts(self) -> Five:
        """Shards along each axis."""
        return _five(-(-n // shard) for n, shard in zip(self.shape, self.shard, strict=True))

    @property
    def tiles(self) -> int:
        """Number of tiles."""
        return math.prod(self.tile_counts)

    @property
    def shards(self) -> int:
        """Number of shards."""
        return math.prod(self.shard_counts)

    @property
    def window_shape(self) -> Five:
        """Pixels of every tile's window."""
        return _five(min(n, core + 2 * halo) for n, core, halo in zip(self.shape, self.core, self.halo, strict=True))

    @property
    def whole(self) -> Box:
        """All pixels of the input."""
        return Box((0, 0, 0, 0, 0), self.shape)

    def tile_core(self, tile: int) -> Box:
        """The pixels that a tile owns."""
        return _cell(tile, self.tile_counts, self.core, self.shape)

    def tile_window(self, tile: int) -> Box:
        """Core and halo, shifted inwards at the border of the input."""
        core = self.tile_core(tile)
        start = _five(
            max(0, min(a - halo, n - size))
            for a, halo, n, size in zip(core.start, self.halo, self.shape, self.window_shape, strict=True)
        )
        return Box(start, _five(map(int.__add__, start, self.window_shape)))

    def tile_reach(self, tile: int) -> Box:
        """The pixels to which a tile contributes: core and ramp."""
        return self._grown(self.tile_core(tile))

    def shard_core(self, shard: int) -> Box:
        """The pixels that a shard owns."""
        return _cell(shard, self.shard_counts, self.shard, self.shape)

    def shard_box(self, shard: int) -> Box:
        """Core and margins of a shard: all pixels to which its tiles contribute."""
        return self._grown(self.shard_core(shard))

    @property
    def shard_box_shape(self) -> Five:
        """The largest shape of a shard with its margins: what is stored per shard."""
        return _five(min(n, shard + 2 * ramp) for n, shard, ramp in zip(self.shape, self.shard, self.ramp, strict=True))

    def tiles_of(self, shard: int) -> list[int]:
        """The tiles of a shard, in order."""
        return list(_numbers(self.shard_core(shard), self.core, self.tile_counts))

    def tile_behind(self, tile: int, axis: int) -> int | None:
        """The next tile along an axis, or None behind the last."""
        stride = math.prod(self.tile_counts[axis + 1 :])
        last = tile // stride % self.tile_counts[axis] == self.tile_counts[axis] - 1
        return None if last else tile + stride

    def shard_of(self, tile: int) -> int:
        """The shard that a tile belongs to."""
        return next(_numbers(self.tile_core(tile), self.shard, self.shard_counts))

    def shards_near(self, box: Box) -> list[int]:
        """The shards whose core or margins hold a pixel of the box, in order."""
        return list(_numbers(self._grown(box), self.shard, self.shard_counts))

    def _grown(self, box: Box) -> Box:
        return Box(
            _five(max(0, a - ramp) for a, ramp in zip(box.start, self.ramp, strict=True)),
            _five(min(n, b + ramp) for b, ramp, n in zip(box.stop, self.ramp, self.shape, strict=True)),
        )


def boxes(shape: Five, size: Five) -> Iterator[Box]:
    """Boxes of one size that partition a shape, in row-major order; the last of an axis may be smaller."""
    counts = _five(-(-n // s) for n, s in zip(shape, size, strict=True))
    return (_cell(number, counts, size, shape) for number in range(math.prod(counts)))


def _cell(number: int, counts: Five, size: Five, shape: Five) -> Box:
    if not 0 <= number < math.prod(counts):
        raise IndexError(f"There is no cell {number}: the grid has {math.prod(counts)}.")
    place = []
    for count in reversed(counts):
        number, index = divmod(number, count)
        place.append(index)
    start = _five(i * s for i, s in zip(reversed(place), size, strict=True))
    return Box(start, _five(min(n, a + s) for a, s, n in zip(start, size, shape, strict=True)))


def _numbers(box: Box, size: Five, counts: Five) -> Iterator[int]:
    """Row-major numbers of the cells that hold a pixel of the box."""
    ranges = [range(a // s, -(-b // s)) for a, b, s in zip(box.start, box.stop, size, strict=True)]
    for place in itertools.product(*ranges):
        number = 0
        for index, count in zip(place, counts, strict=True):
            number = number * count + index
        yield number


def _five(values: Iterable[int]) -> Five:
    t, c, z, y, x = values
    return int(t), int(c), int(z), int(y), int(x)
