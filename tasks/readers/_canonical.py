"""What a reader found + what the catalogue says -> the image that the pipeline works on."""

import math
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.catalog.facts import AXIS_LETTERS, Facts
from tasks.catalog.locations import needed
from tasks.errors import InputError
from tasks.readers._stored import Georeference, Stored
from tasks.readers._window import Window, dask_chunks, remember

if TYPE_CHECKING:
    import xarray as xr

DTYPES = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "float16", "float32", "float64")
COSTLY_CHUNK = 64 * 2**20
LARGEST_PIECE = 4 * 2**30  # bytes that must be decoded at once
LARGEST_IMAGE = 64 * 2**40  # bytes of an input: what is larger was never measured
# How tifffile, xarray and the reader of plain Zarr call axes that have no name.
NAMELESS = re.compile(r"[qi]|dim_\d+|axis\d+")


def canonical(stored: Stored, facts: Facts) -> "xr.DataArray":
    """The image as `open_input` promises it: axes in order, lazy, with coordinates and attributes.

    Raises InputError where type, size, axes or channels are not as supported or not as the facts say.
    """
    import dask.array as da
    import xarray as xr

    if stored.pixels.dtype.name not in DTYPES:
        raise InputError(
            f"{stored.uri}: pixels of type {stored.pixels.dtype.name} are not supported; allowed: {', '.join(DTYPES)}."
        )
    if len(stored.pixels.shape) < 2:
        raise InputError(f"{stored.uri} is not an image: its shape is {stored.pixels.shape}.")
    if not all(stored.pixels.shape):
        raise InputError(f"{stored.uri} holds no pixels: its shape is {stored.pixels.shape}.")
    pieces = tuple(map(min, stored.chunks, stored.pixels.shape))
    _require_bearable(stored, math.prod(pieces))
    names = _named(stored, facts)
    dims = tuple(letter for letter in AXIS_LETTERS if letter in names)
    axes = tuple(names.index(letter) for letter in dims)
    window = Window(stored.uri, stored.pixels, axes)
    pieces = tuple(pieces[axis] for axis in axes)
    lazy = da.from_array(
        window,
        chunks=dask_chunks(pieces, window.shape, window.dtype.itemsize),
        name=False,
        meta=np.empty((0,) * window.ndim, window.dtype),
    )
    remember(lazy.name, window)
    image = _with_channels(xr.DataArray(lazy, dims=dims), stored, facts)
    image, geo = _georeferenced(image, stored, facts)
    image.attrs = _attributes(image, stored, facts, geo) | {"source_chunks": dict(zip(dims, pieces, strict=True))}
    return image


def _require_bearable(stored: Stored, piece: int) -> None:
    """Refuse what no instrument writes, before any memory is asked for. Raises InputError. piece: in pixels."""
    size = stored.pixels.dtype.itemsize
    if math.prod(stored.pixels.shape) * size > LARGEST_IMAGE:
        raise InputError(
            f"{stored.uri} says that it is {stored.pixels.shape}: {_tebibytes(stored.pixels.shape, size)} TiB, and "
            f"{LARGEST_IMAGE >> 40} are allowed; check the file, or split it into several inputs."
        )
    if piece * size > LARGEST_PIECE:
        raise InputError(
            f"{stored.uri} can only be read in pieces of {piece * size / 2**30:.1f} GiB ({stored.chunks}), and "
            f"{LARGEST_PIECE >> 30} are allowed; write it again in smaller tiles, strips or chunks."
        )


def _tebibytes(shape: tuple[int, ...], size: int) -> str:
    return f"{math.prod(shape) * size / 2**40:,.0f}"


def _named(stored: Stored, facts: Facts) -> list[str]:
    """A letter, or '' for an axis to drop, for each stored axis."""
    shape = stored.pixels.shape
    if facts.axes is not None:
        if len(facts.axes) != len(shape):
            raise InputError(
                f"{stored.uri}: axes '{facts.axes}' name {len(facts.axes)} axes, but the image has {len(shape)}: "
                f"{_described(stored)}."
            )
        return list(facts.axes)
    names = [dim if dim in AXIS_LETTERS else "" for dim in stored.dims]
    unnamed = [axis for axis, name in enumerate(names) if not name and shape[axis] > 1]
    # Planes that nobody named are far more often a stack than anything else; what has another name is something else.
    if len(unnamed) == 1 and names.count("") == len(shape) - 2 and NAMELESS.fullmatch(stored.dims[unnamed[0]]):
        names[unnamed[0]] = "z"
    elif unnamed:
        free = iter(letter for letter in "ztc" if letter not in names)
        example = "".join(name or next(free, "?") for name in names)
        raise InputError(
            f"{stored.uri}: the axes {_described(stored)} need names; set 'axes' in the catalogue, e.g. '{example}'."
        )
    if not {"y", "x"} <= set(names) or any(names.count(letter) > 1 for letter in AXIS_LETTERS):
        raise InputError(
            f"{stored.uri} is not an image: its axes are {_described(stored)}, expected y and x among them."
        )
    return names


