"""GeoTIFF and COG, through rasterio: bands, CRS, geotransform, ground control points, nodata, scale and offset."""

import threading
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tasks.catalog.facts import Facts
from tasks.catalog.locations import cause, connect, needed, open_bytes, plain, scheme, suffix
from tasks.errors import InputError
from tasks.readers import tiff
from tasks.readers._canonical import canonical
from tasks.readers._stored import Georeference, Scaling, Stored
from tasks.readers._tiff_extent import check_extent

if TYPE_CHECKING:
    import xarray as xr

SUFFIXES = tiff.SUFFIXES
COLOURS = ("red", "green", "blue", "alpha")


def claims(uri: str) -> bool:
    """Every TIFF that is placed on the ground, or that GDAL wrote."""
    return suffix(uri) in SUFFIXES and tiff.placed(uri)


def open(uri: str, facts: Facts) -> "xr.DataArray":
    """All bands of a GeoTIFF. Raises InputError where it is cut off, none, or rasterio is missing."""
    rasterio = needed("rasterio", "geo", uri)
    try:
        with open_bytes(uri) as file:
            check_extent(file, uri)
        with warnings.catch_warnings():
            # A picture without a place on the ground is fine here.
            warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
            source = rasterio.open(plain(uri)) if scheme(uri) == "" else rasterio.open(uri, opener=connect(uri)[0])
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"{uri} cannot be read as GeoTIFF: {cause(error)}.") from error
    if source.count == 0:
        raise InputError(
            f"{uri} holds no bands but {len(source.subdatasets)} sub-datasets; give one of them as a file."
        )
    return canonical(_stored(uri, source), facts)


def _stored(uri: str, source: Any) -> Stored:
    rows, columns = source.block_shapes[0]
    together = source.count if source.profile.get("interleave") == "pixel" else 1
    return Stored(
        uri,
        Bands(source),
        ("c", "y", "x"),
        (together, rows, columns),
        channels=_names(source),
        nodata=None if source.nodata is None else float(source.nodata),
        scale_factor=_scaling(source.scales, 1.0),
        add_offset=_scaling(source.offsets, 0.0),
        georeference=_georeference(source),
    )


def _names(source: Any) -> tuple[str, ...]:
    """A band's description, else its colour, else its number."""
    colours = [colour.name if colour.name in COLOURS else "" for colour in source.colorinterp]
    return tuple(
        text or colour or f"band_{number}"
        for number, (text, colour) in enumerate(zip(source.descriptions, colours, strict=True), 1)
    )


def _scaling(values: tuple[float, ...], nothing: float) -> Scaling | None:
    if all(value == nothing for value in values):
        return None
    return float(values[0]) if len(set(values)) == 1 else [float(value) for value in values]


def _georeference(source: Any) -> Georeference | None:
    points, points_crs = source.gcps
    crs = source.crs or (points_crs if points else None)
    placed = not source.transform.is_identity
    if crs is None and not points and not placed:
        return None
    return Georeference(
        crs=None if crs is None else crs.to_wkt(),
        transform=tuple(source.transform)[:6] if placed else None,
        gcps=tuple(points),
    )


class Bands:
    """Bands of an open raster, read by windows. GDAL's handles are for one thread at a time."""

    def __init__(self, source: Any) -> None:
        """`source`: an open dataset of rasterio."""
        self._source, self._lock = source, threading.Lock()
        self.shape = (source.count, source.height, source.width)
        self.dtype = np.dtype(source.dtypes[0])

    def __getitem__(self, index: tuple[slice, ...]) -> NDArray[Any]:
        """A block of pixels. Raises RasterioError where it cannot be decoded."""
        bands, rows, columns = index
        numbers = [band + 1 for band in range(bands.start, bands.stop)]
        with self._lock:
            window = (rows.start, rows.stop), (columns.start, columns.stop)
            return self._source.read(numbers, window=window)
