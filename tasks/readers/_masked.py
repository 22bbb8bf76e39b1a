"""Masks beside images: which pixels were not measured, read with the windows that they belong to."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tasks.catalog.companions import PixelMask
from tasks.errors import InputError

if TYPE_CHECKING:
    import xarray as xr

MASK = "mask"  # the coordinate of an input that holds its mask, as it is stored


def with_mask(image: "xr.DataArray", mask: "xr.DataArray", uri: str, rule: PixelMask) -> "xr.DataArray":
    """An image with its mask as a coordinate, still lazy.

    Args:
        image: as `open_input` gives it. mask: likewise. uri: of the mask, for the sentence. rule: what its values mean.

    Raises:
        InputError: it is not of the image's size, or holds no whole numbers where the rule is of such.
    """
    alone = [axis for axis, n in mask.sizes.items() if n == 1 and image.sizes.get(axis) != 1]
    own = {axis: n for axis, n in mask.sizes.items() if axis not in alone}
    if any(image.sizes.get(axis) != n for axis, n in own.items()) or not {"y", "x"} <= own.keys():
        raise InputError(
            f"The mask '{uri}' is {_said(mask)}, and its input {_said(image)}; give one of the same size. Only axes "
            "that the mask does not have, or has with one element, hold for all of the input's."
        )
    if mask.dtype.kind == "f" and (rule.bits or rule.values):
        raise InputError(
            f"The mask '{uri}' holds {mask.dtype} numbers, and 'bits' and 'values' are of whole ones; give 'missing', "
            "or a mask of whole numbers."
        )
    kept = mask.isel(dict.fromkeys(alone, 0), drop=True) if alone else mask
    return image.assign_coords({MASK: (kept.dims, kept.data, {"rule": rule})})


def said_measured(mask: "xr.DataArray", values: NDArray[np.generic]) -> NDArray[np.bool_]:
    """Which pixels a mask calls measured.

    Args:
        mask: the coordinate. values: of it, of any shape.
    """
    return ~_missing(mask.attrs["rule"], values)


def _missing(rule: PixelMask, values: NDArray[Any]) -> NDArray[np.bool_]:
    if rule.values is not None:
        return np.isin(values, rule.values)
    if rule.bits is not None:
        return (values.astype(np.int64) & sum(1 << bit for bit in rule.bits)) != 0
    return np.asarray(values == 0) if rule.missing == "zero" else np.asarray(values != 0)


def _said(image: "xr.DataArray") -> str:
    return " ".join(f"{axis}={n}" for axis, n in image.sizes.items())