def _described(stored: Stored) -> str:
    return ", ".join(f"{dim}={n}" for dim, n in zip(stored.dims, stored.pixels.shape, strict=True))


def _with_channels(image: "xr.DataArray", stored: Stored, facts: Facts) -> "xr.DataArray":
    count = image.sizes.get("c", 1)
    if facts.channels is not None and len(facts.channels) != count:
        raise InputError(
            f"{stored.uri} has {count} channel(s), but the catalogue names {len(facts.channels)}: "
            f"{', '.join(facts.channels)}."
        )
    if "c" not in image.dims:
        return image
    names = facts.channels or (
        stored.channels if len(stored.channels) == count else tuple(f"c{i}" for i in range(count))
    )
    return image.assign_coords(c=np.array(names, dtype=str))


def _georeferenced(image: "xr.DataArray", stored: Stored, facts: Facts) -> tuple["xr.DataArray", Georeference | None]:
    """The image with `spatial_ref`, and with coordinates along y and x where the grid runs along the axes."""
    geo = stored.georeference
    crs = facts.crs or (geo.crs if geo else None)
    if geo is None and crs is None:
        return image, None
    geo = geo or Georeference()
    needed("rioxarray", "geo", stored.uri)
    if crs is not None:
        try:
            image = image.rio.write_crs(crs)
        except Exception as error:
            raise InputError(
                f"{stored.uri}: '{crs}' is not a coordinate reference system, e.g. 'EPSG:32633'."
            ) from error
    if geo.gcps:
        image = image.rio.write_gcps(geo.gcps, None)
    if geo.transform is not None:
        from affine import Affine

        image = image.rio.write_transform(Affine(*geo.transform))
    image = image.assign_coords(_centres(image, geo))
    return image.rio.write_coordinate_system() if "y" in image.coords else image, geo


def _centres(image: "xr.DataArray", geo: Georeference) -> dict[str, Any]:
    """Coordinates of the pixel centres along y and x; none where the grid is rotated."""
    if geo.y is not None and geo.x is not None:
        return {"y": geo.y, "x": geo.x}
    if geo.transform is None or geo.transform[1] or geo.transform[3]:
        return {}
    a, _, c, _, e, f = geo.transform[:6]
    return {"y": f + e * (np.arange(image.sizes["y"]) + 0.5), "x": c + a * (np.arange(image.sizes["x"]) + 0.5)}


def _attributes(image: "xr.DataArray", stored: Stored, facts: Facts, geo: Georeference | None) -> dict[str, Any]:
    size, unit = dict(stored.pixel_size), dict(stored.unit)
    if geo is not None and geo.transform is not None:
        a, b, _, d, e, _ = geo.transform[:6]
        size |= {"x": math.hypot(a, d), "y": math.hypot(b, e)}
        unit |= dict.fromkeys("yx", _ground_unit(image))
    if facts.pixel_size is not None:
        given = {letter: getattr(facts.pixel_size, letter) for letter in "tzyx"}
        size |= {letter: value for letter, value in given.items() if value is not None}
        unit |= {letter: "second" if letter == "t" else facts.pixel_size.unit for letter in given if given[letter]}
    scaling = {"scale_factor": stored.scale_factor, "add_offset": stored.add_offset}
    return {
        "layout": "ngff" if geo is None else "geo",
        "pixel_size": {str(dim): float(size[str(dim)]) for dim in image.dims if dim in size},
        "unit": {str(dim): unit[str(dim)] for dim in image.dims if dim in unit},
        "nodata": facts.nodata if facts.nodata is not None else stored.nodata,
        "notes": [*stored.notes, *_costly(stored)],
    } | {key: value for key, value in scaling.items() if value is not None}


def _ground_unit(image: "xr.DataArray") -> str:
    crs = image.rio.crs
    if crs is None:
        return "metre"
    return "degree" if crs.is_geographic else str(crs.linear_units).lower().replace("meter", "metre")


def _costly(stored: Stored) -> list[str]:
    size = math.prod(min(c, n) for c, n in zip(stored.chunks, stored.pixels.shape, strict=True))
    size *= stored.pixels.dtype.itemsize
    if size <= COSTLY_CHUNK:
        return []
    return [f"Stored in pieces of {size / 2**20:.0f} MiB, each of which is read whole for any window in it; use tiles."]
