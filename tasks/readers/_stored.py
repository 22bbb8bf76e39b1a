"""An image as a reader found it, before the facts are applied."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Scaling = float | list[float]


class Pixels(Protocol):
    """Pixels that are read when indexed, with one slice per axis, steps of 1 only."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Pixels along each axis."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type as stored."""

    def __getitem__(self, index: tuple[slice, ...]) -> Any:
        """A block of pixels, something that numpy.asarray takes."""


@dataclass(frozen=True)
class Georeference:
    """Where an image lies on the ground.

    crs: text that pyproj knows. transform: a, b, c, d, e, f with x = a column + b row + c and y = d column + e row + f
    at the corner of a pixel. gcps: ground control points as rasterio has them. y, x: coordinates of the pixel centres,
    where the file has its own.
    """

    crs: str | None = None
    transform: tuple[float, ...] | None = None
    gcps: tuple[Any, ...] = ()
    y: NDArray[np.float64] | None = None
    x: NDArray[np.float64] | None = None


@dataclass(frozen=True)
class Stored:
    """An image as a reader found it.

    dims: name of each stored axis: a letter of 'tczyx', or any other where the file does not say.
    chunks: along each stored axis, the smallest piece that can be read by itself.
    pixel_size, unit: by letter, where the file says.
    """

    uri: str
    pixels: Pixels
    dims: tuple[str, ...]
    chunks: tuple[int, ...]
    channels: tuple[str, ...] = ()
    pixel_size: Mapping[str, float] = field(default_factory=dict)
    unit: Mapping[str, str] = field(default_factory=dict)
    nodata: float | None = None
    scale_factor: Scaling | None = None
    add_offset: Scaling | None = None
    georeference: Georeference | None = None
    notes: tuple[str, ...] = ()
