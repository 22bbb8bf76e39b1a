"""Bicubic interpolation: the classical control of super-resolution."""

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from il_models.degradations import Degradation, Downsample, Subsample
from il_models.method import Direct
from il_models.problem import Problem


@dataclass(frozen=True, kw_only=True)
class Bicubic(Direct):
    """Keys, "Cubic convolution interpolation for digital image processing", IEEE TASSP 1981, a = -0.5, as imresize.

    It lies on the grid of the degradation, so it shifts nothing. With `projections` what the measurement would then
    still miss is enlarged and added, so many times (Irani and Peleg, "Improving resolution by image registration",
    CVGIP 1991): sharper, and the noise larger.
    """

    name: ClassVar[str] = "bicubic"
    summary: ClassVar[str] = "cubic interpolation onto a finer grid, the classical control of super-resolution"
    source: ClassVar[str] = "Keys, IEEE TASSP 1981; Irani and Peleg, CVGIP 1991 (back-projection)"
    serves: ClassVar[tuple[type[Degradation], ...]] = (Downsample, Subsample)

    projections: int = 0

    @property
    def reach(self) -> int:
        """Four neighbours along each axis; a back-projection sees as far again, and as far as the kernel."""
        return 2 + 6 * self.projections

    def work(self, pixels: int, channels: int) -> float:
        """Eight multiply-adds per pixel of the image, and the degradation."""
        return 32.0 * pixels * channels * (1 + 4 * self.projections)

    def estimate(self, problem: Problem) -> Float[Tensor, "b c h w"]:
        """A's own interpolation, back-projected."""
        A, x = problem.A, problem.A.guess(problem.y)
        for _ in range(self.projections):
            off = problem.y - A(x)
            x = x + A.guess(off.masked_fill(~problem.mask, 0.0))
        return x
