"""What is true of a collection, whoever runs it: where it lies, its axes, its noise, its reference."""

import pkgutil
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator

from tasks.catalog.companions import Guide, PixelMask, Psf, PsfPlanes, Reference, psf_told
from tasks.catalog.fact import Fact, Location
from tasks.catalog.noise import Noise
from tasks.errors import nearest

AXIS_LETTERS = "tczyx"


@cache
def reader_names() -> tuple[str, ...]:
    """The readers by name, which are the files of their folder; none of them is imported."""
    modules = pkgutil.iter_modules([str(Path(__file__).parents[1] / "readers")])
    return tuple(sorted(module.name for module in modules if not module.name.startswith("_")))


class PixelSize(Fact):
    """Distance between neighbouring pixels. Axes left out keep what the file says."""

    y: float | None = Field(default=None, gt=0, description="Size of a pixel along y, in `unit`.")
    x: float | None = Field(default=None, gt=0, description="Size of a pixel along x, in `unit`.")
    z: float | None = Field(default=None, gt=0, description="Distance between two planes of a stack, in `unit`.")
    t: float | None = Field(default=None, gt=0, description="Time between two frames, in seconds.")
    unit: str = Field(
        default="micrometer", min_length=1, description="Unit of y, x and z, in full: micrometer, metre, ..."
    )


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
