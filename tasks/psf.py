"""The point spread function of a collection: read once, checked, and sampled on the grid of the image."""

import io

import numpy as np
import scipy  # its parts are loaded when they are used: a second of every process
import torch
from numpy.typing import NDArray

from il_models.degradations import gaussian_psf
from il_models.resampling import resized
from tasks.catalog.facts import Facts
from tasks.errors import InputError, RequestError
from tasks.readers import open_input
from tasks.stores.place import Place

LARGEST = 129  # px a side
FLUX = 0.01  # by which a PSF's sum may miss 1; what is less is rounding, and is divided away
DARK = 1e-3  # of the largest value: what may lie below zero


def psf_of_width(fwhm: float, factor: int = 1) -> NDArray[np.float64]:
    """A Gaussian, (1, k, l), on a grid `factor` times as fine as the measurement: seen by pixels of the measurement.

    Args:
        fwhm: full width at half maximum in measured pixels.
    """
    light = gaussian_psf(factor * fwhm)[0, 0].double().numpy()
    return np.asarray(scipy.signal.convolve2d(light, np.full((factor, factor), 1 / factor**2)))[None]


def psf_from_file(uri: str, what: str, factor: int = 1) -> NDArray[np.float64]:
    """The planes of a file, sampled as the measurement is, on a grid `factor` times as fine.

    Args:
        what: for the sentences.

    Raises:
        RequestError: it cannot be read, or is none; its middle is not that of a measured pixel and shall be one.
    """
    found = _read(uri)
    planes = checked_psf(found, what)
    if factor == 1:
        return planes
    if any(side % 2 == 0 for side in found.shape[-2:]):
        raise RequestError(
            f"{what} has sides of {found.shape[-2]} x {found.shape[-1]} px, so that its middle lies between pixels, "
            "and the enlarged image would be shifted; give a PSF of odd sides, centred on its middle pixel."
        )
    sides = (planes.shape[1] * factor, planes.shape[2] * factor)
    finer = resized(torch.from_numpy(planes)[None], sides, float(factor))[0].clamp(min=0).numpy()
    return np.asarray(finer / finer.sum((1, 2), keepdims=True))


def checked_psf(found: NDArray[np.generic], what: str) -> NDArray[np.float64]:
    """Planes (channels or 1, height, width) of odd sides that sum to 1.

    Args:
        found: as read. what: for the sentences.

    Raises:
        RequestError: it is no PSF.
    """
    planes = np.asarray(found, dtype=np.float64)
    planes = planes[None] if planes.ndim == 2 else planes
    if planes.ndim != 3 or min(planes.shape) < 1:
        raise RequestError(
            f"{what} has {found.ndim} axes of {found.shape}; expected one plane (y, x), or one per channel (c, y, x). "
            "Planes of a stack are sharpened one by one: give the PSF of a plane in focus."
        )
    if max(planes.shape[1:]) > LARGEST:
        raise RequestError(
            f"{what} is {planes.shape[1]} x {planes.shape[2]} px, more than {LARGEST}; cut it to where its light is, "
            "and see that it is sampled as the images are."
        )
    if not np.isfinite(planes).all() or planes.min() < -DARK * planes.max():
        raise RequestError(f"{what} holds values below zero, or none at all; take its background off.")
    sums = planes.sum((1, 2))
    if np.abs(sums - 1).max() > FLUX:
        raise RequestError(
            f"{what} sums to {sums[np.abs(sums - 1).argmax()]:.4g}, not to 1, so that brightness would change; divide "
            "it by its sum."
        )
    planes = np.pad(planes.clip(min=0), ((0, 0), *((0, 1 - side % 2) for side in planes.shape[1:])))
    return planes / planes.sum((1, 2), keepdims=True)


def _read(uri: str) -> NDArray[np.generic]:
    try:
        if uri.endswith(".npy"):
            folder, _, name = uri.rpartition("/")
            return np.asarray(np.load(io.BytesIO(Place(folder or ".").read(name)), allow_pickle=False))
        return np.asarray(open_input(uri, Facts(title="psf", source=uri)).compute(scheduler="synchronous"))
    except (InputError, OSError, ValueError, MemoryError) as error:
        raise RequestError(f"The PSF '{uri}' cannot be read: {error}") from None
