"""The surface of least bending over what was not measured: the classical control of filling."""

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from il_models.degradations import Degradation, Mask
from il_models.interpolation import FAR, interpolated
from il_models.method import Direct
from il_models.problem import Problem


@dataclass(frozen=True, kw_only=True)
class Biharmonic(Direct):
    """Damelin and Hoang, "On surface completion and image inpainting by biharmonic functions", 2018.

    Measured pixels stay as they are, noise and all, and carry it into the gaps.
    """

    name: ClassVar[str] = "biharmonic"
    summary: ClassVar[str] = "a smooth surface over gaps, the classical control of filling"
    source: ClassVar[str] = "Damelin and Hoang, 2018; scikit-image (BSD-3)"
    serves: ClassVar[tuple[type[Degradation], ...]] = (Mask,)

    @property
    def reach(self) -> int:
        """A bend is felt as far as a surface is spanned."""
        return FAR

    def work(self, pixels: int, channels: int) -> float:
        """A sparse system, were half of the pixels unknown."""
        return 1e4 * pixels * channels

    def estimate(self, problem: Problem) -> Float[Tensor, "b c h w"]:
        """Measured pixels, and the surface between them."""
        return interpolated(problem.y, problem.mask)
