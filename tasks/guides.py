"""Windows of a guide on the grid of the image, scaled; and which measured pixels are kept from learning."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from il_models.interpolation import nearest
from il_models.scale_below import kept_back
from tasks.measured import Pixels, Valid, measured_pixels, read_box
from tasks.plan import GuidePlan
from tasks.readers._guiding import GUIDE, PlacedGuide
from tasks.tiling import Box

if TYPE_CHECKING:
    import xarray as xr

TAPS = 4  # px to either side from which a guide is interpolated, where its pixels lie between those of the image


@dataclass(frozen=True)
class GuideWindow:
    """What lies beside a window of an input.

    pixels: of the guide, (g, factor h, factor w), about 0 to 1. known: which of them were measured. kept: pixels (h, w)
    of the input that are kept from learning.
    """

    pixels: Pixels
    known: Valid
    kept: Valid


def guide_window(array: "xr.DataArray", plan: GuidePlan, box: Box) -> GuideWindow:
    """The guide of a box of one plane of an input.

    Args:
        array: the input, opened with its guide. plan: how the guide is scaled. box: in measured pixels.

    Raises:
        InputError: the guide cannot be read.
    """
    placed: PlacedGuide = array.attrs[GUIDE]
    (t, _, z, top, left), (*_, bottom, right) = box.start, box.stop
    rows, columns = ((placed.factor * first, placed.factor * last) for first, last in ((top, bottom), (left, right)))
    pixels, known = _between(placed, t, z, rows, columns)
    low, scale = (np.array(each, np.float32)[:, None, None] for each in (plan.offset, plan.scale))
    kept = kept_back(top, left, bottom - top, right - left).numpy()
    return GuideWindow((pixels - low) / scale, known, kept)


def joined_below(windows: Sequence[GuideWindow]) -> GuideWindow:
    """Those of windows of one width, one above the other."""
    pixels = np.concatenate([each.pixels for each in windows], 1)
    known, kept = (np.concatenate(planes) for planes in zip(*((e.known, e.kept) for e in windows), strict=True))
    return GuideWindow(pixels, known, kept)


def _between(
    placed: PlacedGuide, t: int, z: int, rows: tuple[int, int], columns: tuple[int, int]
) -> tuple[Pixels, Valid]:
    """The guide (g, h, w) where the pixels of the image lie, and which of them were measured."""
    array = placed.array
    sizes = {axis: array.sizes.get(axis, 1) for axis in ("t", "c", "z", "y", "x")}
    spans = [_span(first, last, offset) for (first, last), offset in zip((rows, columns), placed.offset, strict=True)]
    inside = [
        (max(0, min(first, sizes[axis] - 1)), max(1, min(last, sizes[axis])))
        for (first, last, _), axis in zip(spans, ("y", "x"), strict=True)
    ]
    t, z = min(t, sizes["t"] - 1), min(z, sizes["z"] - 1)
    box = Box((t, 0, z, inside[0][0], inside[1][0]), (t + 1, sizes["c"], z + 1, inside[0][1], inside[1][1]))
    values = read_box(array, box)
    known = measured_pixels(array, box, values)[0, 0, 0]
    pixels = values[0, :, 0].astype(np.float32)
    pixels = nearest(pixels, known) if known.any() else np.zeros_like(pixels)
    for axis, ((first, last, part), (low, high)) in enumerate(zip(spans, inside, strict=True)):
        more = (max(0, low - first), max(0, last - high))
        pixels = _shifted(np.pad(pixels, _on(axis, more, pixels.ndim), mode="edge"), axis - 2, part)
        known = np.pad(known, _on(axis, more, known.ndim), mode="edge")
        known = _both(known, axis - 2, part)
    return pixels, known


def _span(first: int, last: int, offset: float) -> tuple[int, int, float]:
    """First pixel that is read and the one behind the last, and by what part of a pixel they must be shifted."""
    whole = int(np.floor(offset))
    part = offset - whole
    margin = TAPS if part else 0
    return first + whole - max(0, margin - 1), last + whole + margin, part


def _on(axis: int, more: tuple[int, int], ndim: int) -> list[tuple[int, int]]:
    """Padding of one of the last two axes."""
    return [more if place == ndim - 2 + axis else (0, 0) for place in range(ndim)]


def _shifted(x: Pixels, axis: int, part: float) -> Pixels:
    """x at i + part, by a windowed sinc (Lanczos); the margin that it takes is gone."""
    if not part:
        return x
    steps = np.arange(1 - TAPS, TAPS + 1) - part
    weights = np.sinc(steps) * np.sinc(steps / TAPS)
    weights /= weights.sum()
    count = x.shape[axis] - 2 * TAPS + 1
    pieces = (weight * x.take(range(i, i + count), axis) for i, weight in enumerate(weights))
    return np.asarray(sum(pieces), np.float32)


def _both(known: Valid, axis: int, part: float) -> NDArray[np.bool_]:
    """Where the pixels to either side were measured."""
    if not part:
        return known
    count = known.shape[axis] - 2 * TAPS + 1
    return np.asarray(known.take(range(TAPS - 1, TAPS - 1 + count), axis) & known.take(range(TAPS, TAPS + count), axis))
