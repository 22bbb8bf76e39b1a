"""Pixels -> small pictures as data URIs: images, residuals in units of the noise, verdicts to lay over them."""

import base64
import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.float32]
Window = tuple[float, float]

RESIDUAL_RANGE = 3.0  # noise standard deviations from the middle of the residual's colours to their ends
_UNMEASURED = 255  # index of a transparent colour
_BLUE_TO_RED = ((33, 84, 155), (140, 186, 219), (247, 247, 247), (240, 164, 130), (168, 28, 44))
# By the codes of tasks/stores/image_facts.VERDICTS, then as outlines; the hues of the label colours in ngff.py.
_VERDICTS = ((0, 0, 0), (0, 158, 115), (230, 159, 0), (213, 94, 0))
_OPACITY = (0, 32, 85, 110, 90, 110, 255, 255)
OUTLINE = 4
FAILED = 3


def contrast(*images: Pixels) -> list[Window]:
    """Darkest and brightest value to show, per channel, for all of some images: their 0.5th and 99.5th percentile.

    Args:
        images: (c, h, w), NaN where nothing was measured.
    """
    windows = []
    for planes in zip(*images, strict=True):
        values = np.concatenate([plane[np.isfinite(plane)] for plane in planes])
        low, high = np.percentile(values, (0.5, 99.5)) if values.size else (0.0, 1.0)
        windows.append((float(low), float(high) if high > low else float(low) + 1.0))
    return windows


def stretched(image: Pixels, windows: list[Window]) -> NDArray[np.uint8]:
    """(c, h, w) -> grey (h, w) of one channel, or colours (h, w, 3) of three; black where nothing was measured."""
    edges = np.array(windows, np.float64).reshape(-1, 2, 1, 1)
    low, high = edges[:, 0], edges[:, 1]
    bytes_ = np.nan_to_num(np.clip((image - low) / (high - low), 0, 1) * 255).astype(np.uint8)
    return bytes_[0] if len(bytes_) == 1 else np.moveaxis(bytes_, 0, -1)


def photograph(picture: NDArray[np.uint8], side: int) -> str:
    """A picture of at most `side` pixels, for an overview: JPEG."""
    image = Image.fromarray(picture)
    image.thumbnail((side, side), Image.Resampling.BOX)
    return _data_uri(image, "jpeg", quality=85)


def exact(picture: NDArray[np.uint8]) -> str:
    """A picture pixel by pixel: PNG."""
    return _data_uri(Image.fromarray(picture), "png", optimize=True)


def residual_picture(residual: Pixels) -> str:
    """A residual (h, w) in units of the noise: white where there is none, red above, blue below; PNG."""
    half = (_UNMEASURED - 1) // 2
    levels = np.rint(np.clip(residual / RESIDUAL_RANGE, -1, 1) * half) + half
    codes = np.where(np.isfinite(residual), np.nan_to_num(levels), _UNMEASURED).astype(np.uint8)
    ends = np.linspace(0, 2 * half, len(_BLUE_TO_RED))
    colours = np.stack([np.interp(np.arange(256), ends, own) for own in np.transpose(_BLUE_TO_RED)], axis=1)
    return _indexed(codes, np.rint(colours).astype(np.uint8), [255] * _UNMEASURED + [0])


def verdict_overlay(codes: NDArray[np.uint8]) -> str:
    """Verdict codes (h, w) as transparent colours, outlines as OUTLINE + code; failed tiles are hatched too; PNG."""
    height, width = codes.shape
    stripes = (np.arange(height)[:, None] + np.arange(width)) % 7 < 2
    hatched = np.where((codes == FAILED) & stripes, OUTLINE + FAILED, codes)
    return _indexed(hatched.astype(np.uint8), np.array(_VERDICTS * 2, np.uint8), list(_OPACITY))


def _indexed(codes: NDArray[np.uint8], colours: NDArray[np.uint8], opacity: list[int]) -> str:
    image = Image.fromarray(codes, "P")
    image.putpalette(colours.tobytes())
    return _data_uri(image, "png", transparency=bytes(opacity), optimize=True)


def _data_uri(image: Image.Image, kind: str, **options: Any) -> str:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode()}"
