"""What belongs together in a recipe: how inputs are cut, how gaps are filled, how images are enlarged and stored."""

from dataclasses import asdict
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from il_models.degradations import Mask
from il_models.method import Fitted, Method
from il_models.methods import known_methods
from tasks.errors import RequestError
from tasks.method_choice import MethodChoice, chosen_method
from tasks.registry.artifact import LearnedStart
from tasks.registry.suited import BUNDLED, start_for

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


class Fill(Choices):
    """Which pixels that were not measured are inferred from those around them, and by what."""

    method: MethodChoice = Field(
        MethodChoice(name="pnp", preset="gaps"), description="Method that fills gaps: pnp, dip or biharmonic."
    )
    within: int = Field(
        16,
        ge=1,
        le=128,
        description="Pixels: how far from a measured one others are filled. The rest stays as it came.",
    )

    @cached_property
    def filler(self) -> Method:
        """The method with its fields checked.

        Raises:
            RequestError: unknown, or it fills no gaps.
        """
        method = chosen_method(self.method, "Recipe, fill")
        if Mask not in method.serves:
            able = ", ".join(name for name, kind in known_methods().items() if Mask in kind.serves)
            raise RequestError(f"Recipe, fill: {method.name} fills no gaps; take one of {able}.")
        return method

    def told(self) -> list[object]:
        """All that filled pixels depend on, as JSON has it."""
        start = self.learned_start()
        return [self.within, self.filler.name, asdict(self.filler), start and start.card.id]

    def learned_start(self) -> LearnedStart | None:
        """The learned weights that the method begins from; None: random ones, or it has no network.

        Raises:
            RequestError: the method is none that fills gaps.
        """
        method = self.filler
        return start_for(method, BUNDLED) if isinstance(method, Fitted) and method.needs_start else None


class Fold(Choices):
    """What is learned from a night's inputs for the next ones: a candidate start, which the gate judges."""

    steps: int = Field(300, ge=1, description="Of training on the night's accepted inputs, from the start they had.")
    rate: float = Field(1e-4, gt=0, le=1e-2, description="Of the first step; it falls along a cosine.")
    toward: float = Field(
        0.5, ge=0, le=1, description="How far the weights first go towards the mean of what inputs were adapted to."
    )


class Zoom(Choices):
    """By how much images are enlarged, and how the instrument is taken to have shrunk them (docs/zoom.md)."""

    factor: Literal[2, 3, 4, 6] = Field(2, description="Pixels of the image per measured one, along y and along x.")
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
