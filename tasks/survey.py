"""One cheap pass over an input: scale, noise, what is empty. Reads metadata and a few windows only."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tasks.catalog.facts import Facts
from tasks.catalog.inputs import InputRef
from tasks.catalog.noise import AffineNoise, SpeckleNoise, is_found, pooled_over
from tasks.errors import InputError
from tasks.measured import Valid
from tasks.noise_seen import noise_seen, noise_shown, speckle_seen
from tasks.optics import require_sampling
from tasks.plan import ChannelNoise, GuidePlan, Survey
from tasks.problems import seed_of
from tasks.readers import open_input
from tasks.readers._guiding import GUIDE, PlacedGuide
from tasks.tiling import AXES, Five
from tasks.windows import sampled_windows

if TYPE_CHECKING:
    import xarray as xr

SCALE_PERCENTILES = (0.1, 99.9)  # a hot pixel must not set the scale
NOISE_PERCENTILES = (1.0, 99.0)


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
    noise, source = tuple(_noises(raw, valid, facts)), _source(facts)
    return Survey(
        offset=tuple(ranges[:, 0].tolist()),
        scale=tuple(np.where(spread > 0, spread, 1.0).tolist()),
        noise=noise,
        noise_source=source,
        low=tuple(bounds[:, 0].tolist()),
        high=tuple(bounds[:, 1].tolist()),
        valid=float(valid.mean()),
        empty=float(np.mean([_is_empty(raw[i], valid[i]) for i in range(len(raw))])),
        shown=tuple(
            None if source == "estimate" else noise_shown(raw[:, c], valid, own) for c, own in enumerate(noise)
        ),
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


def _range(raw: NDArray[np.float32], valid: Valid, percentiles: tuple[float, float]) -> tuple[float, float]:
    values = raw[valid]
    if values.size == 0:
        return 0.0, 0.0
    low, high = np.percentile(values, percentiles)
    return float(low), float(high)


def _source(facts: Facts) -> str:
    """Where the noise of a survey comes from."""
    if pooled_over(facts.noise) is not None:
        return "pooled"
    return "estimate" if is_found(facts.noise, "estimate") else "catalogue"


def _noises(raw: NDArray[np.float32], valid: Valid, facts: Facts) -> Iterator[ChannelNoise]:
    """Of each channel of windows (n, c, h, w)."""
    told = facts.noise
    if isinstance(told, AffineNoise) and len(told.gain) != raw.shape[1]:
        raise InputError(
            f"It has {raw.shape[1]} channels, and the noise of its collection is told of {len(told.gain)}; say "
            "`noise: estimate`, or give inputs of other channels a collection of their own."
        )
    for c, one in enumerate(raw.swapaxes(0, 1)):
        if isinstance(told, AffineNoise):
            yield ChannelNoise(told.gain[c], told.variance[c], told.colour(c))
        elif isinstance(told, SpeckleNoise):
            yield speckle_seen(one, valid, None if isinstance(told.looks, str) else told.looks)
        elif isinstance(told, str):
            yield noise_seen(one, valid)
        else:
            yield ChannelNoise(*told.affine)


def _is_empty(raw: NDArray[np.float32], valid: Valid) -> bool:
    values = raw[:, valid]
    return values.size == 0 or bool((values.max(1) == values.min(1)).all())
