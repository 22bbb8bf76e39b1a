"""PNG, JPEG and BMP, through Pillow (16-bit colour PNG through imagecodecs). Colours become channels, alpha is dropped.

These formats can only be decoded whole, so a picture is decoded when its first window is read, and kept while the image
is in use; pictures of more than 150 million pixels are refused. Orientation tags of cameras are not applied.
"""

import math
import threading
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tasks.catalog.facts import Facts
from tasks.catalog.locations import cause, open_bytes, suffix
from tasks.errors import InputError
from tasks.readers._canonical import canonical
from tasks.readers._stored import Stored

if TYPE_CHECKING:
    import xarray as xr

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp")
LARGEST = 150_000_000
# Mode of Pillow -> mode that is read, and its type.
MODES = {
    "1": ("L", "u1"), "L": ("L", "u1"), "LA": ("L", "u1"), "La": ("L", "u1"), "P": ("RGB", "u1"), "PA": ("RGB", "u1"),
    "RGB": ("RGB", "u1"), "RGBA": ("RGB", "u1"), "CMYK": ("RGB", "u1"), "YCbCr": ("RGB", "u1"),
    "I;16": ("I;16", "u2"), "I;16B": ("I;16", "u2"), "I": ("I", "i4"),
}  # fmt: skip
DEEP_MODES = {2: "RGB", 4: "LA", 6: "RGBA"}


def claims(uri: str) -> bool:
    """Every file with the extension of a picture."""
    return suffix(uri) in SUFFIXES


def open(uri: str, facts: Facts) -> "xr.DataArray":
    """A picture. Raises InputError where it is none, or too large to be decoded whole."""
    return canonical(stored_picture(uri), facts)


def stored_picture(uri: str) -> Stored:
    """What a picture's header says. Raises InputError as `open` does."""
    mode, size, deep = _header(uri)
    if math.prod(size) > LARGEST:
        raise InputError(
            f"{uri} has {size[0]} x {size[1]} pixels; with more than {LARGEST / 1e6:.0f} million it must be a TIFF or "
            "Zarr, which can be read in parts."
        )
    if mode not in MODES:
        raise InputError(f"{uri}: pictures of Pillow's mode '{mode}' are not supported; convert it to TIFF.")
    target, kind = MODES[mode]
    dtype = np.dtype("u2" if deep else kind)
    colour = target == "RGB"
    shape = (size[1], size[0], 3) if colour else (size[1], size[0])
    notes = ["The alpha channel was dropped."] if mode in ("LA", "La", "PA", "RGBA") else []
    return Stored(
        uri,
        Picture(uri, shape, dtype, target, deep),
        ("y", "x", "c")[: len(shape)],
        shape,
        channels=("red", "green", "blue") if colour else (),
        notes=tuple(notes),
    )


class Picture:
    """A picture that is decoded when it is first indexed."""

    def __init__(self, uri: str, shape: tuple[int, ...], dtype: np.dtype[Any], mode: str, deep: bool) -> None:
        """`deep`: 16 bits per colour, which Pillow would cut to 8."""
        self.shape, self.dtype = shape, dtype
        self._uri, self._mode, self._deep = uri, mode, deep
        self._lock, self._pixels = threading.Lock(), np.empty(0, dtype)

    def __getitem__(self, index: tuple[slice, ...]) -> NDArray[Any]:
        """A block of pixels."""
        with self._lock:
            if not self._pixels.size:
                self._pixels = self._decoded()
        return self._pixels[index]

    def _decoded(self) -> NDArray[Any]:
        with open_bytes(self._uri) as file:
            if self._deep:
                import imagecodecs

                pixels = np.asarray(imagecodecs.png_decode(file.read()))
                return pixels[..., 0] if len(self.shape) == 2 else pixels[..., :3]
            from PIL import Image

            with _quiet_about_size():
                picture = Image.open(file)
            return np.asarray(picture if picture.mode == self._mode else picture.convert(self._mode)).astype(self.dtype)


def _header(uri: str) -> tuple[str, tuple[int, int], bool]:
    """Mode of Pillow, (width, height), and whether it is a PNG of 16 bits per colour."""
    from PIL import Image

    try:
        with open_bytes(uri) as file, _quiet_about_size():
            head = file.read(26)
            file.seek(0)
            picture = Image.open(file)
            # Pillow shows 16 bits per colour as 8.
            deep = picture.format == "PNG" and head[24] == 16 and head[25] in DEEP_MODES
            return DEEP_MODES[head[25]] if deep else picture.mode, picture.size, deep
    except Image.DecompressionBombError as error:
        raise InputError(f"{uri} is far too large for a picture; convert it to a tiled TIFF or Zarr.") from error
    except Exception as error:
        raise InputError(f"{uri} is not a picture that can be read: {cause(error)}.") from error


def _quiet_about_size() -> Any:
    from PIL import Image

    return warnings.catch_warnings(action="ignore", category=Image.DecompressionBombWarning)
