"""A variable of an xarray dataset as an image: NetCDF and Zarr with names for their dimensions."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tasks.catalog.locations import needed
from tasks.errors import InputError, nearest
from tasks.readers._stored import Georeference, Pixels, Stored
from tasks.readers._tiff_facts import full_unit

if TYPE_CHECKING:
    import xarray as xr

LETTERS = {
    "t": ("t", "time", "date", "frame"),
    "c": ("c", "channel", "channels", "band", "bands", "wavelength"),
    "z": ("z", "depth", "lev", "level", "plev", "height", "altitude", "plane"),
    "y": ("y", "lat", "latitude", "northing", "row", "rows"),
    "x": ("x", "lon", "longitude", "easting", "col", "column", "columns"),
}
LETTER_OF = {name: letter for letter, names in LETTERS.items() for name in names}
NODATA = ("_FillValue", "missing_value", "nodata")
PUBLISHED = "image"
ON_GROUND = {"projection_x_coordinate", "projection_y_coordinate", "latitude", "longitude"}


class Variables:
    """Pixels of one variable, or of several of one shape as channels, read when indexed."""

    def __init__(self, variables: Sequence["xr.DataArray"], stacked: bool) -> None:
        """`stacked`: a first axis runs over the variables."""
        self._variables, self._stacked = variables, stacked
        shape = tuple(variables[0].shape)
        self.shape = (len(variables), *shape) if stacked else shape
        self.dtype = variables[0].dtype

    def __getitem__(self, index: tuple[slice, ...]) -> NDArray[Any]:
        """A block of pixels."""
        if not self._stacked:
            return np.asarray(self._variables[0][index].values)
        return np.stack([variable[index[1:]].values for variable in self._variables[index[0]]])


def stored_variable(uri: str, dataset: "xr.Dataset", wanted: str | None) -> Stored:
    """The variable of a dataset that is an image; several that only differ in their values become channels.

    Raises InputError where there is none, or where `wanted` (after '#' in the URI) has to say which.
    """
    variables = _images(uri, dataset, wanted)
    first = variables[0]
    stacked = len(variables) > 1
    names = [LETTER_OF.get(str(dim).lower(), str(dim)) for dim in first.dims]
    row_by_row = (1,) * (first.ndim - 1) + first.shape[-1:]
    chunks = tuple(first.encoding.get("chunksizes") or first.encoding.get("chunks") or row_by_row)
    pixels: Pixels = Variables(variables, stacked)
    size, unit = _spacing(first, names)
    scale, offset, nodata = (_shared(uri, variables, keys) for keys in (("scale_factor",), ("add_offset",), NODATA))
    return Stored(
        uri,
        pixels,
        ("c", *names) if stacked else tuple(names),
        (1, *chunks) if stacked else chunks,
        channels=tuple(str(variable.name) for variable in variables) if stacked else _channel_names(first, names),
        pixel_size=size,
        unit=unit,
        nodata=nodata,
        scale_factor=scale,
        add_offset=offset,
        georeference=_georeference(uri, first, names),
    )


def _images(uri: str, dataset: "xr.Dataset", wanted: str | None) -> list["xr.DataArray"]:
    images = {str(name): dataset[name] for name in dataset.data_vars if _is_image(dataset[name])}
    if wanted is not None:
        if wanted not in dataset.variables:
            raise InputError(f"{uri} has no variable '{wanted}'; it has {', '.join(images)}.{nearest(wanted, images)}")
        return [dataset[wanted]]
    if not images:
        raise InputError(f"{uri} holds no image: none of its variables has axes y and x.")
    # The name of the image in what selfmend itself publishes.
    if PUBLISHED in images:
        return [images[PUBLISHED]]
    found = list(images.values())
    alike = {(one.dims, one.shape, one.dtype) for one in found}
    channels = any(LETTER_OF.get(str(dim).lower()) == "c" for dim in found[0].dims)
    if len(alike) > 1 or (channels and len(found) > 1):
        raise InputError(
            f"{uri} holds several images; say which: '{uri}#{next(iter(images))}' (of {', '.join(images)})."
        )
    return found


def _is_image(variable: "xr.DataArray") -> bool:
    letters = [LETTER_OF.get(str(dim).lower(), "") for dim in variable.dims]
    return {"y", "x"} <= set(letters) or (variable.ndim >= 2 and not any(letters))


def _shared(uri: str, variables: Sequence["xr.DataArray"], keys: tuple[str, ...]) -> float | None:
    """An attribute that all variables must share to be the channels of one image."""
    values = [next((variable.attrs[key] for key in keys if key in variable.attrs), None) for variable in variables]
    numbers = [None if value is None else float(np.ravel(value)[0]) for value in values]
    if len({repr(number) for number in numbers}) > 1:
        raise InputError(f"{uri}: its variables differ in {keys[0]}; say which one: '{uri}#{variables[0].name}'.")
    return numbers[0]


def _channel_names(image: "xr.DataArray", names: list[str]) -> tuple[str, ...]:
    if "c" not in names or image.dims[names.index("c")] not in image.coords:
        return ()
    return tuple(str(value) for value in image[image.dims[names.index("c")]].values)


def _spacing(image: "xr.DataArray", names: list[str]) -> tuple[dict[str, float], dict[str, str]]:
    """Distance of the coordinates along z, y and x, where they have a unit."""
    size, unit = {}, {}
    for dim, letter in zip(image.dims, names, strict=True):
        values = image[dim].values if letter in ("z", "y", "x") and dim in image.coords else np.empty(0)
        if len(values) > 1 and np.issubdtype(values.dtype, np.number) and "units" in image[dim].attrs:
            size[letter] = abs(float(values[-1] - values[0])) / (len(values) - 1)
            unit[letter] = full_unit(image[dim].attrs["units"])
    return size, unit


def _georeference(uri: str, image: "xr.DataArray", names: list[str]) -> Georeference | None:
    if not {"y", "x"} <= set(names):
        return None
    y, x = image.dims[names.index("y")], image.dims[names.index("x")]
    there = y in image.coords and x in image.coords
    placed = there and {_kind_of_axis(image, dim) for dim in (y, x)} <= ON_GROUND
    mapped = {"grid_mapping", "crs"} & {*image.encoding, *image.attrs} or "spatial_ref" in image.coords
    if not placed and not mapped:
        return None
    needed("rioxarray", "geo", uri)
    spatial = image.rename({y: "y", x: "x"}) if (y, x) != ("y", "x") else image
    crs = spatial.rio.crs
    if crs is None and not placed:
        return None
    transform = spatial.rio.transform()
    return Georeference(
        crs=None if crs is None else crs.to_wkt(),
        transform=None if transform.is_identity else tuple(transform)[:6],
        gcps=tuple(spatial.rio.get_gcps() or ()),
        y=np.asarray(image[y].values, float) if there else None,
        x=np.asarray(image[x].values, float) if there else None,
    )


def _kind_of_axis(image: "xr.DataArray", dim: Any) -> str:
    """The standard name of an axis on the ground; degrees of latitude and longitude often go without it."""
    short = {"lat": "latitude", "lon": "longitude"}.get(str(dim).lower(), str(dim).lower())
    return str(image[dim].attrs.get("standard_name", short))
