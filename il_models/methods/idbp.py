"""Iterative denoising and backward projections."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from il_models.data_steps import back_projected, noise_level
from il_models.draw import Draw
from il_models.nets import Nets
from il_models.plug_and_play import LEAST, DenoiserInTurn, cleaned, looks
from il_models.problem import Problem


@dataclass(frozen=True, kw_only=True)
class BackwardProjections(DenoiserInTurn):
    """Tirer and Giryes, "Image restoration by iterative denoising and backward projections", IEEE TIP 2019.

    z_k = x_k-1 + A+ (y - A x_k-1) and x_k = D(z_k; sigma + delta): the image nearest to the last one that agrees with
    the measurement, then a denoiser that is told more noise than there is. A+ is damped by `damp` times the noise
    variance, in units of 0 to 255 as in the paper. The denoiser sees the image turned and shifted from step to step.
    """

    name: ClassVar[str] = "idbp"
    summary: ClassVar[str] = "sharpens or enlarges by back-projection and a learned denoiser in turn"
    source: ClassVar[str] = "Tirer and Giryes, IEEE TIP 2019, arXiv 1710.06647; Terris et al., CVPR 2024 (turns)"

    iterations: int = 30  # paper: 30
    delta: float = 10 / 255  # paper: 10 / 255 with a network; of the range 0 to 1 of problem units
    damp: float = 4e-3  # paper: 0.8e-3 to 4e-3, by the scenario

    def estimate(self, nets: Nets, inputs: dict[str, Tensor], problem: Problem, draw: Draw) -> Tensor:
        """x of the last iteration."""
        del inputs, draw
        sigma = noise_level(problem).clamp(min=LEAST)
        x = problem.A.guess(problem.y)
        for _, look in zip(range(self.iterations), looks(), strict=False):
            z = back_projected(problem, x, self.damp * (255 * sigma) ** 2)
            x = cleaned(nets, z, sigma + self.delta, look)
        return x
