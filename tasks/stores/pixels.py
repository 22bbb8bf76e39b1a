"""The last steps of a block of pixels: unmeasured ones from the source, rounding, clipping, half size, verdicts."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.tiling import Box, TileGrid

Counts = NDArray[np.int64]


def finished(
    image: NDArray[np.float32], dtype: np.dtype[Any], source: Callable[[], NDArray[Any]]
) -> tuple[NDArray[Any], Counts]:
    """Restored pixels as they are published.

    Args:
        image: (t, c, z, y, x) in data units; NaN where nothing was measured.
        dtype: of the result.
        source: gives the raw pixels of the same box; called only where something is NaN.

    Returns:
        The pixels, integers rounded half to even; and how many were outside what the type can hold, per channel.
    """
    missing = np.isnan(image)
    pixels, clipped = _cast(np.where(missing, np.float32(0), image) if missing.any() else image, dtype)
    if missing.any():
        pixels[missing] = source().astype(dtype, copy=False)[missing]
    return pixels, clipped


def halved(pixels: NDArray[Any], nodata: float | None) -> NDArray[Any]:
    """Mean of 2 x 2 pixels along the last two axes, of those that were measured; an odd last row counts for itself."""
    odd = [(0, 0)] * (pixels.ndim - 2) + [(0, n % 2) for n in pixels.shape[-2:]]
    padded = np.pad(pixels, odd, mode="edge")
    *leading, y, x = padded.shape
    fours = padded.reshape(*leading, y // 2, 2, x // 2, 2)
    unmeasured = _unmeasured(fours, nodata)
    if unmeasured is None or not unmeasured.any():
        return _rounded(fours.mean(axis=(-3, -1), dtype=np.float64), pixels.dtype)
    count = np.sum(~unmeasured, axis=(-3, -1))
    total = np.sum(fours, axis=(-3, -1), dtype=np.float64, where=~unmeasured)
    half = _rounded(total / np.maximum(count, 1), pixels.dtype)
    half[count == 0] = np.nan if nodata is None else nodata
    return half


def origin_pixels(image: NDArray[np.float32], valid: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """A block of the map of filled pixels, by the codes of image_facts.ORIGINS.

    Args:
        image: (t, c, z, y, x), NaN where nothing was restored or filled, or where only other channels have a gap.
        valid: (t, 1 or c, z, y, x), which pixels were measured.

    Returns:
        Of the shape of `valid`.
    """
    missing = np.isnan(image)
    known = ~(missing.all(axis=1, keepdims=True) if valid.shape[1] == 1 else missing)
    return np.where(valid, 0, np.where(known, 1, 2)).astype(np.uint8)


def halved_origins(codes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A half-size copy of that map: of 2 x 2 codes the highest, so that a thin line stays to be seen."""
    padded = np.pad(codes, [(0, 0)] * (codes.ndim - 2) + [(0, n % 2) for n in codes.shape[-2:]], mode="edge")
    *leading, y, x = padded.shape
    return np.asarray(padded.reshape(*leading, y // 2, 2, x // 2, 2).max(axis=(-3, -1)))


def verdict_pixels(grid: TileGrid, verdicts: NDArray[np.uint8], box: Box, step: int) -> NDArray[np.uint8]:
    """A block of the verdict map, every pixel with the code of the tile that owns it.

    Args:
        grid: of the input.
        verdicts: one code per tile.
        box: of the map; a map with one channel beside an image with several holds what is true of all of them.
        step: pixels of the input per pixel of the map along y and x.
    """
    steps = (1, 1, 1, step, step)
    owners = [
        np.arange(start, stop) * each // core
        for start, stop, each, core in zip(box.start, box.stop, steps, grid.core, strict=True)
    ]
    return verdicts.reshape(grid.tile_counts)[np.ix_(*owners)]


def _cast(image: NDArray[np.float32], dtype: np.dtype[Any]) -> tuple[NDArray[Any], Counts]:
    if dtype.kind == "f" and dtype.itemsize >= image.itemsize:
        return image.astype(dtype), np.zeros(image.shape[1], np.int64)
    wide = np.float32 if dtype.itemsize <= 2 else np.float64
    rounded = image.copy() if dtype.kind == "f" else np.rint(image, dtype=wide)
    low, high = _limits(dtype)
    outside = (rounded < low) | (rounded > high)
    counts = outside.sum(axis=(0, 2, 3, 4), dtype=np.int64)
    return np.clip(rounded, low, high, out=rounded).astype(dtype), counts


def _limits(dtype: np.dtype[Any]) -> tuple[float, float]:
    """Least and greatest number of a type; of whole numbers the greatest that a float can say."""
    if dtype.kind == "f":
        return float(np.finfo(dtype).min), float(np.finfo(dtype).max)
    limits = np.iinfo(dtype)
    high = float(limits.max)
    return float(limits.min), high if int(high) <= limits.max else float(np.nextafter(high, 0))


def _rounded(values: NDArray[np.float64], dtype: np.dtype[Any]) -> NDArray[Any]:
    return (values if dtype.kind == "f" else np.rint(values)).astype(dtype)


def _unmeasured(pixels: NDArray[Any], nodata: float | None) -> NDArray[np.bool_] | None:
    """Where a pixel was not measured; None where the type and the facts leave no way to say so."""
    if pixels.dtype.kind == "f":
        return np.isnan(pixels) if nodata is None else np.isnan(pixels) | (pixels == nodata)
    return None if nodata is None else pixels == nodata
