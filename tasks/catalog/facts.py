"""What is true of a collection, whoever runs it: where it lies, its axes, its noise, its reference."""

import pkgutil
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, ValidationInfo, field_validator

from tasks.catalog.companions import Guide, PixelMask, Psf, PsfPlanes, Reference, psf_told
from tasks.catalog.fact import Fact, Location
from tasks.errors import nearest

AXIS_LETTERS = "tczyx"
FOUND = ("estimate", "pooled")  # noise that is found in the data: in each input, or in all of them together


@cache
def reader_names() -> tuple[str, ...]:
    """The readers by name, which are the files of their folder; none of them is imported."""
    modules = pkgutil.iter_modules([str(Path(__file__).parents[1] / "readers")])
    return tuple(sorted(module.name for module in modules if not module.name.startswith("_")))


PooledOver = Annotated[
    int | None,
    Field(
        ge=1,
        exclude_if=lambda count: count is None,  # what is told has the keys that it had before noise was ever pooled
        description="In how many inputs together it was found; nothing: it was told.",
    ),
]


class PixelSize(Fact):
    """Distance between neighbouring pixels. Axes left out keep what the file says."""

    y: float | None = Field(default=None, gt=0, description="Size of a pixel along y, in `unit`.")
    x: float | None = Field(default=None, gt=0, description="Size of a pixel along x, in `unit`.")
    z: float | None = Field(default=None, gt=0, description="Distance between two planes of a stack, in `unit`.")
    t: float | None = Field(default=None, gt=0, description="Time between two frames, in seconds.")
    unit: str = Field(
        default="micrometer", min_length=1, description="Unit of y, x and z, in full: micrometer, metre, ..."
    )


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


class Facts(Fact):
    """One collection of the catalogue: many inputs of one kind."""

    title: str = Field(min_length=1, description="What it is, in a line.")
    source: Location = Field(
        description="Path, glob ('**' for sub-folders), folder, Zarr store or URI (s3://, https://, skimage://), or a "
        "list of them. $VARIABLES and ~ are expanded; relative paths are relative to the catalogue's file."
    )
    reader: str | None = Field(default=None, description="Name of a reader, where the file's name and content mislead.")
    axes: str | None = Field(
        default=None,
        description="Names of the file's axes in the file's order, letters of 'tczyx', where it does not say them.",
    )
    channels: tuple[str, ...] | None = Field(
        default=None, min_length=1, description="Names of the channels or bands, in order."
    )
    pixel_size: PixelSize | None = Field(
        default=None, description="Pixel sizes, where the file does not say or misstates them."
    )
    noise: Noise = Field(
        default="estimate",
        description="estimate (from the data of each input), pooled (of all together: one sensor at one setting), "
        "none, gaussian, camera, affine or speckle, with numbers in data units.",
    )
    psf: Psf | None = Field(
        default=None,
        description="The point spread function, sampled as the images are: path or URI of an image (or .npy) that sums "
        "to 1, {kind: gaussian, fwhm: PIXELS}, or {kind: optics, na: NUMBER, wavelength: NANOMETRES}. Only "
        "methods that sharpen look at it.",
    )
    nodata: float | None = Field(
        default=None, description="Value of pixels that were not measured; NaN never counts as measured."
    )
    crs: str | None = Field(
        default=None, description="Coordinate reference system, e.g. 'EPSG:32633'; normally read from the file."
    )
    mask: PixelMask | None = Field(
        default=None,
        description="Masks beside the images: pixels that were not measured (clouds, dead pixels).",
    )
    guide: Guide | None = Field(
        default=None,
        description="Finer bands of the same scenes (panchromatic, or of 10 m), by which the inputs' are sharpened.",
    )
    reference: Reference | None = Field(default=None, description="Clean twins to compare with.")
    licence: str | None = Field(default=None, description="Terms under which the data may be used.")

    def bearing(self) -> dict[str, Any]:
        """What pixels depend on, as JSON has it: changing anything else re-opens nothing.

        A PSF counts where a method was given its planes, a guide where a method looks at it; where a mask or a guide
        lies is the affair of its input's fingerprint.
        """
        unseen = {"title", "source", "licence", "reference", "mask", "guide"}
        told = self.model_dump(mode="json", exclude=unseen if isinstance(self.psf, PsfPlanes) else unseen | {"psf"})
        if self.mask is not None:
            told["mask"] = self.mask.model_dump(mode="json", exclude={"source"})
        if self.guide is not None:
            told["guide"] = self.guide.model_dump(mode="json", exclude={"source"})
        return told

    @field_validator("reader")
    @classmethod
    def _is_reader(cls, name: str | None) -> str | None:
        if name is not None and name not in reader_names():
            raise ValueError(
                f"there is no reader '{name}'; known: {', '.join(reader_names())}.{nearest(name, reader_names())}"
            )
        return name

    @field_validator("axes")
    @classmethod
    def _are_axes(cls, axes: str | None) -> str | None:
        if axes is None:
            return None
        axes = axes.lower()
        if set(axes) - set(AXIS_LETTERS) or len(set(axes)) < len(axes) or not set("yx") <= set(axes):
            raise ValueError("expected letters of 'tczyx', each once, y and x among them")
        return axes

    @field_validator("psf", mode="before")
    @classmethod
    def _is_psf(cls, value: Any) -> Any:
        return psf_told(value)

    @field_validator("noise", mode="before")
    @classmethod
    def _bare_none(cls, value: Any) -> Any:
        return {"kind": "none"} if value == "none" else value
