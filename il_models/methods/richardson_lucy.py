"""Richardson-Lucy: deconvolution of photon counts, which stay positive."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from il_models.data_steps import noise_level, weights
from il_models.degradations import Blur, Degradation
from il_models.method import Direct
from il_models.metrics import mean
from il_models.problem import Problem

LEAST = 1e-6


@dataclass(frozen=True, kw_only=True)
class RichardsonLucy(Direct):
    """Richardson, J. Opt. Soc. Am. 1972; Lucy, Astron. J. 1974.

    x <- x A^T(y / A x) / A^T 1, from a flat image, over the measured pixels: the likelihood of Poisson counts grows at
    every step, and with it the noise. A tile ends where its residual is no larger than the noise (Morozov's discrepancy
    principle), or after `iterations`. y counts from where its noise would be none (photons), otherwise from its least.
    """

    name: ClassVar[str] = "richardson_lucy"
    summary: ClassVar[str] = "Richardson-Lucy, stopped where the residual is the noise: the microscopist's control"
    source: ClassVar[str] = "Richardson, JOSA 1972; Lucy, Astronomical Journal 1974"
    serves: ClassVar[tuple[type[Degradation], ...]] = (Blur,)

    iterations: int = 100

    @property
    def reach(self) -> None:
        """The whole tile."""
        return

    def work(self, pixels: int, channels: int) -> float:
        """Two applications of A per iteration."""
        return 1e2 * self.iterations * pixels * channels

    def estimate(self, problem: Problem) -> Float[Tensor, "b c h w"]:
        """The last iterate of each tile."""
        A, mask = problem.A, problem.mask
        zero = _zero(problem)
        counts = torch.where(mask, (problem.y - zero).clamp(min=LEAST), torch.zeros_like(problem.y))
        seen = A.adjoint(mask.to(counts).expand_as(counts)).clamp(min=LEAST)
        level = mean(counts, mask).reshape(-1, 1, 1, 1).clamp(min=LEAST)
        x = torch.ones_like(seen) * level
        weight, noise = weights(problem), noise_level(problem).flatten() ** 2
        for _ in range(self.iterations):
            made = A(x)
            going = mean(weight * (made - counts) ** 2, mask) > noise
            if not bool(going.any()):
                break
            ratio = torch.where(mask, counts / made.clamp(min=LEAST * level), torch.zeros_like(made))
            x = torch.where(going.reshape(-1, 1, 1, 1), x * A.adjoint(ratio).clamp(min=0) / seen, x)
        return x + zero


def _zero(problem: Problem) -> Float[Tensor, "b c 1 1"]:
    """The value without light: where photon noise would be none, otherwise the least that was measured."""
    gain, variance = problem.noise.gain, problem.noise.variance
    least = torch.where(problem.mask, problem.y, torch.full_like(problem.y, torch.inf)).flatten(2).amin(2)
    dark = torch.where(gain > 0, -variance / gain.clamp(min=1e-12), least)
    return torch.where(dark.isfinite(), dark, torch.zeros_like(dark))[..., None, None]
