"""skimage://NAME: a picture inside the scikit-image wheel, so that a demonstration needs no download.

A query simulates the acquisition of that picture, the same bytes every time:
    photons=100       photo-electrons of the brightest pixel, on average; without it values stay as they are
    gain=2            data units per photo-electron
    offset=100        data units that no light gives
    read_noise=3      standard deviation in the dark, in data units
    blur=3            full width at half maximum of a Gaussian PSF, in pixels, before the noise
    shrink=2          so many pixels of the picture, along y and x, become one, anti-aliased; it must divide the sides
    sigma=5           standard deviation of Gaussian noise, in data units, independent of the light
    seed=7            draws the noise; without it the picture is the clean twin of the acquisition, on the same scale
    frames=10         a stack of that many independent exposures, along t
    channel=0         one colour of a colour picture: 0 red, 1 green, 2 blue
    crop=y,x,h,w      a part: first row, first column, height, width
    dtype=uint16      uint8, uint16 (default with photons) or float32; whole numbers are rounded and clipped
    nodata=0          value of a corner that was not measured
    corner=96         size of that corner, in pixels
    crs=EPSG:32633    places the picture on the ground
    pixel=10          size of a pixel there, in metres
"""

import threading
from dataclasses import dataclass, fields, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import numpy as np
import scipy  # its parts are loaded when they are used
import torch
from numpy.typing import NDArray

from il_models.degradations import Downsample
from tasks.catalog.facts import Facts
from tasks.catalog.locations import scheme
from tasks.errors import InputError, nearest
from tasks.readers import picture
from tasks.readers._canonical import canonical
from tasks.readers._stored import Georeference, Pixels, Stored

if TYPE_CHECKING:
    import xarray as xr

SUFFIXES = ("skimage://",)
LARGEST = 2**29
# Somewhere on land in UTM zones of the northern half.
CORNER = (500_000.0, 5_000_000.0)


@dataclass(frozen=True)
class Acquisition:
    """How a picture was taken. See the module for the units."""

    photons: float = 0.0
    gain: float = 1.0
    offset: float = 0.0
    read_noise: float = 0.0
    blur: float = 0.0
    shrink: int = 1
    sigma: float = 0.0
    seed: int = -1
    frames: int = 0
    channel: int = -1
    crop: str = ""
    dtype: str = ""
    nodata: float | None = None
    corner: int = 0
    crs: str = ""
    pixel: float = 1.0


def claims(uri: str) -> bool:
    """Every URI of its scheme."""
    return scheme(uri) == "skimage"


