"""Scenes as xarray, rioxarray and GDAL read them: a Zarr 2 group with CF grid mapping. All but pixels made in memory.

GDAL finds pixels, nodata, scale and CRS in the metadata, and the place of the pixels in the coordinates along y and x.
What it has no place for in Zarr stands in the file in which it would note it itself.
"""

import json
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import numpy as np

from tasks.stores.encoding import Documents, compressor_of_zarr_2, stored
from tasks.stores.image_facts import ORIGINS, VERDICTS, ImageFacts

if TYPE_CHECKING:
    import xarray as xr

IMAGE = "image"
VERDICT = "verdict"
FILLED = "filled"
_GRID_MAPPING = "spatial_ref"
_GDAL_NOTES = ".zarray.aux.xml"
_KEPT = ("units", "long_name", "standard_name", "AREA_OR_POINT")


def geo_documents(facts: ImageFacts, source: "xr.DataArray") -> Documents:
    """Metadata, coordinates and grid mapping of the store, and notes for GDAL, by name.

    Channels become the axis `band`, whose coordinate holds their names. Rotated grids and ground control points stand
    in `spatial_ref`; coordinates with more than one axis are left out, for they can be as large as the image.

    Args:
        facts: of the image.
        source: the scene as its reader opened it; pixels are not read.
    """
    import dask.array
    import xarray as xr
    from zarr.storage import MemoryStore

    kept = verdict_dims(facts)
    shapes = dict(zip(facts.dims, facts.own(facts.shape), strict=True))
    whole = dask.array.zeros(facts.own(facts.shape), dtype=facts.dtype, chunks=-1)
    flags = dask.array.zeros([shapes[axis] for axis in kept], dtype="uint8", chunks=-1)
    mapped = _mapping(source)
    maps = {VERDICT: VERDICTS} | ({FILLED: ORIGINS} if facts.fills else {})
    dataset = xr.Dataset(
        {
            IMAGE: (_named(facts.dims), whole, {**_image_attributes(facts, source), **mapped}),
            **{name: (_named(kept), flags, {**_flags(name, words), **mapped}) for name, words in maps.items()},
        },
        coords=_coordinates(facts, source),
        attrs={"Conventions": "CF-1.11"},
    )
    for variable in dataset.variables.values():
        variable.encoding = {"compressors": (compressor_of_zarr_2(),)}
    dataset[IMAGE].encoding["chunks"] = _chunks(facts, facts.dims)
    for name in maps:
        dataset[name].encoding["chunks"] = _chunks(facts, kept)
    store = MemoryStore()
    dataset.to_zarr(store, compute=False, zarr_format=2, consolidated=True)
    notes = {IMAGE: _gdal_notes(IMAGE, facts, facts.dims, source)}
    notes |= {name: _gdal_notes(name, facts, kept, source) for name in maps}
    return stored(store) | {f"{name}/{_GDAL_NOTES}": note for name, note in notes.items() if note}


def verdict_dims(facts: ImageFacts) -> tuple[str, ...]:
    """Axes of the verdict map: without channels where one verdict holds for all."""
    return tuple(axis for axis in facts.dims if axis != "c" or not facts.joint)


def _named(dims: Any) -> list[str]:
    return ["band" if axis == "c" else axis for axis in dims]


def _chunks(facts: ImageFacts, dims: Any) -> tuple[int, ...]:
    own = zip(facts.dims, facts.own(facts.chunks(facts.shape)), strict=True)
    return tuple(n for axis, n in own if axis in dims)


def _mapping(source: "xr.DataArray") -> dict[str, Any]:
    """Where the CRS stands: in the grid mapping, as CF has it; and in full, for GDAL before 3.9 knows nothing of CF."""
    crs = _ground(source).get("crs_wkt")
    mapped = {"grid_mapping": _GRID_MAPPING} if _GRID_MAPPING in source.coords else {}
    return {**mapped, "_CRS": {"wkt": crs}} if crs else mapped


def _ground(source: "xr.DataArray") -> dict[str, Any]:
    """What the grid mapping of a source says of CRS, transform and ground control points."""
    return dict(source.coords[_GRID_MAPPING].attrs) if _GRID_MAPPING in source.coords else {}


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


def _flags(name: str, words: tuple[str, ...]) -> dict[str, Any]:
    return {"long_name": name, "flag_values": np.arange(len(words), dtype="uint8"), "flag_meanings": " ".join(words)}


def _coordinates(facts: ImageFacts, source: "xr.DataArray") -> dict[str, Any]:
    import xarray as xr

    found: dict[str, Any] = {}
    for axis in facts.dims:
        if axis in source.coords and source.coords[axis].dims == (axis,):
            values = source.coords[axis].values
            if axis == "c":
                found["band"] = ("band", values.astype(str))
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


def _gdal_notes(name: str, facts: ImageFacts, dims: tuple[str, ...], source: "xr.DataArray") -> bytes | None:
    """Names of bands and points on the ground, as GDAL notes them beside an array; nothing where it needs no notes."""
    x, y = len(dims) - 1, len(dims) - 2
    top = ElementTree.Element("PAMDataset")
    view = ElementTree.SubElement(top, "DerivedDataset", name=f"AsClassicDataset({x},{y}) view of /{name}")
    notes = ElementTree.SubElement(view, "PAMDataset")
    points = list(_ground_points(facts, source))
    if points:
        ground = ElementTree.SubElement(notes, "GCPList", Projection=_ground(source).get("crs_wkt", ""))
        for number, point in enumerate(points, start=1):
            ElementTree.SubElement(ground, "GCP", {"Id": str(number), **{key: repr(n) for key, n in point.items()}})
    if "c" in dims and len(facts.channels) == facts.shape[1]:
        for number, (_, channel, _) in enumerate(np.ndindex(facts.shape[:3]), start=1):
            band = ElementTree.SubElement(notes, "PAMRasterBand", band=str(number))
            ElementTree.SubElement(band, "Description").text = facts.channels[channel]
    ElementTree.indent(top)
    return ElementTree.tostring(top, encoding="unicode").encode() if len(notes) else None


def _ground_points(facts: ImageFacts, source: "xr.DataArray") -> Iterator[dict[str, float]]:
    """Ground control points of the source; else the corners of a grid that no coordinates along y and x can place."""
    told = _ground(source)
    if "gcps" in told:
        for point in json.loads(told["gcps"])["features"]:
            x, y, z = (*map(float, point["geometry"]["coordinates"]), 0.0)[:3]
            at = point["properties"]
            yield {"Pixel": float(at["col"]), "Line": float(at["row"]), "X": x, "Y": y, "Z": z}
    elif "GeoTransform" in told and not {"y", "x"} <= set(source.coords):
        left, a, b, top, d, e = map(float, told["GeoTransform"].split())
        for row in (0.0, float(facts.shape[3])):
            for col in (0.0, float(facts.shape[4])):
                x, y = left + a * col + b * row, top + d * col + e * row
                yield {"Pixel": col, "Line": row, "X": x, "Y": y, "Z": 0.0}
