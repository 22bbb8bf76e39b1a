"""The variance of the noise against intensity, as the flattest blocks of each bin of intensity show it."""

import math
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from il_models.noise.blocks import SIDE, Blocks, frequency

FLAT = 0.05  # part of the blocks of a bin that counts as flat
LESS_FLAT = 0.25  # part of them that shows how strong flashes are: more blocks, and still little texture
HIGH = 9  # coefficients with u + v of at least this are read as noise
PER_BIN, BINS = 200, 16
LINE = 4  # bins that make a line of variance over intensity; with fewer, texture in one bin looks like photons
ROOM = 20  # blocks that a bin has at least
FEW = 16  # blocks of a bin that are flat at least
DARK = 1e-6  # photons of a pixel, fewer than which are none
WIDEST = 2.0  # excess kurtosis times photons, given a block's mean, that is believed; exponential gain has 0.75


@dataclass(frozen=True)
class Envelope:
    """Of each of m bins, darkest first: the noise at the highest frequencies of its flattest blocks, and its blocks.

    x: intensity. variance: of the noise. error: its relative standard error. scene: energy at the low frequencies.
    parts: which blocks it holds, chosen or not.
    """

    x: Float[Tensor, " m"]
    variance: Float[Tensor, " m"]
    error: Float[Tensor, " m"]
    scene: Float[Tensor, " m"]
    parts: tuple[Tensor, ...]


def envelope(blocks: Blocks, top: float) -> Envelope:
    """Of the bins that saturation cannot touch, or of all if it touches all.

    Args:
        blocks: of one channel.
        top: the value at which the data are saturated, or infinity.
    """
    noise, scene = blocks.energy[:, _high()].mean(1), blocks.energy[:, _low()].mean(1)
    rows, parts = [], blocks.mean.argsort().chunk(_bins(len(noise)))
    for part in parts:
        flat = _flattest(part, scene, FLAT)
        level = noise[flat].mean()
        spread = noise[flat].std() / math.sqrt(len(flat)) / level.clamp(min=1e-300)
        rows.append(torch.stack([blocks.mean[flat].mean(), level, spread, scene[flat].mean()]))
    x, variance, error, low = torch.stack(rows).unbind(1)
    free = x + 3 * variance.sqrt() < top
    free = free if bool(free.any()) else torch.ones_like(free)
    some = tuple(part for part, kept in zip(parts, free.tolist(), strict=True) if kept)
    return Envelope(x[free], variance[free], error[free], low[free], some)


def unchosen(seen: Envelope, blocks: Blocks, gain: float, variance: float) -> Envelope:
    """With the variance that the bins would show if their blocks had not been chosen for little energy elsewhere.

    Where a detector multiplies single photons, a block is loud at all frequencies or at none, as it holds a strong
    flash or none: the flattest blocks have less than their share of noise, as in no image of Gaussian noise, and as in
    none of counted photons once the block's mean is known (there Var[s2 | mean] has no term of the fourth cumulant).
    How strong that is shows in blocks' energies at two sets of frequencies, which are correlated by it alone.

    Args:
        seen: of these blocks.
        gain, variance: the noise as it shows it; the gain is positive.
    """
    low, (one, other) = _low(), _halves()
    least = max(0.25 * float(seen.variance.min()), DARK * gain**2)
    expected = (gain * blocks.mean + variance).clamp(min=least)
    scene = blocks.energy[:, low].mean(1) / expected
    moved, squared, shares = 0.0, 0.0, []
    for part in seen.parts:
        flat = _flattest(part, scene, LESS_FLAT)
        a, b = (blocks.energy[flat][:, some].mean(1) / expected[flat] for some in (one, other))
        together = float(((a - a.mean()) * (b - b.mean())).mean() / (a.mean() * b.mean()).clamp(min=1e-300))
        share = gain**2 / (SIDE**2 * float(expected[flat].mean()))  # one over the photons of a block
        shares.append(share)
        moved, squared = moved + len(flat) * together * share, squared + len(flat) * share**2
    kurtosis = min(max(moved / squared, 0.0), WIDEST)
    common = kurtosis * torch.tensor(shares, dtype=seen.variance.dtype)
    slope = common / (2 / int(low.sum()) + common)  # of a block's noise on its energy at the low frequencies
    freed = (seen.variance - slope * seen.scene) / (1 - slope)
    return replace(seen, variance=torch.where(seen.scene < seen.variance, freed, seen.variance))


def _bins(blocks: int) -> int:
    """As many as make a line, if need be small ones; one where there is no room for them."""
    return min(BINS, max(LINE, blocks // PER_BIN)) if blocks >= LINE * ROOM else 1


def _flattest(part: Tensor, scene: Tensor, share: float) -> Tensor:
    return part[scene[part].argsort()[: max(FEW, int(share * len(part)))]]


def _high() -> Tensor:
    return frequency() >= HIGH


def _low() -> Tensor:
    order = frequency()
    return (order >= 1) & (order < HIGH - 1)


def _halves() -> tuple[Tensor, Tensor]:
    """The high coefficients with even u + v, and those with odd."""
    even = frequency() % 2 == 0
    return _high() & even, _high() & ~even
