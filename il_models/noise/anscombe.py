"""Generalised Anscombe transform: affine noise variance becomes 1 everywhere.

The camera model z = gain * Poisson + N(offset, read_noise^2) has Var[z | x] = gain x + variance with
variance = read_noise^2 - gain * offset, and the transform of Starck, Murtagh and Bijaoui (1998),

    D(z) = (2 / gain) sqrt(gain z + 3/8 gain^2 + read_noise^2 - gain offset) = (2 / gain) sqrt(gain z + b),

needs only those two numbers: b = 3/8 gain^2 + variance. Here it is written from the reference point z0 where the
variance is smallest, T(z) = D(z) - D(z0) = 2 (z - z0) / (sqrt(gain z + b) + sqrt(gain z0 + b)), which keeps its digits
for small gains and is z / sigma for gain = 0: one formula for Gaussian and photon noise.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from il_models.noise.model import Noise

SMALLEST = 2 * math.sqrt(3 / 8)  # D of no photon without read noise, where the exact inverse is 0


def stabilised(y: Float[Tensor, "b c *s"], noise: Noise) -> Float[Tensor, "b c *s"]:
    """y with noise of unit variance. Below about two photons per pixel the variance falls short of 1.

    Args:
        y: measurements. Values darker than the model allows (no photon) become the darkest that it allows.
        noise: of y, in the units of y; a channel with neither gain nor variance has nothing to stabilise.
    """
    gain, b, origin, root = _constants(noise, y.ndim)
    y = torch.where(gain > 0, torch.maximum(y, -b / gain.clamp(min=1e-30)), y)
    return 2 * (y - origin) / (torch.sqrt((gain * y + b).clamp(min=0)) + root)


def inverse_stabilised(d: Float[Tensor, "b c *s"], noise: Noise, *, unbiased: bool = True) -> Float[Tensor, "b c *s"]:
    """The image whose stabilised measurements have mean d.

    Args:
        d: a denoised stabilised image, an estimate of E[stabilised(y)].
        noise: what `stabilised` was given.
        unbiased: the exact unbiased inverse in closed form, Makitalo and Foi, "Optimal inversion of the generalized
            Anscombe transformation for Poisson-Gaussian noise", IEEE TIP 2013. The algebraic inverse of False gives
            back a measurement, but read as a mean it is low by gain / 4, which is 25 % at one photon.

    With r = 1 / D the closed form is gain (D^2/4 - 1/8 + sqrt(3/2) r/4 - 11/8 r^2 + 5/8 sqrt(3/2) r^3) - variance/gain.
    Its first term and the constants are the algebraic inverse z0 + root T + gain T^2/4 plus gain/4, so that offset and
    read noise are needed only through `variance`.
    """
    gain, _, origin, root = _constants(noise, d.ndim)
    if unbiased:
        darkest = SMALLEST - 2 * root / gain.clamp(min=1e-30)
        d = torch.where(gain > 0, torch.maximum(d, darkest), d)
    algebraic = origin + root * d + gain * d**2 / 4
    if not unbiased:
        return algebraic
    r = gain / (gain * d + 2 * root)
    return algebraic + gain * (1 / 4 + math.sqrt(1.5) * (r / 4 + 5 / 8 * r**3) - 11 / 8 * r**2)


def _constants(noise: Noise, ndim: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """gain, b, the reference point and sqrt(gain * reference + b), each (b, c, 1, ...)."""
    shape = (*noise.gain.shape, *[1] * (ndim - 2))
    gain, variance = noise.gain.reshape(shape), noise.variance.reshape(shape)
    b = gain**2 * 3 / 8 + variance
    origin = torch.where(gain > 0, (-variance / gain.clamp(min=1e-30)).clamp(min=0), torch.zeros_like(gain))
    return gain, b, origin, torch.sqrt((gain * origin + b).clamp(min=1e-12))