def open(uri: str, facts: Facts) -> "xr.DataArray":
    """A packaged picture. Raises InputError for an unknown name or query."""
    taken = _acquisition(uri)
    clean = _picture(uri, taken)
    top, left, height, width = _crop(uri, taken, clean.pixels.shape)
    shape = (height // taken.shrink, width // taken.shrink, *clean.pixels.shape[2:])
    if taken.frames:
        shape = (taken.frames, *shape)
    if np.prod(shape) * 4 > LARGEST:
        raise InputError(f"{uri} would hold {shape} pixels; a simulated image is at most {LARGEST / 2**20:.0f} MiB.")
    dtype = np.dtype(taken.dtype or ("uint16" if taken.photons else clean.pixels.dtype))
    window = (slice(top, top + height), slice(left, left + width))
    return canonical(
        Stored(
            uri,
            Simulated(clean.pixels, taken, window, shape, dtype),
            (("t",) if taken.frames else ()) + clean.dims,
            shape,
            channels=clean.channels,
            nodata=taken.nodata,
            georeference=_ground(taken, top, left) if taken.crs else None,
            notes=clean.notes,
        ),
        facts,
    )


class OneColour:
    """One channel of a colour picture."""

    def __init__(self, pixels: Pixels, channel: int) -> None:
        """`channel`: 0 red, 1 green, 2 blue."""
        self.shape, self.dtype = pixels.shape[:2], pixels.dtype
        self._pixels, self._channel = pixels, channel

    def __getitem__(self, index: tuple[slice, ...]) -> NDArray[Any]:
        """A block of pixels."""
        return np.asarray(self._pixels[(*index, slice(self._channel, self._channel + 1))])[..., 0]


class Simulated:
    """A picture and the camera that takes it, when it is first indexed."""

    def __init__(
        self, clean: Any, taken: Acquisition, window: tuple[slice, slice], shape: tuple[int, ...], dtype: np.dtype[Any]
    ) -> None:
        """`window`: the part of the clean picture that the camera sees."""
        self.shape, self.dtype = shape, dtype
        self._clean, self._taken, self._window = clean, taken, window
        self._lock, self._pixels = threading.Lock(), np.empty(0, dtype)

    def __getitem__(self, index: tuple[slice, ...]) -> NDArray[Any]:
        """A block of pixels."""
        with self._lock:
            if not self._pixels.size:
                self._pixels = self._exposed()
        return self._pixels[index]

    def _exposed(self) -> NDArray[Any]:
        whole = np.asarray(self._clean[tuple(slice(0, n) for n in self._clean.shape)], np.float64)
        taken = self._taken
        if taken.blur:
            widths = [taken.blur / 2.3548] * 2 + [0.0] * (whole.ndim - 2)
            whole = scipy.ndimage.gaussian_filter(whole, widths, mode="reflect")
        # The brightest pixel of the whole picture, so that all crops share one scale.
        electrons = _shrunken(whole[self._window], taken.shrink) * (
            taken.photons / whole.max() if taken.photons else 1.0
        )
        frames = [_exposure(electrons, taken, frame) for frame in range(taken.frames or 1)]
        pixels = np.stack(frames) if taken.frames else frames[0]
        if self.dtype.kind == "u":
            pixels = np.clip(np.rint(pixels), 0, np.iinfo(self.dtype).max)
        if taken.corner and taken.nodata is not None:
            y, x = np.ogrid[tuple(slice(part.start, part.stop, taken.shrink) for part in self._window)]
            outside = x + y < taken.corner
            pixels[np.broadcast_to(outside[..., None] if whole.ndim == 3 else outside, pixels.shape)] = taken.nodata
        return pixels.astype(self.dtype)


def _shrunken(picture: NDArray[np.float64], factor: int) -> NDArray[np.float64]:
    """As MATLAB's imresize shrinks it: what `zoom` in a recipe takes to have happened, unless it says otherwise."""
    if factor == 1:
        return picture
    planes = torch.from_numpy(np.moveaxis(picture.reshape(*picture.shape[:2], -1), -1, 0)[None].copy())
    seen = Downsample(factor)(planes)[0].numpy().clip(min=0)
    return np.moveaxis(seen, 0, -1).reshape(*seen.shape[1:], *picture.shape[2:])


def _exposure(electrons: NDArray[np.float64], taken: Acquisition, frame: int) -> NDArray[np.float64]:
    """One frame, in data units: gain * Poisson(electrons) + offset + read noise."""
    if taken.seed < 0:
        return taken.gain * electrons + taken.offset
    draw = np.random.default_rng([taken.seed, frame])
    counted = draw.poisson(electrons) if taken.photons else electrons
    spread = float(np.hypot(taken.read_noise, taken.sigma))
    return taken.gain * counted + taken.offset + spread * draw.standard_normal(electrons.shape)


def _acquisition(uri: str) -> Acquisition:
    known = {field.name: field.type for field in fields(Acquisition)}
    given = dict(parse_qsl(uri.partition("?")[2], keep_blank_values=True))
    values: dict[str, Any] = {}
    for key, text in given.items():
        if key not in known:
            raise InputError(f"{uri}: '{key}' is not known; allowed: {', '.join(known)}.{nearest(key, known)}")
        try:
            values[key] = int(text) if known[key] is int else text if known[key] is str else float(text)
        except ValueError as error:
            raise InputError(f"{uri}: {key} is a number, not '{text}'.") from error
    taken = Acquisition(**values)
    if taken.dtype not in ("", "uint8", "uint16", "float32"):
        raise InputError(f"{uri}: dtype is uint8, uint16 or float32, not '{taken.dtype}'.")
    if taken.shrink < 1:
        raise InputError(f"{uri}: shrink cannot be {taken.shrink}; it is a whole number of 1 or more.")
    numbers = ("photons", "gain", "read_noise", "blur", "sigma", "frames", "corner", "pixel")
    wrong = next((name for name in numbers if not 0 <= getattr(taken, name) < float("inf")), None)
    if wrong:
        raise InputError(f"{uri}: {wrong} cannot be {getattr(taken, wrong)}.")
    return taken


def _picture(uri: str, taken: Acquisition) -> Stored:
    """The picture without its camera, in one colour if so asked."""
    clean = picture.stored_picture(str(_file(uri)))
    if taken.channel < 0:
        return clean
    if taken.channel >= len(clean.channels):
        raise InputError(f"{uri}: there is no channel {taken.channel}; the picture has {len(clean.channels)} colours.")
    return replace(clean, pixels=OneColour(clean.pixels, taken.channel), dims=("y", "x"), channels=())


def _ground(taken: Acquisition, top: int, left: int) -> Georeference:
    """Where its first pixel lies: at the same place, however large its pixels are."""
    a, b = taken.pixel, taken.pixel * taken.shrink
    return Georeference(taken.crs, (b, 0.0, CORNER[0] + a * left, 0.0, -b, CORNER[1] - a * top))


def _crop(uri: str, taken: Acquisition, shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    if not taken.crop:
        return _divided(uri, taken, (0, 0, shape[0], shape[1]))
    try:
        top, left, height, width = map(int, taken.crop.split(","))
    except ValueError as error:
        raise InputError(f"{uri}: crop is four whole numbers 'y,x,height,width', not '{taken.crop}'.") from error
    if min(top, left) < 0 or min(height, width) < 1 or top + height > shape[0] or left + width > shape[1]:
        raise InputError(f"{uri}: crop {taken.crop} is not inside the picture of {shape[0]} x {shape[1]} pixels.")
    return _divided(uri, taken, (top, left, height, width))


def _divided(uri: str, taken: Acquisition, part: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    if part[2] % taken.shrink or part[3] % taken.shrink:
        raise InputError(f"{uri}: shrink={taken.shrink} does not divide the sides, {part[2]} x {part[3]}; crop it.")
    return part


def _file(uri: str) -> Path:
    spec = find_spec("skimage")
    folder = Path(spec.origin).parent / "data" if spec and spec.origin else Path()
    files = {file.stem: file for file in sorted(folder.glob("*")) if file.suffix in picture.SUFFIXES}
    name = uri.partition("://")[2].partition("?")[0]
    if name not in files:
        raise InputError(
            f"'{uri}': scikit-image brings no picture '{name}'; it has {', '.join(files)}.{nearest(name, files)}"
        )
    return files[name]
