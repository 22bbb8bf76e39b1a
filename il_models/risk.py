"""How wrong an estimate is, without ground truth: Stein's unbiased risk estimate per tile."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from il_models.draw import Draw
from il_models.metrics import mean
from il_models.noise import coloured
from il_models.problem import Problem

RESOLUTION = 0.03  # of the noise variance: smaller risks cannot be told apart (benchmarks/results/risk.md)


@dataclass(frozen=True)
class Estimate:
    """An image of each tile, and how it answers to the noise.

    x: in the units of problem.y. slope: sigma_i^2 df_i/dy_i of every pixel of x = f(y), in these units squared.
    where: the pixels at which the slope is known; None: at all of them. image: where A is not the identity x is the
    image as it would be measured, A times this one, and every risk is that of the measurement; None: x itself.
    blind: x as it is made without the pixels that were withheld from a fit beside it, of worth only there; None: x.
    """

    x: Float[Tensor, "b c *s"]
    slope: Float[Tensor, "b c *s"]
    where: Bool[Tensor, "b 1 *s"] | None = None
    image: Float[Tensor, "b c *i"] | None = None
    blind: Float[Tensor, "b c *s"] | None = None

    @property
    def unaided(self) -> Tensor:
        """x, made without the pixels that were withheld."""
        return self.x if self.blind is None else self.blind

    @property
    def restored(self) -> Tensor:
        """The image, on its own grid."""
        return self.x if self.image is None else self.image

    def known(self, mask: Bool[Tensor, "b 1 *s"]) -> Bool[Tensor, "b 1 *s"]:
        """The pixels of a mask at which the slope is known."""
        return mask if self.where is None else mask & self.where


def probed(
    problem: Problem,
    x: Float[Tensor, "b c *s"],
    f: Callable[[Tensor], Tensor],
    draw: Draw,
    probes: int = 1,
    epsilon: float = 0.1,
) -> Estimate:
    """x = f(y) with its slope, from random signs s: df_i/dy_i ~ s_i (f(y + h s) - f(y))_i / h with h = epsilon sigma.

    Right in the mean over many pixels, not for each. Ramani, Blu and Unser, "Monte-Carlo SURE", IEEE TIP 2008, eq. 14.
    For noise of covariance C what is wanted is the trace of C df/dy, so the probe has the colour of the noise.

    Args:
        problem: denoising (A = I) with Gaussian noise; sigma may differ between channels and with intensity.
        f: a measurement of the whole batch -> its estimate.
        draw: one stream per tile, the probe's.
        probes: how many probes are averaged.
        epsilon: step of the difference in units of sigma; below 0.01 float32 loses digits.
    """
    sigma = problem.noise.sigma(x)
    slope = torch.zeros_like(x)
    for _ in range(probes):
        signs = coloured(draw.signs(*problem.y.shape[1:]).to(problem.y), problem.noise) * problem.mask
        moved = f(problem.y + epsilon * sigma * signs)
        slope = slope + signs * sigma * (moved - x) / (epsilon * probes)
    return Estimate(x, slope)


def held_out(x: Float[Tensor, "b c *s"], unseen: Bool[Tensor, "b 1 *s"] | None) -> Estimate:
    """x with its slope where it is known without a probe: at pixels that the fit has not seen it is 0.

    For noise that is independent between pixels. Where nothing was withheld (None) no slope is known, and every risk is
    nan.
    """
    if unseen is None:
        return Estimate(x, torch.full_like(x, torch.nan))
    return Estimate(x, torch.zeros_like(x), unseen)


def sure(problem: Problem, estimate: Estimate) -> Float[Tensor, " b"]:
    """Mean squared error over the measured pixels, in the units of problem.y squared.

    |x - y|^2 / n - sigma^2 + (2 / n) sum sigma_i^2 df_i/dy_i. Stein, Ann. Statist. 1981.
    """
    return mean(errors(problem, estimate), estimate.known(problem.mask))


def errors(problem: Problem, estimate: Estimate) -> Float[Tensor, "b c *s"]:
    """What Stein's estimate is the mean of: right in the mean over many pixels, not for each."""
    sigma = problem.noise.sigma(estimate.x)
    return (problem.y - estimate.x) ** 2 - sigma**2 + 2 * estimate.slope
