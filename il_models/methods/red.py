"""Regularisation by denoising: the image that the measurement and the learned denoiser agree on, at one level."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from il_models.data_steps import noise_level, prox, weights
from il_models.degradations import Blur, Degradation
from il_models.draw import Draw
from il_models.nets import Nets
from il_models.plug_and_play import LEAST, DenoiserInTurn, cleaned, looks
from il_models.problem import Problem


@dataclass(frozen=True, kw_only=True)
class RegularisationByDenoising(DenoiserInTurn):
    """Romano, Elad and Milanfar, "The little engine that could: Regularization by denoising", SIAM J. Imaging Sci.
    2017, by fixed-point iterations, accelerated as Reehorst and Schniter, IEEE TCI 2019, do it.

    z_k = D(v_k-1; `level` sigma), x_k = argmin |y - A x|^2 + alpha |x - z_k|^2, and v_k is x_k and what Nesterov's
    momentum adds. alpha = `balance` / `level`^2; the first paper's own numbers for deblurring (lambda 0.02, denoiser
    3.25, noise sqrt 2) are a balance of 0.21 and a level of 2.3. Other than `pnp` the denoiser is told one level from
    the first step to the last, so that the iteration has a fixed point, and no first step that sweeps coarse errors
    away. The denoiser sees the image turned and shifted from step to step.
    """

    name: ClassVar[str] = "red"
    summary: ClassVar[str] = "sharpens by a learned denoiser at one level and the measurement in turn, to a fixed point"
    source: ClassVar[str] = "Romano et al., SIIMS 2017, arXiv 1611.02862; Reehorst and Schniter, arXiv 1806.02296"
    serves: ClassVar[tuple[type[Degradation], ...]] = (Blur,)

    iterations: int = 20
    level: float = 1.4  # paper: 2.3 and less; of the noise of the measurement
    balance: float = 0.3  # paper: 0.21

    def estimate(self, nets: Nets, inputs: dict[str, Tensor], problem: Problem, draw: Draw) -> Tensor:
        """z of the last iteration."""
        del inputs, draw
        sigma, weight = noise_level(problem).clamp(min=LEAST), weights(problem)
        alpha = torch.full_like(sigma, self.balance / self.level**2)
        x = z = v = problem.A.guess(problem.y)
        momentum = 1.0
        for _, look in zip(range(self.iterations), looks(), strict=False):
            z = cleaned(nets, v, self.level * sigma, look)
            before, x = x, prox(problem, weight, z, alpha)
            after = (1 + (1 + 4 * momentum**2) ** 0.5) / 2
            v, momentum = x + (momentum - 1) / after * (x - before), after
        return z
