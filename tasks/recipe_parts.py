"""Choices of a recipe that belong together: how inputs are cut, enlarged and stored."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Auto = Literal["auto"]
Positive = Annotated[int, Field(ge=1)]


class Choices(BaseModel):
    """Base of all choices: they never change, and a key that nobody knows is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Tiling(Choices):
    """How inputs are cut."""

    tile: Positive | Auto = Field("auto", description="Pixels along y and x that a tile owns.")
    halo: Annotated[int, Field(ge=0)] | Auto = Field("auto", description="Pixels that a tile borrows on either side.")
    shard: Positive | Auto = Field("auto", description="Pixels along y and x of a shard; rounded up to whole tiles.")
    batch: Positive | Auto = Field("auto", description="Tiles fitted at once on one device.")


class Output(Choices):
    """How the restored image is stored."""

    dtype: Literal["same", "float32"] = Field("same", description="Type of the pixels: as they came, or float32.")
    chunk: int = Field(256, ge=16, description="Side of a stored chunk in pixels: what a viewer reads at once.")
    pyramid: bool = Field(True, description="Whether half-size copies are stored beside the full resolution.")


class Zoom(Choices):
    """By how much images are enlarged, and how the instrument is taken to have shrunk them (docs/zoom.md)."""

    factor: Literal[2, 3, 4] = Field(2, description="Pixels of the image per measured one, along y and along x.")
    kernel: Literal["bicubic", "average", "psf"] = Field(
        "bicubic",
        description="What a measured pixel sees. bicubic: anti-aliased, as the literature shrinks. average: the pixels "
        "that it covers. psf: these, through the point spread function of the catalogue.",
    )

    @model_validator(mode="before")
    @classmethod
    def _of_number(cls, value: Any) -> Any:
        """`zoom: 2` is enough."""
        if isinstance(value, dict | Zoom):
            return value
        return {"factor": value}
