"""Pairs from noisy crops alone: what a shared denoiser learns from where no image is clean."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from il_models.meta.corruption import Corrupted


@dataclass(frozen=True)
class Split:
    """How noise is divided between a measurement and its target.

    lowest, highest: of alpha, drawn evenly in its logarithm. misstated: as in il_models.meta.corruption.Spread.
    """

    lowest: float = 0.5
    highest: float = 2.0
    misstated: float = 0.05


def recorrupted(
    noisy: Float[Tensor, "n 1 h w"], sigma: Float[Tensor, " n"], split: Split, random: torch.Generator
) -> Corrupted:
    """A noisier measurement y + alpha sigma z of each crop, and y - sigma z / alpha as its target.

    Both have the same image, and their noises are independent where that of y is Gaussian, white and of this sigma, so
    the best answer to the first is E[x | first], whatever the second's noise is (Pang et al., "Recorrupted-to-
    Recorrupted", CVPR 2021, eq. 9). The network hears the level sigma sqrt(1 + alpha^2) that the measurement has.

    Args:
        noisy: crops.
        sigma: of each.
        split: of alpha.
        random: what everything is drawn from.
    """
    n = len(noisy)
    u = torch.rand(n, generator=random)
    alpha = split.lowest * (split.highest / split.lowest) ** u
    z = torch.randn(noisy.shape, generator=random) * sigma[:, None, None, None]
    each = alpha[:, None, None, None]
    told = sigma * (1 + alpha**2).sqrt() * torch.exp(split.misstated * torch.randn(n, generator=random))
    seen = (0.03 * torch.randn(n, 2, generator=random)).clamp(-0.1, 0.97)
    return Corrupted(noisy + each * z, noisy - z / each, told, seen)
