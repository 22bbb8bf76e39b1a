"""The point spread function of a microscope, from what stands on its objective, for a plane in focus."""

import logging
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy  # its parts are loaded when they are used: a second of every process
from numpy.typing import NDArray

from tasks.catalog.companions import Optics, SampledPsf
from tasks.catalog.facts import Facts
from tasks.errors import InputError, RequestError
from tasks.psf import LARGEST

if TYPE_CHECKING:
    import xarray as xr

NANOMETRES: Mapping[str, float] = {
    "meter": 1e9, "metre": 1e9, "m": 1e9, "centimeter": 1e7, "millimeter": 1e6, "millimetre": 1e6, "mm": 1e6,
    "micrometer": 1e3, "micrometre": 1e3, "micron": 1e3, "um": 1e3, "µm": 1e3, "μm": 1e3, "nanometer": 1.0,
    "nanometre": 1.0, "nm": 1.0, "angstrom": 0.1, "picometer": 1e-3, "picometre": 1e-3,
}  # fmt: skip
FAINT = 1e-3  # of the middle's light: a pattern ends with its last ring that is as bright
RINGS = 20.0  # radii of the Airy disc up to which rings are looked for
NODES = 256  # of the integral over the aperture
FINE = 16.0  # samples of an Airy disc's radius, before they are summed over pixels
DISC = 1.2197  # first zero of J1 over pi: the Airy disc's diameter in wavelength / NA
SAME = 0.01  # by which pixels of one collection may differ
_STATE = "add `pixel_size: {y: 0.065, x: 0.065, unit: micrometer}`, with your numbers, to its entry"
log = logging.getLogger(__name__)


def stated_pixel(facts: Facts, what: str) -> tuple[float, float] | None:
    """Height and width of a pixel in nm where the facts state both; None: the file is to be asked."""
    size = facts.pixel_size
    if size is None or size.y is None or size.x is None:
        return None
    return pixel_nanometres({"pixel_size": {"y": size.y, "x": size.x}, "unit": {"y": size.unit, "x": size.unit}}, what)


def pixel_nanometres(told: Mapping[Any, Any], what: str) -> tuple[float, float]:
    """Height and width of a pixel in nm.

    Args:
        told: attributes of an input, as tasks.readers.open_input gives it. what: needs them, for the sentences.

    Raises:
        RequestError: they do not say so, or in a unit that is no length.
    """
    sizes, units = told.get("pixel_size", {}), told.get("unit", {})
    found = []
    for axis in ("y", "x"):
        if axis not in sizes:
            raise RequestError(
                f"{what} follows from its optics and the size of a pixel, and neither file nor catalogue states that "
                f"along {axis}; {_STATE}."
            )
        unit = str(units.get(axis, "nothing"))
        if unit.lower() not in NANOMETRES:
            raise RequestError(
                f"{what} follows from its optics and the size of a pixel, which is {sizes[axis]:g} in '{unit}' along "
                f"{axis}, and that is no length; {_STATE}."
            )
        found.append(float(sizes[axis]) * NANOMETRES[unit.lower()])
    return found[0], found[1]


def require_sampling(facts: Facts, array: "xr.DataArray", uri: str) -> None:
    """Refuse an input whose pixels are not those that the PSF of its collection was computed for.

    Raises:
        InputError: they are larger or smaller by more than SAME.
    """
    if not isinstance(facts.psf, SampledPsf):
        return
    wanted = facts.psf.pixel
    found = stated_pixel(facts, "The PSF") or pixel_nanometres(array.attrs, f"The PSF of '{uri}'")
    if any(abs(one / other - 1) > SAME for one, other in zip(found, wanted, strict=True)):
        raise InputError(
            f"'{uri}' has pixels of {found[0]:g} x {found[1]:g} nm, and the first input of its collection, for which "
            f"the PSF was computed from the optics, {wanted[0]:g} x {wanted[1]:g} nm; give them collections of their "
            "own, or state pixel_size if the file is wrong."
        )


