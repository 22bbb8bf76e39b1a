"""Multiplicative speckle: y = x n with E[n] = 1, stabilised by the logarithm.

Intensities of L looks have n ~ Gamma(L, 1 / L), the fully developed speckle of Goodman (1976): Var[y | x] = x^2 / L.
log y = log x + log n has noise of one variance everywhere, psi'(L), around the mean psi(L) - log L (digamma psi, the
cumulants of a log-gamma variable). What methods and risk take for Gaussian is a log-gamma variable: skewed, with
excess kurtosis 2.4 for one look, 0.5 for four and 0.1 for sixteen. Deep nulls are dark outliers, so with one look
estimates of the risk can be wrong by a few dB; with four or more they hold.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

from il_models.noise.model import Noise

MOST_LOOKS = 1e4  # noise of 1 %; with more, nothing is left to remove
LEAST_LOOKS = 0.1
REACH = 16  # px: half a side of the squares over which the level is kept, twice
FLATTERED = 0.12  # looks too many that the flattest blocks show, which have fewer deep nulls than others; of 1 to 16
OUTLIER = 8.0  # standard deviations of the speckle: beyond, a measurement says that its estimate lost a target
BRIGHT = 4.0  # times the geometric mean around: brighter pixels do not decide the level of their surroundings


@dataclass(frozen=True)
class Logarithm:
    """The logarithm of b tiles, and the way back to intensities.

    looks: of each channel. floor: darker measurements count as this dark, for zero has no logarithm; a tiny positive
    quantile of the data. y, mask: the measurements in data units, whose level the way back keeps.
    """

    looks: Float[Tensor, "b c"]
    floor: Float[Tensor, "b c"]
    y: Float[Tensor, "b c h w"]
    mask: Bool[Tensor, "b 1 h w"]

    def forward(self, y: Float[Tensor, "b c *s"]) -> Float[Tensor, "b c *s"]:
        """Log-intensities, whose noise has the variance psi'(looks) and a mean of its own."""
        return torch.log(torch.maximum(y, self.floor.reshape(*self.floor.shape, *[1] * (y.ndim - 2))))

    def backward(self, d: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """Intensities exp(d - bias), brought to the level of the measurements.

        Without the second step an image would be right where d has neither noise nor blur left: noise of variance v
        makes it brighter by v / 2, a method that was caught by the skewness of the noise by up to 4 % with one look
        (nlm), and blur in the log domain makes it darker, a geometric mean. See `at_level`.
        """
        return at_level(torch.exp((d - log_bias(self.looks)[..., None, None]).clamp(max=80)), self)

    def steepness(self, d: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """That of an exponential, the image itself: its level, the measurement's, does not move with one pixel."""
        return self.backward(d)

    def noise(
        self, offset: Float[Tensor, "b c"], scale: Float[Tensor, "b c"], correlation: Float[Tensor, "b 2"]
    ) -> Noise:
        """The noise of (forward(y) - offset) / scale."""
        del offset
        return Noise(torch.zeros_like(scale), log_variance(self.looks) / scale**2, correlation)

    def take(self, index: Tensor) -> "Logarithm":
        """That of some of the tiles."""
        return Logarithm(self.looks[index], self.floor[index], self.y[index], self.mask[index])


def log_bias(looks: Float[Tensor, "*a"]) -> Float[Tensor, "*a"]:
    """E[log n] for speckle n of so many looks."""
    return torch.digamma(looks) - torch.log(looks)


def log_variance(looks: Float[Tensor, "*a"]) -> Float[Tensor, "*a"]:
    """Var[log n] for speckle n of so many looks."""
    return torch.polygamma(1, looks)


def looks_of(variance: float) -> float:
    """The looks L with psi'(L) = variance, between LEAST_LOOKS and MOST_LOOKS, by bisection in log L."""
    low, high = math.log(LEAST_LOOKS), math.log(MOST_LOOKS)
    for _ in range(60):
        middle = (low + high) / 2
        told = float(log_variance(torch.tensor(math.exp(middle), dtype=torch.float64)))
        low, high = (middle, high) if told > variance else (low, middle)
    return math.exp((low + high) / 2)


def looks_seen(variance: float) -> float:
    """The looks behind a blind estimate of log-intensities' variance, which was read off the flattest blocks."""
    return max(LEAST_LOOKS, looks_of(variance) - FLATTERED)


def at_level(x: Float[Tensor, "b c h w"], measured: Logarithm) -> Float[Tensor, "b c h w"]:
    """x times a smooth factor that gives it the local mean of the measurements, which speckle leaves unbiased.

    The factor is a ratio of means over some 50 x 50 pixels: with one look right to 2 % inside a tile, 4 % in its
    corners. A target that x has lost, and one that it keeps, would lift or hold down everything around: measurements
    beyond OUTLIER standard deviations of x are pulled in, and pixels beyond BRIGHT count as no brighter than that.
    """
    looks, kept = measured.looks[..., None, None], measured.mask.to(x)
    x = x.clamp(min=torch.finfo(x.dtype).tiny)
    around = torch.exp(_spread(x.log() * kept) / _spread(kept).clamp(min=1e-12))
    weight = kept * (BRIGHT * around / x).clamp(max=1)
    y = torch.minimum(torch.where(measured.mask, measured.y, 0 * x), (1 + OUTLIER / looks.sqrt()) * x)
    level, own = _spread(weight * y), _spread(weight * x)
    return torch.where((level > 0) & (own > 0), x * level / own, x)


def _spread(x: Tensor) -> Tensor:
    """Twice the mean over a square, nothing beyond the border: a pyramid of 4 REACH + 1 pixels."""
    side = 2 * REACH + 1
    for _ in range(2):
        x = functional.avg_pool2d(x, (side, 1), 1, (REACH, 0))
        x = functional.avg_pool2d(x, (1, side), 1, (0, REACH))
    return x
