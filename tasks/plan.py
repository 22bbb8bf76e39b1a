"""The nouns of a plan: what was measured of an input, how it is cut, and which shards are restored together."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, Any

from pydantic import BeforeValidator, TypeAdapter

from tasks.tiling import TileGrid

PLAN = "plan.json"  # where a run keeps it, below its work folder

SMALL = 128**2  # px: in fewer a gain of 1 is read as anything from 0.7 to 3.4 (benchmarks/results/chips.md)
PIXELS_VERSION = "14"  # raised when a change of the code changes restored pixels: part of every key


def _per_axis(value: Any) -> Any:
    """Plans of pixels version 1 kept one number. They are never resumed, but `status` still shows them."""
    return (value, value) if isinstance(value, int | float) else value


@dataclass(frozen=True)
class Speckle:
    """Multiplicative noise. floor: of what the logarithm sees, in data units; darker values count as that dark."""

    looks: float
    floor: float


@dataclass(frozen=True)
class ChannelNoise:
    """Noise of one channel in data units: Var[y | x] = gain x + variance, and x^2 / looks where it is speckle.

    correlation: of neighbouring pixels along y and along x.
    """

    gain: float
    variance: float
    correlation: Annotated[tuple[float, float], BeforeValidator(_per_axis)] = (0.0, 0.0)
    speckle: Speckle | None = None

    def variance_at(self, x: float) -> float:
        """Variance where the image has the value x."""
        speckled = 0.0 if self.speckle is None else x**2 / self.speckle.looks
        return max(self.gain * x + self.variance, 0.0) + speckled


def correlation_of(channels: Iterable[ChannelNoise]) -> tuple[float, float]:
    """The correlation of noise along y and along x: that of the channel where it is of the largest magnitude."""
    along_y, along_x = zip(*(noise.correlation for noise in channels), strict=True)
    return max(along_y, key=abs), max(along_x, key=abs)


@dataclass(frozen=True)
class Survey:
    """What one cheap pass over sampled windows says of an input. One number per channel, never per tile.

    offset and scale: (value - offset) / scale brings the channel to about 0 ... 1. noise: as the catalogue says, or as
    estimated. valid: share of the sampled pixels that were measured. empty: share of the sampled windows that hold one
    value only, or none. low and high: the 1st and 99th percentile, between which noise is judged. shown: the noise that
    the input shows over that which it is told to have, as standard deviations; None where that cannot be said.
    """

    offset: tuple[float, ...]
    scale: tuple[float, ...]
    noise: tuple[ChannelNoise, ...]
    noise_source: str  # "catalogue" or "estimate"
    low: tuple[float, ...]
    high: tuple[float, ...]
    valid: float
    empty: float
    shown: tuple[float | None, ...] = ()  # of each channel; plans of earlier versions have none


@dataclass(frozen=True)
class GuidePlan:
    """Finer bands of an input's scene. factor: its pixels per measured one. offset, scale: as in a survey, per band."""

    uri: str
    factor: int
    offset: tuple[float, ...]
    scale: tuple[float, ...]


@dataclass(frozen=True)
class InputPlan:
    """One input of a plan. `key` names this very restoration: another input, recipe or code version is another key."""

    name: str  # path below OUT/<collection>, without .zarr; safe as a relative path
    uri: str
    fingerprint: str
    key: str
    dims: tuple[str, ...]  # the input's own axes, in the order t, c, z, y, x
    dtype: str
    grid: TileGrid
    survey: Survey
    stabilised: bool  # whether the noise depends on the signal so much that it is stabilised, speckle by the logarithm
    reference: str | None = None  # URI of the clean twin
    factor: int = 1  # pixels of the image per measured one, along y and x
    mask: str | None = None  # URI of what says which pixels were not measured
    guide: GuidePlan | None = None  # finer bands of the scene, where the recipe's method looks at them

    @property
    def shows_little(self) -> bool:
        """Whether it is too small to show its noise well."""
        t, _, z, y, x = self.grid.shape
        return t * z * y * x < SMALL

    @property
    def is_vague(self) -> bool:
        """Whether its noise was found in few pixels."""
        return self.shows_little and self.survey.noise_source == "estimate"

    @property
    def guide_uri(self) -> str | None:
        """Where its guide lies."""
        return None if self.guide is None else self.guide.uri

    @property
    def image_grid(self) -> TileGrid:
        """The grid of the image, as `grid` is that of the measurement: here alone one is made of the other."""
        return self.grid.enlarged(self.factor)


@dataclass(frozen=True)
class Part:
    """A run of neighbouring shards of one input: first shard and the one behind the last."""

    input: str
    first: int
    stop: int


@dataclass(frozen=True)
class Lot:
    """What one worker restores together: the unit of work, retry, commit and resume. Never re-formed."""

    id: str
    parts: tuple[Part, ...]
    tiles: int
    batch: int  # tiles fitted at once


@dataclass(frozen=True)
class Plan:
    """What will run. Kept as plan.json in the work area; the lots of a resumed run are those of its plan."""

    collection: str
    key: str  # of facts, recipe and code version: names the work area
    facts: dict[str, object]
    recipe: dict[str, object]
    versions: dict[str, str]
    inputs: tuple[InputPlan, ...]
    lots: tuple[Lot, ...]
    rejected: dict[str, str] = field(default_factory=dict)  # inputs that cannot be read, and why
    threads: int = 1  # of torch in every worker, whatever crew goes on: they decide the last bits
    start: str | None = None  # id of the learned start that every fit begins from

    def input(self, name: str) -> InputPlan:
        """An input by its name."""
        return self._by_name[name]

    @cached_property
    def _by_name(self) -> dict[str, InputPlan]:
        return {entry.name: entry for entry in self.inputs}

    def to_json(self) -> bytes:
        """The plan as it is kept."""
        return _PLAN.dump_json(self, indent=1)

    @staticmethod
    def from_json(text: bytes) -> "Plan":
        """A plan as it was kept."""
        return _PLAN.validate_json(text)


_PLAN = TypeAdapter(Plan)
