"""White numbers with the colour of a noise."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from il_models.noise.model import Noise

WHITE = 0.15  # correlations below this are not told from none
REACH = 8  # px


def coloured(white: Float[Tensor, "b c h w"], noise: Noise) -> Float[Tensor, "b c h w"]:
    """White numbers of unit variance, filtered so that neighbours are correlated as in the noise.

    Args:
        white: independent numbers; those of tiles with white noise come back as they are.
        noise: of the b tiles. Its correlation r of neighbours is taken to be r^(d^2) at distance d, along each axis.
    """
    correlation = noise.correlation.to(white)
    if not bool((correlation >= WHITE).any()):
        return white
    # tile by tile, so that no tile's bits depend on its mates
    return torch.stack([_one(x, r) for x, r in zip(white, correlation, strict=True)])


def _one(white: Float[Tensor, "c h w"], correlation: Float[Tensor, "2"]) -> Float[Tensor, "c h w"]:
    for axis in (0, 1):
        if correlation[axis] < WHITE:
            continue
        shape, pad = ((1, 1, -1, 1), (REACH, 0)) if axis == 0 else ((1, 1, 1, -1), (0, REACH))
        white = functional.conv2d(white[:, None], _kernel(correlation[axis]).reshape(shape), padding=pad)[:, 0]
    return white


def _kernel(r: Float[Tensor, ""]) -> Float[Tensor, " k"]:
    """The symmetric filter whose autocorrelation is r^(d^2): the root of its spectrum."""
    apart = torch.arange(-2 * REACH, 2 * REACH + 1, dtype=r.dtype, device=r.device)
    alike = torch.exp(r.clamp(max=0.97).log() * apart**2)
    spectrum = torch.fft.fft(torch.fft.ifftshift(alike)).real.clamp(min=0)
    kernel = torch.fft.fftshift(torch.fft.ifft(spectrum.sqrt()).real)[REACH:-REACH]
    return kernel / (kernel**2).sum().sqrt()
