"""Noise of one sensor: found in all inputs of a collection together, and kept with the output from then on.

Small inputs hold too few pixels to show theirs. What was found once stands, however the collection grows: images that
are published stay what was asked for.
"""

import json
from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter

from tasks.catalog.facts import Facts
from tasks.catalog.inputs import InputRef
from tasks.catalog.noise import AffineNoise, SpeckleNoise, is_found, pooled_over
from tasks.errors import InputError, RequestError
from tasks.measured import Valid
from tasks.noise_seen import noise_seen, speckle_seen
from tasks.plan import SMALL, InputPlan
from tasks.problems import seed_of
from tasks.readers import open_input
from tasks.stores.place import Place
from tasks.windows import WINDOWS, sampled_windows

FILE = "noise.json"  # beside the images of a collection
MOST = 256  # windows, and inputs: four million pixels tell the noise of a channel to some percent
VALUES = 2**26  # of them, where there are many channels: a bound on memory
DIGITS = 6  # of what is kept
FEWEST = 4  # inputs of which anything is worth saying

Pooled = AffineNoise | SpeckleNoise
_POOLED: TypeAdapter[Pooled] = TypeAdapter(Pooled)
Windows = tuple[NDArray[np.float32], Valid]  # (n, c, h, w) and (n, h, w)


def with_noise(collection: str, facts: Facts, inputs: Sequence[InputRef], out: Place | None = None) -> Facts:
    """The facts with numbers in place of `pooled`; others as they are.

    Args:
        inputs: all of the collection, of which up to 256 are looked at.
        out: folder of its results, whose own numbers count, if it has them.

    Raises:
        RequestError: no input shows any, or what is kept cannot be read.
    """
    if not is_found(facts.noise, "pooled"):
        return facts
    kept = None if out is None else _kept(out, facts)
    return facts.model_copy(update={"noise": kept or _found(collection, facts, tuple(inputs))})


def pin_noise(out: Place, facts: Facts) -> None:
    """Keep the pooled noise of settled facts beside the images; where it was told there is nothing to keep."""
    if pooled_over(facts.noise) is not None:
        told = facts.model_dump(mode="json", include={"noise"})
        out.write(FILE, json.dumps({**_read_as(facts), **told}).encode())


def advice(facts: Facts, entries: Sequence[InputPlan]) -> str:
    """What to say where inputs are too small, or too few, to show their noise; empty where nothing is to be said."""
    small, pooled = [entry.shows_little for entry in entries], pooled_over(facts.noise)
    if pooled is not None and pooled < FEWEST and all(small):
        return (
            f"The noise of the collection was found in {pooled} small inputs, and is kept so. Once there are more "
            f"remove {FILE} beside the images: it is then found anew, and --overwrite restores all with it."
        )
    if not is_found(facts.noise, "estimate") or sum(small) < max(FEWEST, len(small) / 2):
        return ""
    return (
        f"{sum(small)} of {len(small)} inputs have less than {SMALL**0.5:.0f} x {SMALL**0.5:.0f} pixels, which show "
        "little of their noise. Where one sensor at one setting took them all, say `noise: pooled` in the catalogue."
    )


def _read_as(facts: Facts) -> dict[str, object]:
    """What the numbers in a file depend on: with other facts of these the noise is another."""
    return facts.model_dump(mode="json", include={"reader", "axes", "nodata"})


def _kept(out: Place, facts: Facts) -> Pooled | None:
    try:
        told = json.loads(out.read(FILE))
        noise = _POOLED.validate_python(told.pop("noise"))
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, AttributeError, TypeError):
        raise RequestError(
            f"'{out.uri}/{FILE}' does not hold the noise of the collection any more. Put it back, or remove it: the "
            "noise is then found anew, and images that were made with the former one are to be made with --overwrite."
        ) from None
    same = told == _read_as(facts) and isinstance(noise, SpeckleNoise) == isinstance(facts.noise, SpeckleNoise)
    return noise if same else None


@lru_cache(maxsize=4)
def _found(collection: str, facts: Facts, inputs: tuple[InputRef, ...]) -> Pooled:
    places = np.linspace(0, len(inputs) - 1, min(len(inputs), MOST)).round().astype(int)
    windows = max(1, min(WINDOWS, MOST // len(places)))
    seen, reason, left = [], "", VALUES
    for place in np.random.default_rng(seed_of(0, collection, "", "pooled")).permutation(places):
        ref = inputs[place]
        if left <= 0:
            break
        try:
            seen.append(_windows(collection, facts, ref, windows))
            left -= seen[-1][0].size
        except InputError as error:
            reason = reason or str(error)
        except Exception as error:  # noqa: BLE001 - a decoder may raise anything; the others tell enough
            reason = reason or f"'{ref.uri}' cannot be read ({type(error).__name__}: {error})."
    alike = [each for each in seen if each[0].shape[1] == seen[0][0].shape[1] and each[1].any()]
    if not alike:
        raise RequestError(
            f"The noise of '{collection}' cannot be found in its inputs together, for none of the {len(places)} that "
            f"were looked at shows a measured pixel. {reason}".rstrip()
        )
    return _speckle(alike) if isinstance(facts.noise, SpeckleNoise) else _affine(alike)


def _windows(collection: str, facts: Facts, ref: InputRef, most: int) -> Windows:
    array = open_input(ref.uri, facts, ref.mask)
    return sampled_windows(array, seed_of(0, collection, ref.name, "survey"), most)


def _affine(seen: Sequence[Windows]) -> AffineNoise:
    found = [noise_seen(*each) for each in _by_channel(seen)]
    return AffineNoise(
        kind="affine",
        gain=tuple(_short(each.gain) for each in found),
        variance=tuple(_short(each.variance) for each in found),
        correlation=tuple((_short(each.correlation[0]), _short(each.correlation[1])) for each in found),
        inputs=len(seen),
    )


def _speckle(seen: Sequence[Windows]) -> SpeckleNoise:
    """Looks come of the processing, so that all channels have the same: the middle one of what they show."""
    looks = [each.looks for one in _by_channel(seen) if (each := speckle_seen(*one).speckle)]
    return SpeckleNoise(kind="speckle", looks=_short(float(np.median(looks))), inputs=len(seen))


def _by_channel(seen: Sequence[Windows]) -> Iterator[Windows]:
    """The windows of one channel of all inputs, smaller ones filled up with pixels that were not measured."""
    height, width = (max(raw.shape[axis] for raw, _ in seen) for axis in (2, 3))

    def filled(values: NDArray[np.generic]) -> NDArray[np.generic]:
        return np.pad(values, [(0, 0), (0, height - values.shape[1]), (0, width - values.shape[2])])

    valid = np.concatenate([filled(each) for _, each in seen])
    for c in range(seen[0][0].shape[1]):
        yield np.concatenate([filled(raw[:, c]) for raw, _ in seen]), valid


def _short(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")
