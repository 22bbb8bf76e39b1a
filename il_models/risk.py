"""How wrong an estimate is, without ground truth: Stein's unbiased risk estimate per tile."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from il_models.draw import Draw
from il_models.metrics import mean
from il_models.problem import Problem


def sure(
    problem: Problem,
    x: Float[Tensor, "b c *s"],
    f: Callable[[Tensor], Tensor],
    draw: Draw,
    probes: int = 1,
    epsilon: float = 0.1,
) -> Float[Tensor, " b"]:
    """Mean squared error of x = f(y) over the measured pixels, in the units of problem.y squared.

    |x - y|^2 / n - sigma^2 + (2 / n) sum sigma_i^2 df_i/dy_i, whose divergence is probed with random signs s:
    df_i/dy_i ~ s_i (f(y + epsilon sigma s) - f(y))_i / (epsilon sigma_i). Stein 1981; Ramani, Blu and Unser,
    "Monte-Carlo SURE", IEEE TIP 2008, eq. 14.

    Args:
        problem: denoising (A = I) with Gaussian white noise; sigma may differ between channels and with intensity.
        f: a measurement of the whole batch -> its estimate.
        draw: one stream per tile, the probe's.
        probes: how many probes are averaged.
        epsilon: step of the difference in units of sigma; below 0.01 float32 loses digits.
    """
    sigma = problem.noise.sigma(x)
    residual = mean((problem.y - x) ** 2 - sigma**2, problem.mask)
    slope = torch.zeros_like(residual)
    for _ in range(probes):
        signs = draw.signs(*problem.y.shape[1:]).to(problem.y) * problem.mask
        moved = f(problem.y + epsilon * sigma * signs)
        slope = slope + mean(signs * sigma * (moved - x), problem.mask) / epsilon
    return residual + 2 * slope / probes
