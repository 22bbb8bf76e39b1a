"""The 8x8 blocks of a channel as cosine spectra, where noise can be told from scene.

The cosine transform is orthonormal, so coefficients of white noise are uncorrelated: blocks chosen for their little
energy in some coefficients have unbiased noise in the others. That spares the correction that a low quantile of block
variances needs (the idea of Ponomarenko et al., "An automatic approach to lossy compression of AVIRIS images", 2007).
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

SIDE = 8
TOUCHED = 0.05  # part of a block that may be clipped or plateau
MOST = 65_536  # blocks looked at: 32 MiB of spectra


@dataclass(frozen=True)
class Blocks:
    """n blocks: mean intensity, squared coefficients, and which part of a block's pixels is clipped, or is plateau."""

    mean: Float[Tensor, " n"]
    energy: Float[Tensor, "n 8 8"]
    clipped: Float[Tensor, " n"]
    plateau: Float[Tensor, " n"]

    def take(self, index: Tensor) -> "Blocks":
        """Some of the blocks."""
        return Blocks(self.mean[index], self.energy[index], self.clipped[index], self.plateau[index])


def frequency() -> Float[Tensor, "8 8"]:
    """u + v of each coefficient: 0 is the mean, 14 the checkerboard."""
    index = torch.arange(SIDE, dtype=torch.float64)
    return index[:, None] + index


def blocks_of(windows: Float[Tensor, "n h w"], valid: Bool[Tensor, "n h w"], bottom: float) -> Blocks:
    """Spectra of the blocks that are valid wholly and not constant; they overlap by half where pixels are few.

    Args:
        windows, valid: one channel.
        bottom: the value that darker ones were clipped to, or -inf. Like the values of constant blocks it is plateau.
    """
    if min(windows.shape[1:]) < SIDE:
        return Blocks(torch.zeros(0), torch.zeros(0, SIDE, SIDE), torch.zeros(0), torch.zeros(0))
    stride = SIDE // 2 if windows.numel() < MOST * SIDE**2 // 4 else SIDE
    whole = _cut(valid, stride).flatten(1).all(1)
    places = whole.nonzero()[:, 0]
    if len(places) > MOST:
        places = places[torch.linspace(0, len(places) - 1, MOST).long()]
    pixels = _cut(windows, stride)[places]
    alive = pixels.amax((1, 2)) > pixels.amin((1, 2))
    constants = pixels[~alive][:, 0, 0].unique()
    pixels = pixels[alive]
    clipped = pixels == bottom
    plateau = clipped | torch.isin(pixels, constants)
    transform = _cosines().to(pixels)
    spectrum = transform @ pixels @ transform.T
    shares = (where.double().mean((1, 2)) for where in (clipped, plateau))
    return Blocks(spectrum[:, 0, 0] / SIDE, spectrum**2, *shares)


def without(blocks: Blocks, share: Float[Tensor, " n"]) -> Blocks:
    """The blocks of which hardly a pixel is clipped or plateau, if they are a fifth of all.

    Zeros of few photons pile up too, but belong to the noise; in a dark image they are kept, for nothing else is left.
    """
    clean = share <= TOUCHED
    return blocks.take(clean) if int(clean.sum()) >= max(SIDE, len(clean) // 5) else blocks


def _cut(x: Tensor, stride: int) -> Tensor:
    return x.unfold(1, SIDE, stride).unfold(2, SIDE, stride).reshape(-1, SIDE, SIDE)


def _cosines() -> Tensor:
    index = torch.arange(SIDE, dtype=torch.float64)
    rows = torch.cos(math.pi * (2 * index + 1) * index[:, None] / (2 * SIDE)) * math.sqrt(2 / SIDE)
    rows[0] /= math.sqrt(2)
    return rows
