"""Iterative denoising and backward projections."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from il_models.data_steps import back_projected, noise_level
from il_models.degradations import Blur, Degradation
from il_models.draw import Draw
from il_models.from_start import FromStart
from il_models.nets import Nets
from il_models.plug_and_play import cleaned, looks
from il_models.problem import Problem

LEAST = 0.001  # of the range 0 to 1 of problem units


@dataclass(frozen=True, kw_only=True)
class BackwardProjections(FromStart):
    """Tirer and Giryes, "Image restoration by iterative denoising and backward projections", IEEE TIP 2019.

    z_k = x_k-1 + A+ (y - A x_k-1) and x_k = D(z_k; sigma + delta): the image nearest to the last one that agrees with
    the measurement, then a denoiser that is told more noise than there is. A+ is damped by `damp` times the noise
    variance, in units of 0 to 255 as in the paper. The denoiser sees the image turned and shifted from step to step.

    steps: of adapting the denoiser to the measurement beforehand; 0 takes the start as it is.
    """

    name: ClassVar[str] = "idbp"
    summary: ClassVar[str] = "sharpens by back-projection onto the measurement and a learned denoiser in turn"
    source: ClassVar[str] = "Tirer and Giryes, IEEE TIP 2019, arXiv 1710.06647; Terris et al., CVPR 2024 (turns)"
    serves: ClassVar[tuple[type[Degradation], ...]] = (Blur,)

    steps: int = 0
    rate: float = 1e-5
    iterations: int = 30  # paper: 30
    delta: float = 10 / 255  # paper: 10 / 255 with a network; of the range 0 to 1 of problem units
    damp: float = 4e-3  # paper: 0.8e-3 to 4e-3, by the scenario

    @property
    def reach(self) -> None:
        """The whole tile: what one iteration does to a pixel the next ones carry on."""
        return

    @property
    def can_share(self) -> bool:
        """No: the networks of a start are not adapted to an input as a whole, for it is blurred."""
        return False

    def work(self, pixels: int, channels: int) -> float:
        """A forward pass and some dozens of applications of A per iteration."""
        return self.iterations * (super().work(pixels, channels) + 1e4 * pixels * channels)

    def estimate(self, nets: Nets, inputs: dict[str, Tensor], problem: Problem, draw: Draw) -> Tensor:
        """x of the last iteration."""
        del inputs, draw
        sigma = noise_level(problem).clamp(min=LEAST)
        x = problem.A.guess(problem.y)
        for _, look in zip(range(self.iterations), looks(), strict=False):
            z = back_projected(problem, x, self.damp * (255 * sigma) ** 2)
            x = cleaned(nets, z, sigma + self.delta, look)
        return x
