"""Pixels of a box as they were stored, and which of them were measured."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tasks.readers._masked import MASK, said_measured
from tasks.readers._window import window_of
from tasks.tiling import AXES, Box

if TYPE_CHECKING:
    import xarray as xr

Pixels = NDArray[np.float32]
Valid = NDArray[np.bool_]


def read_box(array: "xr.DataArray", box: Box) -> NDArray[np.generic]:
    """Raw pixels of a box, 5-D over t, c, z, y, x; axes that the input does not have are of size 1.

    The dask scheduler is named, for inside a Dask worker the default would hand the reading back to the cluster.
    """
    index = {axis: part for axis, part in zip(AXES, box.slices, strict=True) if axis in array.dims}
    shape = [n if axis in index else 1 for axis, n in zip(AXES, box.shape, strict=True)]
    window = window_of(array)
    if window is not None:
        return window[tuple(index[str(axis)] for axis in array.dims)].reshape(shape)
    values = np.asarray(array.isel(index).data.compute(scheduler="synchronous"))
    return values.reshape(shape)


def measured_pixels(array: "xr.DataArray", box: Box, raw: NDArray[np.generic], joint: bool = True) -> Valid:
    """Where a box of an input was measured: finite, not nodata, and not what its mask says is missing.

    Args:
        array: the input, as tasks.readers.open_input gives it. raw: its pixels in the box, (t, c, z, y, x).
        joint: where all channels were measured, (t, 1, z, y, x); if not, each channel for itself, (t, c, z, y, x).
    """
    valid = _valued(raw, array.attrs.get("nodata"))
    if MASK in array.coords:
        mask = array.coords[MASK]
        valid = valid & said_measured(mask, read_box(mask, box))
    return np.asarray(valid.all(axis=1, keepdims=True)) if joint else valid


def _valued(raw: NDArray[np.generic], nodata: float | None) -> Valid:
    valued = np.isfinite(raw) if raw.dtype.kind == "f" else np.ones(raw.shape, bool)
    if nodata is not None and _can_hold(raw.dtype, nodata):
        valued &= raw != np.asarray(nodata).astype(raw.dtype)
    return np.asarray(valued)


def _can_hold(dtype: "np.dtype[Any]", value: float) -> bool:
    """A tag such as -9999 on unsigned pixels marks nothing; cast, it would mark 55537."""
    if not np.isfinite(value):
        return False
    if dtype.kind == "f":
        return True
    limits = np.iinfo(dtype)
    return float(value).is_integer() and limits.min <= value <= limits.max
