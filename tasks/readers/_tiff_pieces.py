"""Pieces of a TIFF that are pictures of their own, such as JPEG: each says how large it is, whatever the TIFF says."""

import io
import warnings
from collections.abc import Callable
from typing import Any

from tasks.errors import InputError

# JPEG (new, old, lossy DNG), JPEG 2000, WebP, PNG: what Pillow knows by its head.
PICTURES = {6, 7, 34892, 33003, 33004, 33005, 33007, 34712, 34927, 50001, 34933, 34934}


def bound_pieces(page: Any, uri: str) -> None:
    """Let a page of tifffile refuse pieces whose own head says that they are larger than the page's pieces.

    All other kinds of compression are unpacked by tifffile into no more bytes than the page's head allows.
    """
    if page.compression not in PICTURES:
        return
    sides = (page.tilewidth, page.tilelength) if page.is_tiled else (page.imagewidth, page.rowsperstrip)
    page.__dict__["decode"] = _measuring(page.decode, max(sides), uri)


def _measuring(decode: Callable[..., Any], side: int, uri: str) -> Callable[..., Any]:
    def measured(data: bytes | None, index: int, /, *given: Any, **named: Any) -> Any:
        wide, high = _size(data) if data else (0, 0)
        if max(wide, high) > side + 64:  # encoders round up to whole blocks
            raise InputError(
                f"{uri}: piece {index} says that it is {wide} x {high} pixels, and the file that it is at most {side} "
                "along a side; it is broken, or meant to do harm."
            )
        return decode(data, index, *given, **named)

    return measured


def _size(data: bytes) -> tuple[int, int]:
    """Width and height that a picture's head says; nothing where it has none, which its decoder will say."""
    from PIL import Image

    try:
        with warnings.catch_warnings(action="ignore", category=Image.DecompressionBombWarning):
            return Image.open(io.BytesIO(data)).size
    except Image.DecompressionBombError:
        return 2**16, 2**16
    except Exception:  # noqa: BLE001 - of whatever kind
        return 0, 0
