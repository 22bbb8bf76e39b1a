"""Guides beside images: finer bands of the same scene, and where their pixels lie on it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tasks.errors import InputError

if TYPE_CHECKING:
    import xarray as xr

GUIDE = "guide"  # the attribute of an input that holds its guide, placed
GRID = "spatial_ref"
EXACT = 1e-3  # of a ratio of pixel sizes, and px of a place: what the numbers of a transform are rounded to
SHORT = 1.0 + EXACT  # px of the guide that may be missing along a border: panchromatic pixels lie half of one outside


@dataclass(frozen=True)
class PlacedGuide:
    """A guide on the grid of its input's image: pixel i of the image lies at i + offset of the guide, along y and x.

    array: lazy, as `open_input` gives it. factor: its pixels per pixel of the input.
    """

    uri: str
    array: "xr.DataArray"
    factor: int
    offset: tuple[float, float]


def with_guide(image: "xr.DataArray", guide: "xr.DataArray", uri: str) -> "xr.DataArray":
    """An image with its guide as an attribute, still lazy.

    Args:
        image, guide: as `open_input` gives them. uri: of the guide, for the sentences.

    Raises:
        InputError: they do not lie upon each other, or the guide is not so many times as fine.
    """
    for axis in ("t", "z"):
        if guide.sizes.get(axis, 1) not in (1, image.sizes.get(axis, 1)):
            raise InputError(
                f"The guide '{uri}' has {guide.sizes[axis]} elements along {axis}, and its input "
                f"{image.sizes.get(axis, 1)}; give it one, or as many."
            )
    grids = [_transform(each) for each in (image, guide)]
    own, finer = grids
    if own is None or finer is None:
        factor, offset = _by_size(image, guide, uri), (0.0, 0.0)
    else:
        _require_one_crs(image, guide, uri)
        factor, offset = _by_place(own, finer, uri)
        _require_cover(image, guide, uri, factor, offset)
    return image.assign_attrs({GUIDE: PlacedGuide(uri, guide, factor, offset)})


def _transform(image: "xr.DataArray") -> NDArray[np.float64] | None:
    """Origin and steps (3, 2) of a georeferenced grid as (x, y): outer corner, per column, per row."""
    told = image.coords[GRID].attrs.get("GeoTransform") if GRID in image.coords else None
    if told is None:
        return None
    x, dx, rx, y, ry, dy = (float(number) for number in str(told).split())
    return np.array([[x, y], [dx, ry], [rx, dy]])


def _by_size(image: "xr.DataArray", guide: "xr.DataArray", uri: str) -> int:
    height, width = (guide.sizes[axis] / image.sizes[axis] for axis in ("y", "x"))
    if height != width or not height.is_integer() or height < 2:
        raise InputError(
            f"The guide '{uri}' is {guide.sizes['y']} x {guide.sizes['x']} px and its input {image.sizes['y']} x "
            f"{image.sizes['x']}, without places on the ground: expected 2, 3, 4 or 6 times as many along both axes. "
            "Crop them to the same field, or give files with a transform."
        )
    return int(height)


def _by_place(own: NDArray[np.float64], finer: NDArray[np.float64], uri: str) -> tuple[int, tuple[float, float]]:
    ratio = float(np.sqrt(abs(np.linalg.det(own[1:]) / np.linalg.det(finer[1:]))))
    factor = round(ratio)
    apart = np.abs(own[1:] - factor * finer[1:]).max() / np.abs(own[1:]).max()
    if factor < 2 or apart > EXACT:
        raise InputError(
            f"The pixels of the guide '{uri}' are {ratio:.4g} times as fine as those of its input, or turned: expected "
            "2, 3, 4 or 6 times along the same axes. Resample one of them (gdalwarp -tap -tr)."
        )
    column, row = np.linalg.solve(finer[1:].T, own[0] - finer[0])
    return factor, (_rounded(row), _rounded(column))


def _rounded(place: float) -> float:
    return float(round(place)) if abs(place - round(place)) < EXACT else float(place)


def _require_one_crs(image: "xr.DataArray", guide: "xr.DataArray", uri: str) -> None:
    told = [each.coords[GRID].attrs.get("crs_wkt") for each in (image, guide)]
    if told[0] == told[1] or None in told:
        return
    from pyproj import CRS

    own, other = (CRS.from_wkt(each) for each in told)
    if not own.equals(other, ignore_axis_order=True):
        raise InputError(
            f"The guide '{uri}' lies in {other.name}, and its input in {own.name}; bring them into one reference "
            "system (gdalwarp -t_srs)."
        )


def _require_cover(
    image: "xr.DataArray", guide: "xr.DataArray", uri: str, factor: int, offset: tuple[float, float]
) -> None:
    for axis, first in zip(("y", "x"), offset, strict=True):
        beyond = first + factor * image.sizes[axis] - guide.sizes[axis]
        if max(-first, beyond) > SHORT:
            raise InputError(
                f"The guide '{uri}' does not cover its input: along {axis} it ends {max(-first, beyond):.1f} of its px "
                "too early. Give one of the whole scene, or crop the input to it."
            )
