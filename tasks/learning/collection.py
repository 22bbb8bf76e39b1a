"""A collection of the user as material: what is learned from, and what is held out."""

import numpy as np

from tasks.errors import RequestError
from tasks.learning.material import SIDE, Material, Measured, clean_material, noisy_material
from tasks.learning.packaged import packaged_trials
from tasks.learning.planes import resized
from tasks.learning.reading import Source, Unit, read_units
from tasks.learning.trials import Trial, clean_trials, noisy_trials

EVERY = 5  # one of so many units is held out; of fewer the last
JUDGED = 40  # units at most, by which a start is judged
OF_EACH = 3  # planes of one
BINS = (1, 2, 3)  # px that are averaged: less noise of a known level


def collection_material(source: Source, every: int = EVERY) -> Material:
    """Planes of a collection; every fifth input (or `every` one) is held out, of a single input every fifth place.

    Clean references get noise of all kinds. From noisy inputs pairs are made at the surveyed noise (Recorrupted-to-
    Recorrupted), which asks that it is white, and Gaussian at least once it is stabilised: inputs with speckle or
    correlated noise are left out, with the reason. Averaged in cells of 2 and 3 px they show lower levels as well, so
    that the level of the inputs themselves lies within what is learned.

    Raises:
        RequestError: nothing is left to learn from.
    """
    units, left_out = read_units(source)
    kept, held, told = held_apart(source, units, every)
    origins, licence = [unit.origin for unit in kept], source.facts.licence or "not stated"
    if source.is_clean:
        planes = [plane for unit in kept for seen in unit.planes for plane in resized(seen.plane)]
        _require(len(planes), source, left_out)
        trials = _clean_trials(held)
        if not trials:
            trials, told = packaged_trials(), "pictures of scikit-image, for the collection is too small to be split"
        return clean_material(planes, trials, origins, told, licence, left_out)
    measured = [each for unit in kept for seen in unit.planes for each in _binned(seen)]
    _require(len(measured), source, left_out)
    return noisy_material(measured, _noisy_trials(held or kept), origins, told, licence, left_out)


def held_apart(source: Source, units: list[Unit], every: int) -> tuple[list[Unit], list[Unit], str]:
    """The units that are learned from, those that are held out, none of too small a collection, and words for these."""
    held = units[every - 1 :: every] or units[1:][-1:]
    names = {unit.name for unit in held}
    told = f"{len(held)} of {len(units)} {'inputs' if len(source.inputs) > 1 else 'places'} of {source.collection}"
    if not held:
        told = f"nothing of {source.collection}: it is too small to be split, and was learned from as well"
    return [unit for unit in units if unit.name not in names], held, told


def judging_trials(source: Source, units: list[Unit]) -> list[Trial]:
    """What judges a start by units of a collection: clean ones get noise, noisy ones are split in two."""
    return _clean_trials(units) if source.is_clean else _noisy_trials(units)


def _clean_trials(held: list[Unit]) -> list[Trial]:
    return [
        trial
        for unit in held[:JUDGED]
        for i, seen in enumerate(unit.planes[:OF_EACH])
        for size in resized(seen.plane)[:1]
        for trial in clean_trials(unit.name, size, f" {i}")
    ]


def _noisy_trials(held: list[Unit]) -> list[Trial]:
    return [
        trial
        for unit in held[:JUDGED]
        for i, seen in enumerate(unit.planes[:OF_EACH])
        for trial in noisy_trials(unit.name, seen.plane, seen.sigma, f" {i}")
    ]


def _binned(seen: Measured) -> list[Measured]:
    """A noisy plane at several sizes; the mean of a cell has independent noise of sigma / side."""
    height, width = seen.plane.shape
    return [
        Measured(
            np.ascontiguousarray(
                seen.plane[: height // n * n, : width // n * n].reshape(height // n, n, width // n, n).mean((1, 3))
            ),
            seen.sigma / n,
        )
        for n in BINS
        if min(height, width) // n >= SIDE
    ]


def _require(planes: int, source: Source, left_out: dict[str, str]) -> None:
    if not planes:
        why = " ".join(left_out.values()) or "Its planes are smaller than 96 px."
        raise RequestError(f"Nothing can be learned from '{source.collection}'. {why}")
