"""What a published image says of itself: axes, type, names, sizes; and its chunks, shards and half-size copies."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from tasks.plan import InputPlan
from tasks.tiling import AXES, Five

if TYPE_CHECKING:
    import xarray as xr

SCENE_CHUNK = 512  # px: least side of a scene's chunks, for each is an object of its own
SHARD_SIDE = 2048  # px along y and x
SHARD_PIXELS = 2**22  # small planes share a shard up to so many pixels
LEVEL_SIDE = 1024  # of shards of half-size copies, for each of their pixels is made of four
SMALLEST_LEVEL = 256  # px: below, no further half-size copy
VERDICTS = ("not_restored", "good", "suspect", "failed")  # by their codes in the verdict map
ORIGINS = ("measured", "filled", "missing")  # of pixels, by their codes in the map of filled ones
Value = TypeVar("Value")


@dataclass(frozen=True)
class ImageFacts:
    """Facts of a published image. All shapes are over t, c, z, y, x; `own` picks those of the image's own axes.

    layout: "geo" (a scene that xarray, rioxarray and GDAL read) or "ngff" (OME-Zarr).
    chunk: side of a stored chunk in pixels. channels: their names, or none. pixel_size, units: by axis.
    nodata: of pixels that were not measured. windows: darkest and brightest value to show, per channel.
    joint: channels were restored together, so that one verdict holds for all. first_pixel: where its middle
    lies along an axis, in its unit, if not at 0. fills: which pixels were filled stands in a map.
    """

    name: str
    layout: str
    dims: tuple[str, ...]
    shape: Five
    dtype: str
    chunk: int
    pyramid: bool
    channels: tuple[str, ...]
    pixel_size: dict[str, float]
    units: dict[str, str]
    nodata: float | None
    windows: tuple[tuple[float, float], ...]
    joint: bool
    first_pixel: dict[str, float] = field(default_factory=dict)
    fills: bool = False

    def own(self, values: Iterable[Value]) -> tuple[Value, ...]:
        """Of five values, one per axis, those of the image's own axes."""
        return tuple(value for axis, value in zip(AXES, values, strict=True) if axis in self.dims)

    @property
    def levels(self) -> list[Five]:
        """Shapes of the image and its half-size copies; a scene has none."""
        shapes = [self.shape]
        while self.pyramid and self.layout == "ngff" and max(shapes[-1][3:]) > SMALLEST_LEVEL:
            t, c, z, y, x = shapes[-1]
            shapes.append((t, c, z, -(-y // 2), -(-x // 2)))
        return shapes

    def verdict_shape(self, shape: Five) -> Five:
        """Shape of the verdict map beside an image or a copy of this shape."""
        t, c, z, y, x = shape
        return t, 1 if self.joint else c, z, y, x

    def chunks(self, shape: Five) -> Five:
        """Stored chunks: one plane, a square of it."""
        return 1, 1, 1, min(self.chunk, shape[3]), min(self.chunk, shape[4])

    def shards(self, shape: Five) -> Five:
        """What is written at once: whole chunks, up to a side along y and x, and several planes while they are small.

        One stored object of an OME-Zarr; a scene stores each chunk by itself.
        """
        side = SHARD_SIDE if shape[3:] == self.shape[3:] else LEVEL_SIDE
        y, x = (
            chunk * min(-(-n // chunk), max(1, side // chunk))
            for n, chunk in zip(shape[3:], self.chunks(shape)[3:], strict=True)
        )
        planes = max(1, min(SHARD_PIXELS, side * side) // (y * x))
        leading = [1, 1, 1]
        for axis in (2, 1, 0):
            leading[axis] = min(shape[axis], planes)
            planes = planes // shape[axis] if shape[axis] <= planes else 1
        return leading[0], leading[1], leading[2], y, x


def image_facts(
    entry: InputPlan, source: "xr.DataArray", dtype: str, chunk: int, pyramid: bool, fills: bool = False
) -> ImageFacts:
    """The facts of the image that an input becomes.

    Args:
        entry: the input in its plan.
        source: the input as its reader opened it; only its metadata are looked at.
        dtype: "same", or float32.
        chunk: side of a stored chunk in pixels; of a scene at least SCENE_CHUNK.
        pyramid: whether half-size copies are wanted.
        fills: whether gaps may have been filled.
    """
    kind = np.dtype(source.dtype if dtype == "same" else dtype).newbyteorder("=")
    low, high = entry.survey.low, entry.survey.high
    scene = source.attrs.get("layout") == "geo"
    return ImageFacts(
        name=entry.name,
        layout="geo" if scene else "ngff",
        dims=entry.dims,
        shape=entry.image_grid.shape,
        dtype=kind.name,
        chunk=max(chunk, SCENE_CHUNK) if scene else chunk,
        pyramid=pyramid,
        channels=tuple(str(name) for name in np.atleast_1d(source.coords["c"].values)) if "c" in source.coords else (),
        pixel_size={axis: float(size) for axis, size in source.attrs.get("pixel_size", {}).items()},
        units=dict(source.attrs.get("unit", {})),
        nodata=_fill_value(source.attrs.get("nodata"), kind),
        windows=tuple(_window(a, b) for a, b in zip(low, high, strict=True)),
        joint=entry.grid.tile_counts[1] == 1,
        fills=fills,
        first_pixel={axis: float(at) for axis, at in source.attrs.get("first_pixel", {}).items()},
    )


def _window(low: float, high: float) -> tuple[float, float]:
    """Two different numbers, for viewers divide by their difference."""
    low, high = (float(value) if math.isfinite(value) else 0.0 for value in (low, high))
    return low, high if high > low else low + 1.0


def _fill_value(nodata: Any, dtype: np.dtype[Any]) -> float | None:
    """The nodata value, where the type can hold it; floats have NaN where nothing else was agreed on."""
    if dtype.kind == "f":
        return math.nan if nodata is None else float(nodata)
    if nodata is None or math.isnan(nodata) or nodata != int(nodata):
        return None
    limits = np.iinfo(dtype)
    return int(nodata) if limits.min <= nodata <= limits.max else None
