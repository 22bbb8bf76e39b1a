"""TIFF, multi-page TIFF, OME-TIFF and ImageJ stacks, through tifffile.

Axes, pixel sizes and channel names come from OME-XML or ImageJ's description; axes of one element are dropped there,
for both formats always name all of them. A plain stack is z, y, x unless the catalogue says otherwise. The first image
of a file is read. Sizes from the resolution tags count only where they are per centimetre: per inch is for printers.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tasks.catalog.facts import Facts
from tasks.catalog.locations import cause, open_bytes, plain, scheme, suffix
from tasks.errors import InputError
from tasks.readers._canonical import canonical
from tasks.readers._stored import Stored
from tasks.readers._tiff_extent import check_extent, check_holds, is_geotiff, read_layout
from tasks.readers._tiff_facts import tiff_facts
from tasks.readers._tiff_pieces import bound_pieces

if TYPE_CHECKING:
    import xarray as xr

SUFFIXES = (".tif", ".tiff", ".btf", ".tf8")
# A page of up to this size is decoded whole: cheaper than many small strips.
WHOLE_PAGE = 4 * 2**20


def claims(uri: str) -> bool:
    """Every TIFF that is not placed on the ground."""
    return suffix(uri) in SUFFIXES and not placed(uri)


def placed(uri: str) -> bool:
    """Whether a TIFF carries tags of GeoTIFF or GDAL. False where it cannot be read."""
    try:
        with open_bytes(uri) as file:
            return is_geotiff(file, uri)
    except Exception:  # noqa: BLE001 - whatever is wrong with it, opening it says so in full
        return False


def open(uri: str, facts: Facts) -> "xr.DataArray":
    """The first image of a TIFF. Raises InputError where it is cut off or none."""
    import tifffile

    try:
        with open_bytes(uri) as file:
            check_extent(file, uri)
        tiff = tifffile.TiffFile(Path(plain(uri)) if scheme(uri) == "" else open_bytes(uri))
        if not tiff.series:
            raise InputError(f"{uri} holds no image.")
        series = tiff.series[0]
        pixels, chunks = _pixels(uri, series)
        return canonical(_stored(uri, tiff, series, pixels, chunks), facts)
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"{uri} cannot be read as TIFF: {cause(error)}.") from error


def _stored(uri: str, tiff: Any, series: Any, pixels: Any, chunks: tuple[int, ...]) -> Stored:
    found = tiff_facts(tiff, series)
    # Samples are channels, unless there are channels of samples.
    dims = series.axes.lower() if "C" in series.axes else series.axes.lower().replace("s", "c")
    notes = []
    if len(tiff.series) > 1:
        notes.append(f"The file holds {len(tiff.series)} images; the first is read.")
    if series.is_multifile:
        notes.append("The image continues in other files beside this one.")
    return Stored(
        uri,
        pixels,
        tuple(dims),
        chunks,
        channels=found.channels,
        pixel_size=found.pixel_size,
        unit=found.unit,
        nodata=found.nodata,
        notes=tuple(notes),
    )


def _pixels(uri: str, series: Any) -> tuple[Any, tuple[int, ...]]:
    """Pixels that are read when indexed, and the smallest piece that can be read by itself."""
    if series.dataoffset is not None and not series.is_multifile and series.transform is None:
        row = len(series.axes) - (2 if series.axes[-1] != "S" else 3)
        with open_bytes(uri) as file:
            # ImageJ describes large stacks with a single directory.
            check_holds(read_layout(file, uri), series.dataoffset + series.nbytes)
        pixels = Contiguous(
            uri, series.dataoffset, series.shape, np.dtype(series.keyframe.parent.byteorder + series.dtype.char), row
        )
        return pixels, tuple(1 if axis <= row else n for axis, n in enumerate(series.shape))
    import zarr

    bound_pieces(series.keyframe, uri)
    whole = series.keyframe.nbytes <= WHOLE_PAGE
    store = series.aszarr(level=0, chunkmode="page" if whole else None, maxworkers=1)
    array = zarr.open_array(store=store, mode="r", zarr_format=2)
    return array, tuple(array.chunks)


class Contiguous:
    """Uncompressed pixels, one behind the other, from a place in a file on. Reads the rows that are asked for.

    A memory map would do the same, but would kill the process where a file is cut off while it is read.
    """

    def __init__(self, uri: str, offset: int, shape: tuple[int, ...], dtype: np.dtype[Any], row: int) -> None:
        """`row`: the axis of the rows; what follows is read whole."""
        self._uri, self._offset, self._row = uri, offset, row
        self.shape, self.dtype = shape, dtype

    def __getitem__(self, index: tuple[slice, ...]) -> NDArray[Any]:
        """A block of pixels. Raises InputError where the file ends before it."""
        lead, rows, rest = index[: self._row], index[self._row], index[self._row + 1 :]
        line = self.shape[self._row + 1 :]
        out: NDArray[Any] = np.empty(
            [*(part.stop - part.start for part in lead), rows.stop - rows.start, *line], self.dtype
        )
        line_bytes = int(np.prod(line)) * self.dtype.itemsize
        with open_bytes(self._uri) as file:
            for place in np.ndindex(*out.shape[: self._row]):
                plane = 0
                for at, part, n in zip(place, lead, self.shape, strict=False):
                    plane = plane * n + part.start + at
                file.seek(self._offset + (plane * self.shape[self._row] + rows.start) * line_bytes)
                raw = file.read(out[place].nbytes)
                if len(raw) < out[place].nbytes:
                    raise InputError(f"{self._uri} is cut off: rows {rows.start}:{rows.stop} lie behind its end.")
                out[place] = np.frombuffer(raw, self.dtype).reshape(out[place].shape)
        return np.asarray(out[(slice(None),) * (self._row + 1) + rest])
