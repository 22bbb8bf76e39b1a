"""Noise as instruments make it, on clean crops: what a shared denoiser is pretrained on."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from il_models.noise import Noise, coloured, stabilised

MARGIN = 8  # px around a crop, so that filtered noise is the same up to its border
EXPOSURES = 8  # whose mean is what a stabilised measurement is expected to be


@dataclass(frozen=True)
class Spread:
    """How the noise of the crops varies.

    Standard deviations are those of an image whose range is 1.

    lowest, highest: of the standard deviation; three quarters of the crops lie evenly between, the rest evenly in its
        logarithm.
    coloured: share of crops whose noise is correlated, and most: the highest correlation of neighbours.
    photons: share of crops of counted photons behind a stabilising transform whose gain and offset are a little wrong.
    misstated: standard deviation of the logarithm of the level that the network is told over the true one.
    """

    lowest: float = 2 / 255
    highest: float = 60 / 255
    coloured: float = 0.25
    most: float = 0.8
    photons: float = 0.2
    misstated: float = 0.05


@dataclass(frozen=True)
class Corrupted:
    """n measurements with what a network is to make of them, and what it is told of their noise."""

    y: Float[Tensor, "n 1 h w"]
    target: Float[Tensor, "n 1 h w"]
    sigma: Float[Tensor, " n"]
    correlation: Float[Tensor, "n 2"]


def corrupted(clean: Float[Tensor, "n 1 h w"], spread: Spread, random: torch.Generator) -> Corrupted:
    """Measurements of clean crops, each with noise of a kind, level and colour of its own.

    Args:
        clean: of a range within [0, 1].
        random: what everything is drawn from.
    """
    n = len(clean)
    kind = torch.rand(n, generator=random)
    sigma = _levels(n, spread, random)
    correlation = _correlations(n, spread.most, random) * (kind < spread.coloured)[:, None]
    slope = (torch.rand(n, 1, 1, 1, generator=random) - 0.5) * (torch.rand(n, 1, 1, 1, generator=random) < 0.5)
    uneven = 1 + slope * (clean - clean.mean((1, 2, 3), keepdim=True))
    noise, correlation = _noise(clean.shape, correlation, random)
    y, target = clean + sigma[:, None, None, None] * uneven * noise, clean.clone()
    for i in (kind > 1 - spread.photons).nonzero()[:, 0].tolist():
        y[i], target[i], sigma[i] = _counted(clean[i], random)
        correlation[i] = 0
    told = sigma * torch.exp(spread.misstated * torch.randn(n, generator=random))
    seen = correlation + 0.03 * torch.randn(n, 2, generator=random)
    return Corrupted(y, target, told, seen.clamp(-0.1, 0.97))


def _levels(n: int, spread: Spread, random: torch.Generator) -> Tensor:
    u = torch.rand(n, generator=random)
    even = spread.lowest + u * (spread.highest - spread.lowest)
    return torch.where(
        torch.rand(n, generator=random) < 0.75, even, spread.lowest * (1.3 * spread.highest / spread.lowest) ** u
    )


def _correlations(n: int, most: float, random: torch.Generator) -> Tensor:
    """Alike along both axes in half of the cases, along one alone in a quarter, any in the rest."""
    r = 0.1 + (most - 0.1) * torch.rand(n, 2, generator=random)
    way, axis = torch.rand(n, generator=random), torch.randint(2, (n,), generator=random)
    r[way < 0.5, 1] = r[way < 0.5, 0]
    alone = (way >= 0.5) & (way < 0.75)
    r[alone, axis[alone]] = 0
    return r


def _noise(
    shape: torch.Size, correlation: Float[Tensor, "n 2"], random: torch.Generator
) -> tuple[Float[Tensor, "n 1 h w"], Float[Tensor, "n 2"]]:
    """Noise of unit variance and its correlation; up to a third of that of a coloured one is white."""
    n, c, h, w = shape
    whole = torch.randn(n, c, h + 2 * MARGIN, w + 2 * MARGIN, generator=random)
    one = torch.ones(n, c)
    filtered = coloured(whole, Noise(0 * one, one, correlation))[..., MARGIN:-MARGIN, MARGIN:-MARGIN]
    white = torch.rand(n, generator=random) * 0.3 * (correlation != 0).any(1)
    share = white[:, None, None, None]
    mixed = (1 - share).sqrt() * filtered + share.sqrt() * torch.randn(shape, generator=random)
    return mixed, correlation * (1 - white[:, None])


def _counted(clean: Float[Tensor, "1 h w"], random: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Photons of a crop, stabilised and scaled to the range of 1: a measurement, what it is expected to be, its level.

    The expectation is the mean of further exposures, which holds whatever the transform does to few photons, and the
    exact unbiased inverse takes it back to the image.
    """
    u = torch.rand(5, generator=random)
    peak, read = math.exp(math.log(4) + float(u[0]) * math.log(250 / 4)), 2 * float(u[1]) ** 2
    rate = peak * (clean + 0.1 * u[2])
    counts = torch.poisson(rate.expand(1 + EXPOSURES, *rate.shape), generator=random)
    y = counts + read * torch.randn(counts.shape, generator=random)
    gain, variance = 0.9 + 0.2 * u[3], (0.9 + 0.2 * u[4]) * read**2
    one = torch.ones(len(y), 1)
    d = stabilised(y, Noise(gain * one, variance * one, torch.zeros(len(y), 2)))
    low, high = d.amin(), d.amax()
    scaled = (d - low) / (high - low)
    return scaled[0], scaled[1:].mean(0), 1 / (high - low)
