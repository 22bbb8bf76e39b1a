"""Scenes as xarray and rioxarray read them: a Zarr v3 group with CF grid mapping. All but pixels is made in memory."""

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.encoding import compressor, stored
from tasks.image_facts import VERDICTS, ImageFacts

if TYPE_CHECKING:
    import xarray as xr

IMAGE = "image"
VERDICT = "verdict"
_GRID_MAPPING = "spatial_ref"
_KEPT = ("units", "long_name", "standard_name", "AREA_OR_POINT")


def geo_documents(facts: ImageFacts, source: "xr.DataArray") -> dict[str, bytes]:
    """Metadata, coordinates and grid mapping of the store by name; "zarr.json" is the root.

    Channels become the axis `band`, whose coordinate holds their names. Rotated grids and ground control points stand
    in `spatial_ref`; coordinates with more than one axis are left out, for they can be as large as the image.

    Args:
        facts: of the image.
        source: the scene as its reader opened it; pixels are not read.
    """
    import dask.array
    import xarray as xr
    from zarr.storage import MemoryStore

    dims = verdict_dims(facts)
    kept = [axis for axis in facts.dims if axis in dims]
    shapes = dict(zip(facts.dims, facts.own(facts.shape), strict=True))
    whole = dask.array.zeros(facts.own(facts.shape), dtype=facts.dtype, chunks=-1)
    flags = dask.array.zeros([shapes[axis] for axis in kept], dtype="uint8", chunks=-1)
    mapped = {"grid_mapping": _GRID_MAPPING} if _GRID_MAPPING in source.coords else {}
    dataset = xr.Dataset(
        {
            IMAGE: (_named(facts.dims), whole, {**_image_attributes(facts, source), **mapped}),
            VERDICT: (_named(kept), flags, {**_verdict_attributes(), **mapped}),
        },
        coords=_coordinates(facts, source),
        attrs={"Conventions": "CF-1.11"},
    )
    dataset[IMAGE].encoding = _encoding(facts, facts.dims)
    dataset[VERDICT].encoding = _encoding(facts, kept)
    store = MemoryStore()
    dataset.to_zarr(store, compute=False, zarr_format=3, consolidated=False)
    return stored(store)


def verdict_dims(facts: ImageFacts) -> tuple[str, ...]:
    """Axes of the verdict map: without channels where one verdict holds for all."""
    return tuple(axis for axis in facts.dims if axis != "c" or not facts.joint)


def _named(dims: Any) -> list[str]:
    return ["band" if axis == "c" else axis for axis in dims]


def _encoding(facts: ImageFacts, dims: Any) -> dict[str, Any]:
    """Chunks and shards of a variable."""
    own = [axis in dims for axis in facts.dims]
    chunks, shards = (
        tuple(n for n, has in zip(facts.own(shape), own, strict=True) if has)
        for shape in (facts.chunks(facts.shape), facts.shards(facts.shape))
    )
    encoding: dict[str, Any] = {"chunks": chunks, "compressors": (compressor(),)}
    return encoding if shards == chunks else {**encoding, "shards": shards}


def _image_attributes(facts: ImageFacts, source: "xr.DataArray") -> dict[str, Any]:
    """Raw counts stay raw; what they mean stands beside them, and a reader that follows CF applies it."""
    found: dict[str, Any] = {name: _plain(source.attrs[name]) for name in _KEPT if name in source.attrs}
    if facts.channels:
        found["long_name"] = list(facts.channels)
    found |= _scaling(source)
    if facts.nodata is not None:
        found["_FillValue"] = np.dtype(facts.dtype).type(facts.nodata)
    return found


def _scaling(source: "xr.DataArray") -> dict[str, Any]:
    """CF knows one scale for all bands; where bands differ, theirs are kept under names that nobody applies."""
    given: dict[str, Any] = {
        "scale_factor": source.attrs.get("scale_factor"),
        "add_offset": source.attrs.get("add_offset"),
    }
    if any(isinstance(value, list | tuple | np.ndarray) for value in given.values()):
        return {f"band_{name}": _plain(value) for name, value in given.items() if value is not None}
    scale, offset = float(given["scale_factor"] or 1), float(given["add_offset"] or 0)
    return {} if (scale, offset) == (1, 0) else {"scale_factor": scale, "add_offset": offset}


def _verdict_attributes() -> dict[str, Any]:
    codes = np.arange(len(VERDICTS), dtype="uint8")
    return {"long_name": "verdict", "flag_values": codes, "flag_meanings": " ".join(VERDICTS)}


def _coordinates(facts: ImageFacts, source: "xr.DataArray") -> dict[str, Any]:
    import xarray as xr

    found: dict[str, Any] = {}
    for axis in facts.dims:
        if axis in source.coords and source.coords[axis].dims == (axis,):
            values = source.coords[axis].values
            if axis == "c":
                found["band"] = ("band", np.array([str(name) for name in values], dtype=object))
            else:
                found[axis] = (axis, values, {key: _plain(value) for key, value in source.coords[axis].attrs.items()})
    if _GRID_MAPPING in source.coords:
        attributes = {key: _plain(value) for key, value in source.coords[_GRID_MAPPING].attrs.items()}
        found[_GRID_MAPPING] = xr.Variable((), np.int64(0), attributes)
    return found


def _plain(value: Any) -> Any:
    """A value that JSON knows."""
    if isinstance(value, np.generic | np.ndarray):
        value = value.tolist()
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
