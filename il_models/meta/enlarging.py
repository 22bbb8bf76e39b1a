"""Meta-tasks of super-resolution: crops that are shrunk, to adapt on their own sons, and judged by the crops."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from il_models.degradations import Degradation, Downsample, Subsample
from il_models.meta.task import Tasks
from il_models.noise import Noise
from il_models.problem import Problem

ROUNDING = 1 / 255  # of a crop's range: between two values of a file of 8 bits
NEARLY = 0.05  # of a transfer, by which a kernel may lie beyond those that were seen
FIELD = 32  # measured pixels: wide enough for any kernel that is undone
WIDE = 3.3  # standard deviations that a kernel reaches


@dataclass(frozen=True)
class Shrinking:
    """How the images of tasks are shrunk: what a start has seen of kernels.

    factor: along y and x. narrowest, widest: variance in px^2 of the image of Gaussians, along their axes, behind which
    every `factor`-th pixel is kept; a widest of 0: the anti-aliased bicubic kernel, and nothing else. Grid: `centre`.
    """

    factor: int = 2
    narrowest: float = 0.0
    widest: float = 0.0

    def drawn(self, n: int, random: torch.Generator) -> Degradation:
        """The degradations of n tasks: ellipses of any direction, the longer variance even, the shorter even below it.

        Soh, Cho and Cho, CVPR 2020: variances from 1 to 2.5 times the factor.
        """
        if not self.widest:
            return Downsample(self.factor)
        u = torch.rand(n, 3, generator=random)
        longer = self.narrowest + (self.widest - self.narrowest) * u[:, 0]
        shorter = self.narrowest + (longer - self.narrowest) * u[:, 1]
        return Subsample(gaussians(longer, shorter, math.pi * u[:, 2], self.factor), self.factor, "centre")

    def covers(self, A: Degradation, b: int) -> Bool[Tensor, " b"]:
        """Which of b tiles are shrunk by a kernel within this spread: neither sharper nor softer along y nor x.

        Compared are transfers of waves of twice and four times the length of a measured pixel, with those of the
        narrowest and the widest kernel.
        """
        one = torch.ones(1)
        ends = (
            [Downsample(self.factor)] * 2
            if not self.widest
            else [
                Subsample(gaussians(v * one, v * one, 0 * one, self.factor), self.factor)
                for v in (self.widest, self.narrowest)
            ]
        )
        low, high = (transfers(end, 1) for end in ends)
        found = transfers(A, b)
        return ((found > low - NEARLY) & (found < high + NEARLY)).flatten(1).all(1)


def transfers(A: Degradation, b: int) -> Float[Tensor, "b 4"]:
    """How much of waves of two and four measured pixels is left along y and along x, 1: all of it."""
    cell = A.image_size((1, 1))[0]
    middle = torch.zeros(b, 1, FIELD, FIELD)
    middle[..., FIELD // 2, FIELD // 2] = 1
    seen = A.to(middle.device).adjoint(middle)[:, 0].double()
    place = torch.arange(FIELD * cell, dtype=torch.float64)
    waves = torch.stack([torch.exp(2j * math.pi * place / (cell * length)) for length in (2, 4)])
    across, along = (torch.einsum("bk,wk->bw", seen.sum(axis).to(waves), waves).abs() for axis in (1, 2))
    return torch.cat([along, across], 1) / seen.sum((1, 2)).abs()[:, None]


def gaussians(
    longer: Float[Tensor, " n"], shorter: Float[Tensor, " n"], angle: Float[Tensor, " n"], factor: int
) -> Float[Tensor, "n 1 k k"]:
    """Kernels of these variances in px^2 along two axes, the longer one `angle` away from x, on the grid `centre`."""
    side = 2 * math.ceil(WIDE * float(longer.max().sqrt())) + factor % 2
    place = torch.arange(side) - (side - 1) / 2
    y, x = torch.meshgrid(place, place, indexing="ij")
    cos, sin = (part[:, None, None] for part in (torch.cos(angle), torch.sin(angle)))
    along, across = cos * x + sin * y, cos * y - sin * x
    kernel = torch.exp(-(along**2) / (2 * longer[:, None, None]) - across**2 / (2 * shorter[:, None, None]))
    return (kernel / kernel.sum((1, 2), keepdim=True))[:, None]


def shrunk(clean: Float[Tensor, "n 1 h w"], shrinking: Shrinking, random: torch.Generator) -> Tasks:
    """The task of each crop: adapt on the sons of its measurement, enlarge the measurement, be judged by the crop.

    Where no image is finer than those of the collection, its own play that part: what is learned one scale lower serves
    one scale higher (Park et al., ECCV 2020; Cha et al., Mathematics 11, 1653, 2023).

    Args:
        clean: of a range within [0, 1], sides that the factor divides. Measurements are as wrong as 8 bits make them.
    """
    n = len(clean)
    A = shrinking.drawn(n, random)
    y = A(clean)
    y = y + ROUNDING * (torch.rand(y.shape, generator=random) - 0.5)
    variance = torch.full((n, 1), ROUNDING**2 / 12)
    seeds = torch.randint(2**62, (n,), generator=random)
    noise = Noise(torch.zeros(n, 1), variance, torch.zeros(n, 2))
    problem = Problem(y, A, noise, torch.ones_like(y[:, :1], dtype=torch.bool), seeds)
    return Tasks(problem, problem, clean)
