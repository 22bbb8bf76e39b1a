"""What lies beside the images of a collection: its point spread function, masks, clean twins."""

from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from tasks.catalog.fact import Fact, Location, location


class GaussianPsf(Fact):
    """A point spread function of Gaussian shape."""

    kind: Literal["gaussian"]
    fwhm: float = Field(gt=0, le=50, description="Full width at half maximum, in pixels of the images.")


class PsfPlanes(Fact):
    """The pixels of a point spread function, as they were read: one plane for all channels, or one per channel."""

    values: tuple[tuple[tuple[float, ...], ...], ...] = Field(description="By channel (or one), row and column; sum 1.")


Psf = GaussianPsf | PsfPlanes | str


def psf_told(value: Any) -> Any:
    """One sentence instead of one per member of the union."""
    if not isinstance(value, dict):
        if value is not None and not isinstance(value, str | Fact):
            raise ValueError("expected a path or URI, or {kind: gaussian, fwhm: PIXELS}")
        return value
    if "values" in value:
        return PsfPlanes.model_validate(value)
    width = value.get("fwhm")
    if set(value) != {"kind", "fwhm"} or value["kind"] != "gaussian" or not isinstance(width, int | float):
        raise ValueError("expected a path or URI, or {kind: gaussian, fwhm: PIXELS}")
    if not 0 < width <= 50:
        raise ValueError(f"fwhm = {width} px: expected more than 0 and at most 50")
    return GaussianPsf(kind="gaussian", fwhm=width)


class PixelMask(Fact):
    """Images that say which pixels of the inputs were not measured: clouds, dead pixels, missing lines.

    A mask is of the size of its input; axes that it does not have, or has with one element, hold for all of the
    input's. Pairing is that of references; an input without a mask of its name was measured everywhere.
    """

    source: Location = Field(description="Path, glob or URI of the masks, or a list of them.")
    missing: Literal["nonzero", "zero"] | None = Field(
        default=None, description="Values of the mask that say that a pixel was not measured; without a rule nonzero."
    )
    values: tuple[int, ...] | None = Field(
        default=None, min_length=1, description="Instead: just these values, as those of a scene classification."
    )
    bits: tuple[int, ...] | None = Field(
        default=None,
        min_length=1,
        description="Instead: values in which one of these bits is set (quality bands).",
    )

    @field_validator("source", mode="before")
    @classmethod
    def _is_location(cls, value: Any) -> Any:
        return location(value)

    @field_validator("bits")
    @classmethod
    def _are_bits(cls, bits: tuple[int, ...] | None) -> tuple[int, ...] | None:
        if bits is not None and not all(0 <= bit < 64 for bit in bits):
            raise ValueError("expected numbers of bits, 0 (the lowest) to 63")
        return bits

    @model_validator(mode="after")
    def _is_one_rule(self) -> Self:
        if sum(rule is not None for rule in (self.missing, self.values, self.bits)) > 1:
            raise ValueError("expected one of missing, values and bits, which each say what a mask means")
        return self


class Reference(Fact):
    """Clean twins of the inputs, for measuring how good a restoration is. Never used for restoring.

    Pairing: where names agree (path below the pattern's fixed part, without extension), an input gets the twin of its
    name, and inputs without one go without. Where no name agrees, a single twin serves all inputs, and as many twins as
    inputs pair in order. Anything else is an error.
    """

    source: Location = Field(description="Path, glob or URI of the clean twins, or a list of them.")
    match: Literal["none", "affine"] = Field(
        default="none",
        description="affine: capture and twin do not share an intensity scale, so gain and offset are fitted before "
        "they are compared. none: they share it.",
    )

    @field_validator("source", mode="before")
    @classmethod
    def _is_location(cls, value: Any) -> Any:
        return location(value)
