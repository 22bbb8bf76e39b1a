"""An input as if it had been taken on the grid of its image: the same extent in smaller pixels."""

import json
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import xarray as xr

GRID_MAPPING = "spatial_ref"
SHRINKING = (1, 2, 4, 5)  # of GDAL's GeoTransform: the steps; 0 and 3 are the outer corner, which stays


def finer(source: "xr.DataArray", factor: int) -> "xr.DataArray":
    """The input with `factor` pixels in place of each along y and x: value, place on the ground, size and sampling.

    The borders stay where they are, so that the middle of the first pixel moves outwards by half of what pixels lose.

    Args:
        source: as tasks.readers.open_input gives it; its pixels stay lazy.
        factor: 1 gives the input itself.
    """
    if factor == 1:
        return source
    import dask.array as da
    import xarray as xr

    pixels = da.asarray(source.data)
    for axis in ("y", "x"):
        pixels = da.repeat(pixels, factor, axis=source.dims.index(axis))
    sizes = {axis: source.attrs.get("pixel_size", {}).get(axis, 1.0) / factor for axis in ("y", "x")}
    kept = {
        str(name): value for name, value in source.coords.items() if not {"y", "x"} & set(value.dims) or _runs(value)
    }
    return xr.DataArray(
        pixels,
        dims=source.dims,
        coords={name: _finer_coordinate(value, factor, source) for name, value in kept.items()},
        attrs=source.attrs
        | {
            "pixel_size": {**source.attrs.get("pixel_size", {}), **sizes},
            "first_pixel": {axis: size * (1 - factor) / 2 for axis, size in sizes.items()},
        },
    )


def _runs(coordinate: "xr.DataArray") -> bool:
    """Whether it is that of an axis. What spreads over two can be as large as the image, and is left out."""
    return coordinate.dims == (coordinate.name,)


def _finer_coordinate(
    coordinate: "xr.DataArray", factor: int, source: "xr.DataArray"
) -> "xr.DataArray | tuple[Any, ...]":
    if coordinate.name == GRID_MAPPING:
        return (), coordinate.values, _finer_mapping(dict(coordinate.attrs), factor)
    if coordinate.name in ("y", "x"):
        values = _between(coordinate.values, factor, _step(str(coordinate.name), source))
        return coordinate.dims, values, coordinate.attrs
    return coordinate


def _between(centres: NDArray[Any], factor: int, step: float) -> NDArray[np.float64]:
    """The middles of the parts of each pixel; step: between pixels, where there is but one."""
    place = (np.arange(len(centres) * factor) + 0.5) / factor - 0.5
    if len(centres) == 1:
        return np.asarray(centres[0] + step * place)
    below = np.clip(np.floor(place).astype(int), 0, len(centres) - 2)
    return np.asarray(centres[below] + (place - below) * (centres[below + 1] - centres[below]))


def _step(axis: str, source: "xr.DataArray") -> float:
    told = source.coords[GRID_MAPPING].attrs if GRID_MAPPING in source.coords else {}
    if "GeoTransform" in told:
        return float(told["GeoTransform"].split()[1 if axis == "x" else 5])
    return float(source.attrs.get("pixel_size", {}).get(axis, 1.0))


def _finer_mapping(told: dict[str, Any], factor: int) -> dict[str, Any]:
    """Transform and ground control points of a grid mapping for smaller pixels; all else of it stays."""
    if "GeoTransform" in told:
        numbers = [float(number) for number in told["GeoTransform"].split()]
        numbers = [number / factor if place in SHRINKING else number for place, number in enumerate(numbers)]
        told["GeoTransform"] = " ".join(map(repr, numbers))
    if "gcps" in told:
        points = json.loads(told["gcps"])
        for point in points["features"]:
            for axis in ("row", "col"):
                point["properties"][axis] = float(point["properties"][axis]) * factor
        told["gcps"] = json.dumps(points)
    return told
