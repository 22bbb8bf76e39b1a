"""What lies beside the images of a collection: its point spread function, masks, clean twins."""

from typing import Any, Literal, Self

from pydantic import Field, ValidationError, field_validator, model_validator

from tasks.catalog.fact import Fact, Location
from tasks.validation import sentence


class GaussianPsf(Fact):
    """A point spread function of Gaussian shape."""

    kind: Literal["gaussian"]
    fwhm: float = Field(gt=0, le=50, description="Full width at half maximum, in pixels of the images.")


class PsfPlanes(Fact):
    """The pixels of a point spread function, as they were read: one plane for all channels, or one per channel."""

    values: tuple[tuple[tuple[float, ...], ...], ...] = Field(description="By channel (or one), row and column; sum 1.")


class SampledPsf(PsfPlanes):
    """One that was computed for pixels of a certain size."""

    pixel: tuple[float, float] = Field(description="Height and width of a measured pixel in nm.")


class Optics(Fact):
    """A fluorescence microscope in focus, whose point spread function follows from what stands on its objective."""

    kind: Literal["optics"]
    na: float = Field(gt=0, le=1.7, description="Numerical aperture of the objective.")
    wavelength: float | tuple[float, ...] = Field(
        description="Wavelength of the emitted light in nm, or one for each channel."
    )
    refractive_index: float = Field(
        default=1.0, ge=1, le=2, description="Of what the objective is immersed in: air 1, water 1.33, oil 1.518."
    )
    excitation: float | None = Field(
        default=None, description="Wavelength of the exciting light in nm, of a confocal microscope; none: wide field."
    )
    pinhole: float = Field(
        default=1.0, gt=0, le=10, description="Diameter of a confocal pinhole in Airy units of the emitted light."
    )

    @property
    def wavelengths(self) -> tuple[float, ...]:
        """Of each channel, or one for all."""
        return self.wavelength if isinstance(self.wavelength, tuple) else (self.wavelength,)

    @model_validator(mode="after")
    def _can_be(self) -> Self:
        for length in (*self.wavelengths, *(() if self.excitation is None else (self.excitation,))):
            if not 100 <= length <= 3000:
                raise ValueError(f"a wavelength of {length:g} nm: expected 100 to 3000, in nanometres")
        if self.na >= self.refractive_index:
            raise ValueError(
                f"an aperture of {self.na:g} does not go with a refractive index of {self.refractive_index:g}: it "
                "must be smaller; state refractive_index: 1.33 for water, 1.47 for glycerol, 1.518 for oil"
            )
        return self


Psf = GaussianPsf | Optics | SampledPsf | PsfPlanes | str
TOLD = "expected a path or URI, {kind: gaussian, fwhm: PIXELS}, or {kind: optics, na: NUMBER, wavelength: NANOMETRES}"


def psf_told(value: Any) -> Any:
    """One sentence instead of one per member of the union."""
    if not isinstance(value, dict):
        if value is not None and not isinstance(value, str | Fact):
            raise ValueError(TOLD)
        return value
    if "values" in value:
        return (SampledPsf if "pixel" in value else PsfPlanes).model_validate(value)
    if value.get("kind") == "optics":
        return _optics_told(value)
    width = value.get("fwhm")
    if set(value) != {"kind", "fwhm"} or value["kind"] != "gaussian" or not isinstance(width, int | float):
        raise ValueError(TOLD)
    if not 0 < width <= 50:
        raise ValueError(f"fwhm = {width} px: expected more than 0 and at most 50")
    return GaussianPsf(kind="gaussian", fwhm=width)


def _optics_told(value: dict[str, Any]) -> Optics:
    try:
        return Optics.model_validate(value)
    except ValidationError as error:
        told = sentence(error, "optics", Optics.model_fields)
        raise ValueError(told.removesuffix(".")) from None


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


class Guide(Fact):
    """Finer bands of the same scenes, by which those of the inputs are sharpened. Only methods that can look at them.

    Their pixels are 2, 3, 4 or 6 times as fine along both axes, in the same reference system, and cover the inputs.
    Pairing is that of references; every input needs one.
    """

    source: Location = Field(description="Path, glob or URI of the guides, or a list of them.")


class Reference(Fact):
    """Clean twins of the inputs, for measuring how good a restoration is. Never used for restoring.

    Pairing: where names agree (path below the pattern's fixed part, without extension), an input gets the twin of its
    name, and inputs without one go without. Where no name agrees, a single twin serves all inputs, and as many twins as
    inputs pair in order. Anything else is an error.
    """

    source: Location = Field(description="Path, glob or URI of the clean twins, or a list of them.")
    match: Literal["none", "affine"] = Field(
        default="none",
        description="affine: capture and twin do not share an intensity scale, so the twin gets the gain and offset "
        "per tile that bring it closest to the capture. none: they share it.",
    )