def psf_of_optics(optics: Optics, pixel: tuple[float, float], what: str, factor: int = 1) -> NDArray[np.float64]:
    """Planes (channels or 1, k, l) on a grid `factor` times as fine as the measurement: seen by its pixels; sum 1.

    Light is summed over the area of each pixel. Undersampling is said in the log.

    Args:
        pixel: height and width of a measured pixel in nm. what: for the sentences.

    Raises:
        RequestError: the pattern is larger than a PSF may be.
    """
    planes = [_plane(optics, wavelength, pixel, what, factor) for wavelength in optics.wavelengths]
    high, wide = (max(plane.shape[axis] for plane in planes) for axis in (0, 1))
    return np.stack(
        [np.pad(each, [((high - each.shape[0]) // 2,) * 2, ((wide - each.shape[1]) // 2,) * 2]) for each in planes]
    )


def finest(optics: Optics, wavelength: float) -> float:
    """The largest pixel in nm that misses nothing of what the optics let through (Nyquist)."""
    if optics.excitation is None:
        return wavelength / (4 * optics.na)
    return 1 / (4 * optics.na * (1 / wavelength + 1 / optics.excitation))


def pattern(optics: Optics, wavelength: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Distance from the middle in nm, and the light there as a share of the middle's, out to the last visible ring.

    Wide field: Debye's integral over the aperture of an aplanatic objective for a scalar field (Born and Wolf, 8.8;
    Richards and Wolf 1959), the Airy pattern where NA is small. Confocal: that of the excitation times what a round
    pinhole lets through of the emission (Wilson, "Confocal Microscopy", 1990).
    """
    distance = np.asarray(np.arange(math.ceil(RINGS * 64)) * (wavelength / optics.na / 64), dtype=np.float64)
    light = _aperture(optics, wavelength, distance)
    if optics.excitation is not None:
        radius = optics.pinhole * DISC * wavelength / optics.na / 2
        light = _aperture(optics, optics.excitation, distance) * _through(distance, light, radius)
        light /= light[0]
    last = int(np.flatnonzero(light >= FAINT)[-1]) + 1
    return distance[: last + 1], light[: last + 1]


def _aperture(optics: Optics, wavelength: float, distance: NDArray[np.float64]) -> NDArray[np.float64]:
    half = math.asin(optics.na / optics.refractive_index)
    nodes, shares = np.polynomial.legendre.leggauss(NODES)
    angle = half * (nodes + 1) / 2
    wave = 2 * math.pi * optics.refractive_index / wavelength * np.sin(angle)
    amplitude = (shares * np.sqrt(np.cos(angle)) * np.sin(angle)) @ scipy.special.j0(wave[:, None] * distance)
    return np.asarray((amplitude / amplitude[0]) ** 2)


def _through(distance: NDArray[np.float64], light: NDArray[np.float64], radius: float) -> NDArray[np.float64]:
    """A radial pattern after a round pinhole of this radius: its mean over discs around each distance."""
    if radius < distance[1]:
        return light
    rings, shares = np.polynomial.legendre.leggauss(24)
    rim = radius * (rings + 1) / 2
    turn = (np.arange(32) + 0.5) * math.pi / 32
    total = np.zeros_like(light)
    for r, share in zip(rim, shares, strict=True):
        apart = np.sqrt(distance[:, None] ** 2 + r**2 - 2 * distance[:, None] * r * np.cos(turn))
        total += share * r * np.interp(apart, distance, light, right=0.0).mean(1)
    return total / total[0]


def _plane(
    optics: Optics, wavelength: float, pixel: tuple[float, float], what: str, factor: int
) -> NDArray[np.float64]:
    nyquist = finest(optics, wavelength)
    if factor == 1 and max(pixel) > nyquist * 1.001:
        log.warning(
            "%s: pixels of %.0f nm are coarser than the %.0f nm at which optics of NA %g lose nothing at %.0f nm; "
            "finer detail is folded into coarser, and sharpening may draw it where it is not.",
            what, max(pixel), nyquist, optics.na, wavelength,
        )  # fmt: skip
    distance, light = pattern(optics, wavelength)
    sides, places = [], []
    for size in pixel:
        fine = size / factor
        half = math.ceil(distance[-1] / fine - 0.5)
        samples = max(3, math.ceil(fine / (wavelength / optics.na / FINE)))
        sides.append((2 * half + 1, samples))
        places.append(((np.arange((2 * half + 1) * samples) + 0.5) / samples - half - 0.5) * fine)
    if max(side for side, _ in sides) + factor - 1 > LARGEST:
        raise RequestError(
            f"{what} reaches {distance[-1]:.0f} nm to either side, and pixels of {min(pixel):g} nm would make "
            f"{max(side for side, _ in sides)} px of it, more than {LARGEST}; see that wavelength (in nm) and pixel "
            "size are right, or average pixels before."
        )
    (high, down), (wide, across) = sides
    whole = np.interp(np.hypot(places[0][:, None], places[1]), distance, light, right=0.0)
    plane = whole.reshape(high, down, wide, across).mean((1, 3))
    if factor > 1:
        plane = scipy.signal.convolve2d(plane, np.full((factor, factor), 1 / factor**2))
    return np.asarray(plane / plane.sum())
