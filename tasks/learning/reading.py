"""Planes of a collection, read in windows: of its clean references where it has them, of its noisy inputs otherwise."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from il_models.noise import Noise, is_signal_dependent, stabilised
from tasks.catalog.document import facts_of, find_catalog, load_catalog
from tasks.catalog.facts import Facts
from tasks.catalog.inputs import InputRef, find_inputs
from tasks.catalog.noise import KnownNone
from tasks.errors import InputError, RequestError
from tasks.learning.material import Measured
from tasks.measured import measured_pixels, read_box
from tasks.plan import ChannelNoise, Survey
from tasks.pooled_noise import with_noise
from tasks.problems import seed_of
from tasks.readers import open_input
from tasks.registry.card import TrainingInput
from tasks.survey import survey_input
from tasks.tiling import AXES, Box
from tasks.tolerance import TOLERANCE

if TYPE_CHECKING:
    import xarray as xr

VALUES = 2**25  # of all inputs together: a bound on memory, and crops enough for any training
WINDOW = 512  # px: larger planes are read in windows
MOST_PLACES = 2**20  # that the windows of an input are drawn from
TRIES = 4  # windows that are looked at for each that is wanted, for some were not measured or are empty

Window = NDArray[np.generic]  # (c, h, w), all of it measured


@dataclass(frozen=True)
class Source:
    """What is learned from: a collection, its facts, its inputs."""

    collection: str
    facts: Facts
    inputs: tuple[InputRef, ...]

    @property
    def is_clean(self) -> bool:
        """Whether all inputs have clean references, or are clean themselves."""
        return isinstance(self.facts.noise, KnownNone) or all(ref.reference for ref in self.inputs)


@dataclass(frozen=True)
class Unit:
    """What is learned from or held out as a whole: an input, or a place of a single one. Clean planes have sigma 0."""

    name: str
    planes: list[Measured]
    origin: TrainingInput


def find_source(source: str, catalog: str | None = None, limit: int | None = None) -> Source:
    """The inputs of a collection, by listing alone, unless there is noise to be found in them together.

    Raises:
        RequestError: no such collection, no inputs, or no limit that leaves any.
    """
    if limit is not None and limit < 1:
        raise RequestError(f"--limit {limit} leaves nothing to learn from; give 1 or more.")
    collection, facts = facts_of(source, load_catalog(find_catalog(catalog)))
    inputs = find_inputs(collection, facts)
    found = Source(collection, facts, tuple(inputs[:limit]))
    return found if found.is_clean else replace(found, facts=with_noise(collection, facts, inputs))


def read_units(source: Source) -> tuple[list[Unit], dict[str, str]]:
    """The units of a collection, and by name the inputs that were left out, with the reason."""
    own = {} if isinstance(source.facts.noise, KnownNone) else {ref.reference: ref for ref in source.inputs}
    refs = list(own.values()) if source.is_clean and own else list(source.inputs)  # exposures may share a reference
    units, left_out = [], {}
    for ref in refs:
        try:
            units += _read(source, ref, VALUES // len(refs), together=len(refs) > 1)
        except InputError as error:
            left_out[ref.name] = str(error)
    return units, left_out


def _read(source: Source, ref: InputRef, values: int, together: bool) -> list[Unit]:
    """One input as a unit, or each of its places as one."""
    array, survey = _opened(source, ref)
    seed = seed_of(0, source.collection, ref.name, "windows")
    found: dict[str, list[Window]] = {}
    for place, window in _windows(array, values, seed):
        found.setdefault("" if together else f" at {place}", []).append(window)
    if not found:
        raise InputError(f"Input '{ref.name}' has no window of which every pixel was measured and that shows anything.")
    return [
        Unit(
            f"{ref.name}{place}",
            [plane for window in windows for plane in _planes(window, survey)],
            _origin(f"{ref.name}{place}", windows),
        )
        for place, windows in found.items()
    ]


def _opened(source: Source, ref: InputRef) -> tuple["xr.DataArray", Survey | None]:
    """The array to learn from, and the survey of a noisy one."""
    if not source.is_clean:
        array = open_input(ref.uri, source.facts, ref.mask)
        survey = survey_input(array, source.facts, seed_of(0, source.collection, ref.name, "survey"))
        _require_white(ref, survey)
        return array, survey
    if isinstance(source.facts.noise, KnownNone) or ref.reference is None:
        return open_input(ref.uri, source.facts, ref.mask), None
    return open_input(ref.reference, Facts(title="reference", source=ref.reference, axes=source.facts.axes)), None


def _require_white(ref: InputRef, survey: Survey) -> None:
    """What pairs of one noisy image rest on: independent Gaussian noise, at least once it is stabilised."""
    for noise, low, high in zip(survey.noise, survey.low, survey.high, strict=True):
        told = f"Input '{ref.name}' cannot be learned from"
        if noise.speckle is not None:
            raise InputError(f"{told}: its noise is speckle, and that is not yet supported without clean references.")
        if max(map(abs, noise.correlation)) > TOLERANCE.noise_correlation:
            raise InputError(
                f"{told}: its noise is correlated (y {noise.correlation[0]:.2f}, x {noise.correlation[1]:.2f}), and "
                "that is not yet supported without clean references."
            )
        if noise.variance_at((low + high) / 2) <= 0:
            raise InputError(f"{told}: it shows no noise; where images are clean, say 'noise: {{kind: none}}'.")


def _windows(array: "xr.DataArray", values: int, seed: int) -> Iterator[tuple[str, Window]]:
    """Windows on a grid, in random order, until there are so many values: the place of each, 'y,x', and its pixels."""
    t, c, z, y, x = (array.sizes.get(axis, 1) for axis in AXES)
    h, w = min(WINDOW, y), min(WINDOW, x)
    grid = (t, z, y // h, x // w)
    random = np.random.default_rng(seed)
    count = int(np.prod(grid))
    order = random.permutation(count) if count <= MOST_PLACES else random.integers(count, size=MOST_PLACES)
    wanted = max(1, values // (c * h * w))
    for number in dict.fromkeys(order[: TRIES * wanted].tolist()):
        i, j, row, column = (int(part) for part in np.unravel_index(number, grid))
        box = Box((i, 0, j, row * h, column * w), (i + 1, c, j + 1, (row + 1) * h, (column + 1) * w))
        raw = read_box(array, box)
        if measured_pixels(array, box, raw).all() and np.ptp(raw) > 0:
            yield f"{row * h},{column * w}", raw[0, :, 0]
            wanted -= 1
        if wanted == 0:
            return


def _planes(window: Window, survey: Survey | None) -> list[Measured]:
    """The channels of a window, each brought to a range of [0, 1]."""
    own = window.astype(np.float32)
    if survey is None:
        return [_scaled(Measured(plane, 0.0)) for plane in own]
    noises = zip(own, survey.noise, survey.low, survey.high, strict=True)
    return [_scaled(_even(plane, noise, low, high)) for plane, noise, low, high in noises]


def _even(plane: NDArray[np.float32], noise: ChannelNoise, low: float, high: float) -> Measured:
    """A plane whose noise is the same everywhere, stabilised if need be."""
    if not is_signal_dependent(noise.gain, noise.variance, low, high):
        return Measured(plane, noise.variance_at((low + high) / 2) ** 0.5)
    one = torch.ones(1, 1)
    told = Noise(noise.gain * one, noise.variance * one, torch.zeros(1, 2))
    return Measured(stabilised(torch.from_numpy(plane)[None, None], told)[0, 0].numpy(), 1.0)


def _scaled(seen: Measured) -> Measured:
    low, high = float(seen.plane.min()), float(seen.plane.max())
    spread = max(high - low, 1e-12)
    return replace(seen, plane=(seen.plane - low) / spread, sigma=seen.sigma / spread)


def _origin(name: str, windows: list[Window]) -> TrainingInput:
    digest = hashlib.blake2b(digest_size=8)
    for window in windows:
        digest.update(np.ascontiguousarray(window).tobytes())
    return TrainingInput(name, (len(windows), *windows[0].shape), digest.hexdigest())
