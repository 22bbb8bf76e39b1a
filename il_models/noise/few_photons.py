"""What is left of the noise after stabilisation, where there are few photons: less than unit variance.

Risk estimates need the level of the noise. Without this correction a confocal image of half a photon per pixel looks
as if all its noise had been removed twice (benchmarks/results/risk.md).
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from il_models.noise.anscombe import inverse_stabilised, stabilised
from il_models.noise.model import Noise

PHOTONS = np.concatenate([np.linspace(0, 4, 41), np.linspace(4.25, 12, 32)])  # beyond, the variance is 1


@dataclass(frozen=True)
class StabilisedNoise(Noise):
    """The noise of (stabilised(y) - offset) / scale: gain 0 and variance 1 / scale^2, but less where photons are few.

    raw: the noise of y, where it is stabilised; gain 0 and variance 1 where it is not. offset, scale: in stabilised
    units. Of the offset and the read noise of a camera only their sum is known (see Noise), so that the smallest read
    noise is assumed which fits: none, if the variance is negative.
    """

    raw: Noise
    offset: Float[Tensor, "b c"]
    scale: Float[Tensor, "b c"]

    def sigma(self, x: Float[Tensor, "b c *s"]) -> Float[Tensor, "b c *s"]:
        """Standard deviation of the noise at image values x, in the units of x."""
        shape = (*self.scale.shape, *[1] * (x.ndim - 2))
        d = x * self.scale.reshape(shape) + self.offset.reshape(shape)
        return self.nominal(x) * stabilised_sigma(d, self.raw)

    def importance(self, x: Float[Tensor, "b c *s"]) -> Float[Tensor, "b c *s"] | None:
        """The noise variance of the photons at x: so much wider is a step of x in the image. 1 in other channels.

        None where no channel of any tile is stabilised.
        """
        if not bool((self.raw.gain > 0).any()):
            return None
        shape = (*self.scale.shape, *[1] * (x.ndim - 2))
        image = inverse_stabilised(x * self.scale.reshape(shape) + self.offset.reshape(shape), self.raw)
        return self.raw.sigma(image) ** 2

    def take(self, index: Tensor) -> "StabilisedNoise":
        """The noise of some of the tiles."""
        plain = super().take(index)
        return StabilisedNoise(
            plain.gain, plain.variance, plain.correlation, self.raw.take(index), self.offset[index], self.scale[index]
        )

    def to(self, device: torch.device) -> "StabilisedNoise":
        """The noise on a device."""
        plain = super().to(device)
        return StabilisedNoise(
            plain.gain,
            plain.variance,
            plain.correlation,
            self.raw.to(device),
            self.offset.to(device),
            self.scale.to(device),
        )


def stabilised_sigma(d: Float[Tensor, "b c *s"], noise: Noise) -> Float[Tensor, "b c *s"]:
    """Standard deviation of `stabilised(y, noise)` where its mean is d: 1, and less below some four photons.

    Args:
        d: a denoised stabilised image.
        noise: what `stabilised` was given; 1 for channels without gain.
    """
    rows = [
        _interpolated(values, *_table(gain, variance)) if gain > 0 else torch.ones_like(values)
        for values, gain, variance in zip(
            d.flatten(0, 1), noise.gain.flatten().tolist(), noise.variance.flatten().tolist(), strict=True
        )
    ]
    return torch.stack(rows).reshape(d.shape)


@lru_cache(maxsize=256)
def _table(gain: float, variance: float) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of the stabilised value for so many PHOTONS, by quadrature."""
    read, offset = math.sqrt(max(variance, 0.0)), max(-variance / gain, 0.0)
    counts = torch.arange(48.0, dtype=torch.float64)
    nodes, weights = (torch.from_numpy(part) for part in np.polynomial.hermite_e.hermegauss(16))
    y = gain * counts[:, None] + offset + read * nodes
    one = torch.ones(1, 1, dtype=torch.float64)
    d = stabilised(y[None, None], Noise(gain * one, variance * one, torch.zeros(1, 2)))[0, 0]
    photons = torch.from_numpy(PHOTONS)[:, None]
    log = torch.special.xlogy(counts, photons) - photons - torch.lgamma(counts + 1)
    first, second = ((log.exp() @ (d**power @ weights)) / weights.sum() for power in (1, 2))
    return first.float(), (second - first**2).clamp(min=0).sqrt().float()


def _interpolated(x: Tensor, mean: Tensor, sigma: Tensor) -> Tensor:
    mean, sigma = mean.to(x.device), sigma.to(x.device)
    right = torch.searchsorted(mean, x.contiguous()).clamp(1, len(mean) - 1)
    share = ((x - mean[right - 1]) / (mean[right] - mean[right - 1])).clamp(0, 1)
    return sigma[right - 1] + share * (sigma[right] - sigma[right - 1])
