"""Noise as the catalogue tells it, or says where it is to be found."""

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, ValidationInfo, field_validator

from tasks.catalog.fact import Fact

FOUND = ("estimate", "pooled")  # noise that is found in the data: in each input, or in all of them together

PooledOver = Annotated[
    int | None,
    Field(
        ge=1,
        exclude_if=lambda count: count is None,  # what is told has the keys that it had before noise was ever pooled
        description="In how many inputs together it was found; nothing: it was told.",
    ),
]


class GaussianNoise(Fact):
    """The same noise everywhere."""

    kind: Literal["gaussian"]
    sigma: float = Field(gt=0, description="Standard deviation, in data units.")

    @property
    def affine(self) -> tuple[float, float]:
        """(gain, variance) of Var[y | x] = gain x + variance, in data units."""
        return 0.0, self.sigma**2


class CameraNoise(Fact):
    """A camera that counts photo-electrons: shot noise and read noise on top of an offset."""

    kind: Literal["camera"]
    gain: float = Field(gt=0, description="Data units per photo-electron.")
    offset: float = Field(default=0.0, description="Value of a pixel that no light reached, in data units.")
    read_noise: float = Field(default=0.0, ge=0, description="Standard deviation in the dark, in data units.")

    @property
    def affine(self) -> tuple[float, float]:
        """(gain, variance) of Var[y | x] = gain x + variance, in data units; the variance may be below zero."""
        return self.gain, self.read_noise**2 - self.gain * self.offset


class AffineNoise(Fact):
    """Every channel by numbers of its own, Var[y | x] = gain x + variance: what was measured of a detector."""

    kind: Literal["affine"]
    gain: tuple[Annotated[float, Field(ge=0)], ...] = Field(
        min_length=1, description="Of each channel, data units per photo-electron; 0: the same noise everywhere."
    )
    variance: tuple[float, ...] = Field(
        description="Of each channel, where x is 0, in squared data units; below zero where there is an offset."
    )
    correlation: tuple[tuple[float, float], ...] = Field(
        default=(), description="Of each channel, of the noise of neighbours along y and along x; empty: none."
    )
    inputs: PooledOver = None

    @field_validator("variance", "correlation")
    @classmethod
    def _of_each_channel(cls, values: tuple[Any, ...], told: ValidationInfo) -> tuple[Any, ...]:
        gains = told.data.get("gain", values)
        if len(values) != len(gains) and (values or told.field_name == "variance"):
            raise ValueError(f"expected as many as there are gains, {len(gains)}")
        return values

    def colour(self, channel: int) -> tuple[float, float]:
        """The correlation of a channel along y and along x."""
        return self.correlation[channel] if self.correlation else (0.0, 0.0)


class SpeckleNoise(Fact):
    """Multiplicative noise of coherent light or radar, y = x n with E[n] = 1, of intensities (amplitudes squared)."""

    kind: Literal["speckle"]
    looks: float | Literal["estimate", "pooled"] = Field(
        default="estimate",
        description="Independent looks that were averaged, n ~ Gamma(looks, 1 / looks): 1 for single-look intensities. "
        "estimate: the equivalent number, from the data (single-look intensities read as 1.15 looks). pooled: that of "
        "all inputs and channels together.",
    )
    inputs: PooledOver = None

    @field_validator("looks", mode="before")
    @classmethod
    def _are_looks(cls, value: Any) -> Any:
        """One sentence instead of one per member of the union."""
        if value not in FOUND and not (isinstance(value, int | float) and 0.1 <= value <= 1e4):
            raise ValueError("expected 'estimate', 'pooled' or a number from 0.1 to 10000")
        return value


class KnownNone(Fact):
    """The data hold no noise worth removing: only blur, or missing pixels."""

    kind: Literal["none"]

    @property
    def affine(self) -> tuple[float, float]:
        """(gain, variance) of Var[y | x] = gain x + variance: nothing."""
        return 0.0, 0.0


def _noise_kind(value: Any) -> str | None:
    if isinstance(value, str):
        return "found" if value in FOUND else None
    return value.get("kind") if isinstance(value, dict) else getattr(value, "kind", None)


Noise = Annotated[
    Annotated[Literal["estimate", "pooled"], Tag("found")]
    | Annotated[GaussianNoise, Tag("gaussian")]
    | Annotated[CameraNoise, Tag("camera")]
    | Annotated[AffineNoise, Tag("affine")]
    | Annotated[SpeckleNoise, Tag("speckle")]
    | Annotated[KnownNone, Tag("none")],
    Discriminator(
        _noise_kind,
        custom_error_type="noise_kind",
        custom_error_message=(
            "allowed are 'estimate', 'pooled', 'none', {kind: gaussian, sigma}, {kind: camera, gain, offset, "
            "read_noise}, {kind: affine, gain, variance} and {kind: speckle, looks}"
        ),
    ),
]
KINDS: dict[str, type[Fact]] = {
    "gaussian": GaussianNoise,
    "camera": CameraNoise,
    "affine": AffineNoise,
    "speckle": SpeckleNoise,
    "none": KnownNone,
}


def is_found(noise: Noise, how: str) -> bool:
    """Whether noise, or the looks of speckle, are to be found by estimate (in each input), or pooled."""
    return how in (noise, noise.looks if isinstance(noise, SpeckleNoise) else None)


def pooled_over(noise: Noise) -> int | None:
    """In how many inputs together it was found; None: it was told, or is yet to be found."""
    return noise.inputs if isinstance(noise, AffineNoise | SpeckleNoise) else None
