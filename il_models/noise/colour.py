"""How far the noise is from white, read off the cosine spectra of flat blocks."""

import math

import torch
from torch import Tensor

from il_models.noise.blocks import SIDE, Blocks, frequency, without

FLAT, LESS_FLAT = 0.02, 0.06  # parts of the blocks that count as flat
LOW = 3  # below this u + v the scene's shading outweighs the noise
WHITE, COLOURED = 0.1, 0.25  # correlations that a white and a coloured noise surely have
NOISE, TEXTURE = 1.1, 1.4  # how much more energy less flat blocks have when they hold noise, or texture


def colour(blocks: Blocks, gain: float, variance: float) -> tuple[tuple[float, float], float]:
    """The lag-1 correlation of the noise along y and x, and by what its variance exceeds its highest frequencies.

    Args:
        blocks: of one channel.
        gain, variance: the noise as its highest frequencies show it.

    Blocks are judged flat by the coefficients of one parity of u + v and measured in those of the other, so that for
    white noise nothing is biased. Scan lines are correlated along one axis only; the larger of the two decides.
    Texture that reaches even the flattest blocks looks like colour, but unlike noise it grows from the flattest blocks
    to less flat ones; the factor comes in gradually as the correlation is sure and texture is not in sight.
    """
    if len(blocks.mean) < SIDE**2:
        return (0.0, 0.0), 1.0
    blocks = without(blocks, blocks.plateau)  # at its border a plateau looks like flat, low-frequency noise
    spectrum = _flat_spectrum(blocks, gain, variance, FLAT)
    growth = float(_flat_spectrum(blocks, gain, variance, LESS_FLAT).mean() / spectrum.mean())
    cosine = torch.cos(math.pi * torch.arange(SIDE, dtype=torch.float64) / SIDE)
    # the cosine transform mirrors a block at its border: 7 of 8 neighbours in a row are real, one is the pixel itself
    along_y, along_x = (
        (SIDE * float((spectrum * wave).sum() / spectrum.sum()) - 1) / (SIDE - 1) for wave in (cosine[:, None], cosine)
    )
    share = _ramp(max(along_y, along_x, key=abs), WHITE, COLOURED) * _ramp(growth, TEXTURE, NOISE)
    return (along_y, along_x), float(spectrum.mean().clamp(min=1)) ** share


def _ramp(x: float, zero: float, one: float) -> float:
    return min(max((x - zero) / (one - zero), 0.0), 1.0)


def _flat_spectrum(blocks: Blocks, gain: float, variance: float, flat: float) -> Tensor:
    """Mean energy of flat blocks over that of white noise of the given variance, (8, 8)."""
    predicted = gain * blocks.mean + variance
    energy = blocks.energy / predicted.clamp(min=1e-3 * float(predicted.mean()) + 1e-30)[:, None, None]
    order = frequency()
    spectrum = torch.zeros(SIDE, SIDE, dtype=torch.float64)
    count = max(SIDE, int(flat * len(energy)))
    for parity in (0, 1):
        own = order % 2 == parity
        score = energy[:, own & (order >= 1) & (order < SIDE)].mean(1)
        spectrum[~own] = energy[score.argsort()[:count]].mean(0)[~own]
    spectrum[order < LOW] = spectrum[order == LOW].mean()
    return spectrum
