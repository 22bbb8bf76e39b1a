"""One cheap pass over an input: scale, noise, what is empty. Reads metadata and a few windows only."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from il_models.noise import estimate_noise, looks_seen
from tasks.catalog.facts import Facts, SpeckleNoise
from tasks.catalog.inputs import InputRef
from tasks.errors import InputError
from tasks.measured import Valid, measured_pixels, read_box
from tasks.optics import require_sampling
from tasks.plan import ChannelNoise, GuidePlan, Speckle, Survey
from tasks.problems import seed_of
from tasks.readers import open_input
from tasks.readers._guiding import GUIDE, PlacedGuide
from tasks.tiling import AXES, Box, Five

if TYPE_CHECKING:
    import xarray as xr

WINDOWS = 24
SIDE = 128  # px
SCALE_PERCENTILES = (0.1, 99.9)  # a hot pixel must not set the scale
NOISE_PERCENTILES = (1.0, 99.0)
FLOOR_QUANTILE = 1e-4  # of positive intensities: zeros get a logarithm, and deep nulls of speckle keep theirs


@dataclass(frozen=True)
class Surveyed:
    """What was learned of one input, or why it cannot be read."""

    ref: InputRef
    dims: tuple[str, ...] = ()
    shape: Five = (1, 1, 1, 1, 1)
    dtype: str = ""
    survey: Survey | None = None
    reason: str = ""
    guide: GuidePlan | None = None


def survey_refs(collection: str, facts: Facts, refs: Iterable[InputRef]) -> list[Surveyed]:
    """Open and survey some inputs. One that cannot be read is told with its reason, and stops nobody."""
    return [_surveyed(collection, facts, ref) for ref in refs]


def _surveyed(collection: str, facts: Facts, ref: InputRef) -> Surveyed:
    try:
        if facts.guide is not None and ref.guide is None:
            raise InputError(f"'{ref.uri}' has no guide of its name among those of '{collection}'; give it one.")
        array = open_input(ref.uri, facts, ref.mask, ref.guide)
        require_sampling(facts, array, ref.uri)
        seed = seed_of(0, collection, ref.name, "survey")
        found, guide = survey_input(array, facts, seed), _guide(array, seed)
    except InputError as error:
        return Surveyed(ref, reason=str(error))
    except Exception as error:  # noqa: BLE001 - a decoder may raise anything; the other inputs go on
        return Surveyed(
            ref,
            reason=f"'{ref.uri}' cannot be read ({type(error).__name__}: {error}); check the file, or leave it out.",
        )
    t, c, z, y, x = (array.sizes.get(axis, 1) for axis in AXES)
    return Surveyed(ref, tuple(map(str, array.dims)), (t, c, z, y, x), str(array.dtype), found, guide=guide)


def survey_input(array: "xr.DataArray", facts: Facts, seed: int) -> Survey:
    """What the sampled windows of an input say.

    Args:
        array: the input, lazily opened, as tasks.readers.open_input gives it.
        facts: of its collection; noise that they know is not estimated.
        seed: of the places of the windows.
    """
    raw, valid = sampled_windows(array, seed)
    ranges = np.array([_range(raw[:, c], valid, SCALE_PERCENTILES) for c in range(raw.shape[1])])
    bounds = np.array([_range(raw[:, c], valid, NOISE_PERCENTILES) for c in range(raw.shape[1])])
    spread = ranges[:, 1] - ranges[:, 0]
    return Survey(
        offset=tuple(ranges[:, 0].tolist()),
        scale=tuple(np.where(spread > 0, spread, 1.0).tolist()),
        noise=tuple(_noise(raw[:, c], valid, facts) for c in range(raw.shape[1])),
        noise_source="estimate" if _is_estimated(facts) else "catalogue",
        low=tuple(bounds[:, 0].tolist()),
        high=tuple(bounds[:, 1].tolist()),
        valid=float(valid.mean()),
        empty=float(np.mean([_is_empty(raw[i], valid[i]) for i in range(len(raw))])),
    )


def _guide(array: "xr.DataArray", seed: int) -> GuidePlan | None:
    """How the guide of an input is scaled, if it has one."""
    placed: PlacedGuide | None = array.attrs.get(GUIDE)
    if placed is None:
        return None
    raw, valid = sampled_windows(placed.array, seed)
    ranges = np.array([_range(raw[:, c], valid, SCALE_PERCENTILES) for c in range(raw.shape[1])])
    spread = ranges[:, 1] - ranges[:, 0]
    scale = np.where(spread > 0, spread, 1.0)
    return GuidePlan(placed.uri, placed.factor, tuple(ranges[:, 0].tolist()), tuple(scale.tolist()))


def sampled_windows(array: "xr.DataArray", seed: int) -> tuple[NDArray[np.float32], Valid]:
    """Windows from all over an input, a small one whole: raw values (n, c, h, w), and what was measured (n, h, w)."""
    t, c, z, height, width = (array.sizes.get(axis, 1) for axis in AXES)
    rows, columns = -(-height // SIDE), -(-width // SIDE)
    if t * z * rows * columns <= WINDOWS:
        h, w = -(-height // rows), -(-width // columns)
        corners = list(product(range(t * z), _spread(height - h, rows), _spread(width - w, columns)))
    else:
        h, w = min(SIDE, height), min(SIDE, width)
        random = np.random.default_rng(seed)
        corners = [
            (plane, int(random.integers(height - h + 1)), int(random.integers(width - w + 1)))
            for plane in _spread(t * z - 1, WINDOWS)  # so that bleaching or depth is seen
        ]
    raws, valids = [], []
    for plane, top, left in corners:
        i, j = divmod(plane, z)
        box = Box((i, 0, j, top, left), (i + 1, c, j + 1, top + h, left + w))
        values = read_box(array, box)
        raws.append(values[0, :, 0].astype(np.float32))
        valids.append(measured_pixels(array, box, values)[0, 0, 0])
    return np.stack(raws), np.stack(valids)


def _spread(last: int, count: int) -> list[int]:
    return [int(place) for place in np.linspace(0, last, count).round()]


def _range(raw: NDArray[np.float32], valid: Valid, percentiles: tuple[float, float]) -> tuple[float, float]:
    values = raw[valid]
    if values.size == 0:
        return 0.0, 0.0
    low, high = np.percentile(values, percentiles)
    return float(low), float(high)


def _is_estimated(facts: Facts) -> bool:
    return facts.noise == "estimate" or (isinstance(facts.noise, SpeckleNoise) and facts.noise.looks == "estimate")


def _noise(raw: NDArray[np.float32], valid: Valid, facts: Facts) -> ChannelNoise:
    if facts.noise == "estimate":
        return ChannelNoise(*estimate_noise(torch.from_numpy(raw), torch.from_numpy(valid)))
    if isinstance(facts.noise, SpeckleNoise):
        return _speckle(raw, valid, facts.noise.looks)
    return ChannelNoise(*facts.noise.affine)


def _speckle(raw: NDArray[np.float32], valid: Valid, looks: float | Literal["estimate"]) -> ChannelNoise:
    """Speckle, whose colour and, if so asked, looks are read off log-intensities: there it is the same everywhere."""
    positive = valid & (raw > 0)
    floor = float(np.quantile(raw[positive], FLOOR_QUANTILE)) if positive.any() else 1.0
    logarithm = np.log(np.maximum(raw, floor, where=positive, out=np.full_like(raw, floor)))
    gain, variance, correlation = estimate_noise(torch.from_numpy(logarithm), torch.from_numpy(positive))
    if looks == "estimate":
        middle = float(np.median(logarithm[positive])) if positive.any() else 0.0
        looks = looks_seen(gain * middle + variance)
    return ChannelNoise(0.0, 0.0, correlation, Speckle(looks, floor))


def _is_empty(raw: NDArray[np.float32], valid: Valid) -> bool:
    values = raw[:, valid]
    return values.size == 0 or bool((values.max(1) == values.min(1)).all())
