"""On what contenders are compared: inputs, looked at once, and a few tiles of each from the smooth to the textured."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import scipy  # its parts are loaded when they are used
from numpy.typing import NDArray

from il_models.methods import known_methods
from tasks.catalog.facts import Facts
from tasks.catalog.inputs import InputRef
from tasks.comparison.challenge import Challenge
from tasks.comparison.spoiling import Spoiling, spoiled
from tasks.errors import InputError
from tasks.grids import grid_for
from tasks.measured import measured_pixels, read_box
from tasks.plan import Survey
from tasks.problems import seed_of
from tasks.readers import open_input
from tasks.recipe import Recipe
from tasks.survey import SCALE_PERCENTILES, survey_input
from tasks.tiling import AXES, Box, Five, TileGrid
from tasks.windows import sampled_windows

if TYPE_CHECKING:
    import xarray as xr

LOOKED_AT = 48  # tiles of an input, from which the few are chosen
SMOOTHED = 5  # px over which a tile is averaged before its texture is measured


@dataclass(frozen=True)
class Subject:
    """An input as all contenders get it, or the reason why none can.

    places: cores of tiles, which every contender restores, whatever its own tiles are. texture: of each, over its
    noise. peak: of the PSNR, data units.
    """

    collection: str
    facts: Facts
    ref: InputRef
    spoiling: Spoiling | None
    dims: tuple[str, ...] = ()
    shape: Five = (1, 1, 1, 1, 1)
    dtype: str = ""
    survey: Survey | None = None
    places: tuple[Box, ...] = ()
    texture: tuple[float, ...] = ()
    peak: float = 1.0
    reason: str = ""

    @property
    def reference(self) -> str | None:
        """URI of the clean twin."""
        return self.ref.reference


def look(challenge: Challenge, ref: InputRef) -> Subject:
    """Survey an input and choose its tiles; one that cannot be read is told with its reason."""
    facts = challenge.facts
    if challenge.spoiling is not None:
        facts = challenge.spoiling.facts(facts)
    blank = Subject(challenge.collection, facts, ref, challenge.spoiling)
    try:
        return _seen(blank, challenge)
    except Exception as error:  # noqa: BLE001 - a decoder may raise anything; the other inputs go on
        told = str(error) if isinstance(error, InputError) else f"'{ref.uri}': {type(error).__name__}: {error}"
        return replace(blank, reason=told)


def open_measurement(subject: Subject) -> "xr.DataArray":
    """What contenders restore: the input, or its reference spoiled."""
    if subject.spoiling is None:
        return open_input(subject.ref.uri, subject.facts, subject.ref.mask)
    clean = open_reference(subject)
    low, full = _full_scale(clean, subject)
    return spoiled(clean, subject.spoiling, low, full, _seed(subject, str(subject.spoiling)))


def open_reference(subject: Subject) -> "xr.DataArray":
    """The clean twin; it has facts of its own, and only its axes must be the same.

    Raises:
        InputError: there is none, or it cannot be read.
    """
    if subject.reference is None:
        raise InputError(f"'{subject.ref.name}' has no reference.")
    own = Facts(title="reference", source=subject.reference, axes=subject.facts.axes, mask=subject.facts.mask)
    return open_input(subject.reference, own, subject.ref.mask)


def chosen(textures: list[float], count: int) -> list[int]:
    """Which of many tiles to take, from the least to the most textured, evenly spread over their ranks."""
    order = np.argsort(textures, kind="stable")
    places = np.linspace(0, len(order) - 1, min(count, len(order))) if count > 1 else [(len(order) - 1) / 2]
    return list(dict.fromkeys(int(order[round(float(place))]) for place in places)) if len(order) else []


def texture_of(raw: NDArray[np.float32], sigma: float) -> float:
    """Spread of a plane (h, w) once its noise is averaged away, over that noise."""
    smooth = scipy.ndimage.uniform_filter(raw.astype(np.float64), SMOOTHED)
    left = max(float(smooth.var()) - sigma**2 / SMOOTHED**2, 0.0)
    return float(np.sqrt(left) / max(sigma, 1e-9 * max(1.0, float(np.abs(raw).max()))))


def _seen(blank: Subject, challenge: Challenge) -> Subject:
    array = open_measurement(blank)
    if blank.reference is not None:
        clean = open_reference(blank)
        if clean.sizes != array.sizes:
            raise InputError(
                f"Input '{blank.ref.name}' is {dict(array.sizes)}, and its reference {dict(clean.sizes)}; give a twin "
                "of the same size, or leave the reference out."
            )
    survey = survey_input(array, blank.facts, seed_of(0, blank.collection, blank.ref.name, "survey"))
    t, c, z, y, x = (array.sizes.get(axis, 1) for axis in AXES)
    grid = grid_for((t, c, z, y, x), known_methods()["identity"](), Recipe(tiling=challenge.tiling))
    places, texture = _places(array, grid, survey, challenge.tiles)
    return replace(
        blank,
        dims=tuple(map(str, array.dims)),
        shape=(t, c, z, y, x),
        dtype=str(array.dtype),
        survey=survey,
        places=places,
        texture=texture,
        peak=_full_scale(clean, blank)[1] if blank.reference is not None else float(np.mean(survey.scale)),
    )


def _places(
    array: "xr.DataArray", grid: TileGrid, survey: Survey, count: int
) -> tuple[tuple[Box, ...], tuple[float, ...]]:
    full = [i for i in _spread(grid.tiles, 20 * LOOKED_AT) if 2 * _area(grid, i) >= grid.core[3] * grid.core[4]]
    tried = [full[i] for i in _spread(len(full), LOOKED_AT)] or [0]  # the last of a row can be a sliver
    sigma = [
        max(own.gain * (low + high) / 2 + own.variance, 0.0) ** 0.5
        for own, low, high in zip(survey.noise, survey.low, survey.high, strict=True)
    ]
    boxes, textures = [], []
    for number in tried:
        box = grid.tile_core(number)
        values = read_box(array, box)
        valid = measured_pixels(array, box, values)[0, 0, 0]
        if valid.mean() < 0.5 or np.ptp(values[0, :, 0][:, valid]) == 0:
            continue
        raw = np.where(valid, values[0, :, 0], values[0, :, 0][:, valid].mean(1)[:, None, None]).astype(np.float32)
        boxes.append(box)
        textures.append(max(texture_of(plane, own) for plane, own in zip(raw, sigma, strict=True)))
    if not boxes:
        raise InputError("None of the tiles that were tried holds an image.")
    taken = chosen(textures, count)
    return tuple(boxes[i] for i in taken), tuple(textures[i] for i in taken)


def _spread(count: int, most: int) -> list[int]:
    """At most so many of 0 ... count - 1, evenly."""
    return sorted({round(float(place)) for place in np.linspace(0, count - 1, min(count, most))})


def _area(grid: TileGrid, tile: int) -> int:
    height, width = grid.tile_core(tile).shape[3:]
    return height * width


def _full_scale(clean: "xr.DataArray", subject: Subject) -> tuple[float, float]:
    """Black, and from there to white: of 8-bit pictures 0 and 255, otherwise the range of the sampled windows."""
    if clean.dtype == np.uint8:
        return 0.0, 255.0
    raw, valid = sampled_windows(clean, _seed(subject, "scale"))
    values = raw.transpose(0, 2, 3, 1)[valid]
    low, high = np.percentile(values, SCALE_PERCENTILES) if values.size else (0.0, 1.0)
    return float(low), float(high - low) or 1.0


def _seed(subject: Subject, place: str) -> int:
    return seed_of(0, subject.collection, subject.ref.name, place)
