"""Clean references spoiled on purpose, for questions that need a known truth: noise, blur, JPEG compression."""

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
import scipy  # its parts are loaded when they are used
from numpy.typing import NDArray
from PIL import Image

from il_models.interpolation import nearest as repeated
from tasks.catalog.companions import GaussianPsf
from tasks.catalog.facts import Facts
from tasks.errors import RequestError, nearest
from tasks.psf import psf_of_width

if TYPE_CHECKING:
    import xarray as xr

KINDS = ("noise", "blur", "jpeg")
BESIDE_BLUR = 2.0  # noise, in 1/255 of full scale: no instrument blurs alone


@dataclass(frozen=True)
class Spoiling:
    """noise: Gaussian of amount / 255 of full scale, neither clipped nor rounded. jpeg: a quality of 1 to 95.

    blur: a Gaussian point spread function of so many pixels' full width at half maximum, and noise of BESIDE_BLUR.
    """

    kind: Literal["noise", "blur", "jpeg"]
    amount: float

    def __str__(self) -> str:
        """As on the command line."""
        return f"{self.kind}:{self.amount:g}"

    def facts(self, facts: Facts) -> Facts:
        """What is true of the spoiled images: what is known of the inputs' noise and PSF is not."""
        psf = GaussianPsf(kind="gaussian", fwhm=self.amount) if self.kind == "blur" else None
        return facts.model_copy(update={"noise": "estimate", "psf": psf})


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
        raise RequestError(f"--degrade {text} is not of the form noise:25, blur:3 or jpeg:30.{nearest(kind, KINDS)}")
    most, allowed = {
        "noise": (float("inf"), "a number above 0, in 1/255 of full scale"),
        "blur": (50, "a full width at half maximum above 0 and of up to 50 px"),
        "jpeg": (95, "a whole number of 1 to 95"),
    }[kind]
    if not 0 < value <= most or value == float("inf") or (kind == "jpeg" and not value.is_integer()):
        raise RequestError(f"--degrade {text}: '{amount}' must be {allowed}.")
    return Spoiling(cast("Literal['noise', 'blur', 'jpeg']", kind), value)


def spoiled(clean: "xr.DataArray", how: Spoiling, low: float, full: float, seed: int) -> "xr.DataArray":
    """A clean image, spoiled; float32, lazy, and the same pixels whichever window of it is read.

    Args:
        low: value of black. full: from there to white, data units. seed: of the noise.
    """
    planes = clean.astype(np.float32).chunk({axis: -1 if axis in ("y", "x") else 1 for axis in clean.dims})

    nodata = clean.attrs.get("nodata")
    sigma = np.float32((BESIDE_BLUR if how.kind == "blur" else how.amount) / 255 * full)
    psf = psf_of_width(how.amount)[0].astype(np.float32) if how.kind == "blur" else None

    def one(block: NDArray[np.float32], block_info: Any = None) -> NDArray[np.float32]:
        if how.kind == "jpeg":
            worse = _compressed(block, int(how.amount), low, full)
        else:
            random = np.random.default_rng([seed, *block_info[0]["chunk-location"]])
            seen = block if psf is None else _blurred(block, psf, nodata)
            worse = seen + sigma * random.standard_normal(block.shape, np.float32)
        return worse if nodata is None else np.where(block == np.float32(nodata), block, worse)

    return planes.copy(data=planes.data.map_blocks(one, dtype=np.float32, meta=np.empty((), np.float32)))


def _blurred(block: NDArray[np.float32], psf: NDArray[np.float32], nodata: float | None) -> NDArray[np.float32]:
    """A plane of one channel as its PSF shows it; no value of unmeasured pixels runs into others."""
    plane = block.reshape(block.shape[-2:])
    if nodata is not None and (known := plane != np.float32(nodata)).any():
        plane = repeated(plane[None], known)[0]
    return np.asarray(scipy.ndimage.convolve(plane, psf), np.float32).reshape(block.shape)


def _compressed(plane: NDArray[np.float32], quality: int, low: float, full: float) -> NDArray[np.float32]:
    """A plane of one channel after JPEG, in data units; its range goes to 0 ... 255."""
    grey = np.rint(np.clip((plane.reshape(plane.shape[-2:]) - low) / full, 0, 1) * 255).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(grey).save(buffer, "jpeg", quality=quality)
    back = np.asarray(Image.open(buffer), np.float32) / 255 * full + low
    return back.reshape(plane.shape).astype(np.float32)
