"""Clean references spoiled on purpose, for questions that need a known truth: noise, JPEG compression."""

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tasks.errors import RequestError, nearest

if TYPE_CHECKING:
    import xarray as xr

KINDS = ("noise", "jpeg")


@dataclass(frozen=True)
class Spoiling:
    """noise: Gaussian of amount / 255 of full scale, neither clipped nor rounded. jpeg: a quality of 1 to 95."""

    kind: Literal["noise", "jpeg"]
    amount: float

    def __str__(self) -> str:
        """As on the command line."""
        return f"{self.kind}:{self.amount:g}"


def spoiling_of(text: str) -> Spoiling:
    """What the command line asks for.

    Raises:
        RequestError: not KIND:AMOUNT, or out of range.
    """
    kind, sign, amount = text.partition(":")
    try:
        value = float(amount)
    except ValueError:
        value = float("nan")
    if kind not in KINDS or not sign:
        raise RequestError(f"--degrade {text} is not of the form noise:25 or jpeg:30.{nearest(kind, KINDS)}")
    if not (0 < value < float("inf")) or (kind == "jpeg" and not (value <= 95 and value.is_integer())):
        allowed = "a whole number of 1 to 95" if kind == "jpeg" else "a number above 0, in 1/255 of full scale"
        raise RequestError(f"--degrade {text}: '{amount}' must be {allowed}.")
    return Spoiling("jpeg" if kind == "jpeg" else "noise", value)


def spoiled(clean: "xr.DataArray", how: Spoiling, low: float, full: float, seed: int) -> "xr.DataArray":
    """A clean image, spoiled; float32, lazy, and the same pixels whichever window of it is read.

    Args:
        low: value of black. full: from there to white, data units. seed: of the noise.
    """
    planes = clean.astype(np.float32).chunk({axis: -1 if axis in ("y", "x") else 1 for axis in clean.dims})

    nodata = clean.attrs.get("nodata")

    def one(block: NDArray[np.float32], block_info: Any = None) -> NDArray[np.float32]:
        if how.kind == "jpeg":
            worse = _compressed(block, int(how.amount), low, full)
        else:
            random = np.random.default_rng([seed, *block_info[0]["chunk-location"]])
            worse = block + np.float32(how.amount / 255 * full) * random.standard_normal(block.shape, np.float32)
        return worse if nodata is None else np.where(block == np.float32(nodata), block, worse)

    return planes.copy(data=planes.data.map_blocks(one, dtype=np.float32, meta=np.empty((), np.float32)))


def _compressed(plane: NDArray[np.float32], quality: int, low: float, full: float) -> NDArray[np.float32]:
    """A plane of one channel after JPEG, in data units; its range goes to 0 ... 255."""
    grey = np.rint(np.clip((plane.reshape(plane.shape[-2:]) - low) / full, 0, 1) * 255).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(grey).save(buffer, "jpeg", quality=quality)
    back = np.asarray(Image.open(buffer), np.float32) / 255 * full + low
    return back.reshape(plane.shape).astype(np.float32)
