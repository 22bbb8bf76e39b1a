"""The variance of the noise against intensity, as the flattest blocks of each bin of intensity show it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from il_models.noise.blocks import SIDE, Blocks, frequency

FLAT = 0.05  # part of the blocks of a bin that counts as flat
LESS_FLAT = 0.25  # part of them that shows how strong flashes are: more blocks, and still little texture
HIGH = 9  # coefficients with u + v of at least this are read as noise
PER_BIN, BINS = 200, 16
FEW = 16  # blocks of a bin that are flat at least
WIDEST = 2.0  # excess kurtosis times photons, given a block's mean, that is believed; exponential gain has 0.75


@dataclass(frozen=True)
class Envelope:
    """Of each of m bins: intensity, the noise's variance and its relative standard error, energy of the scene there."""

    x: Float[Tensor, " m"]
    variance: Float[Tensor, " m"]
    error: Float[Tensor, " m"]
    scene: Float[Tensor, " m"]

    def where(self, some: Tensor) -> "Envelope":
        """Some of the bins."""
        return Envelope(self.x[some], self.variance[some], self.error[some], self.scene[some])


def envelope(blocks: Blocks, top: float, gain: float = 0.0, variance: float = 0.0) -> Envelope:
    """Of the bins that saturation at `top` cannot touch, darkest first.

    Args:
        blocks: of one channel.
        top: the value at which the data are saturated, or infinity.
        gain, variance: the noise as found without them, in order to free the result of what the choice of blocks does.

    Where a detector multiplies single photons, a block is loud at all frequencies or at none, as it holds a strong
    flash or none: the flattest blocks have less than their share of noise, as in no image of Gaussian noise, and as in
    none of counted photons once the block's mean is known (there Var[s2 | mean] has no term of the fourth cumulant).
    How strong that is shows in blocks' energies at two sets of frequencies, which are correlated by it alone.
    """
    noise, scene = blocks.energy[:, _high()].mean(1), blocks.energy[:, _low()].mean(1)
    parts = blocks.mean.argsort().chunk(min(BINS, max(1, len(noise) // PER_BIN)))
    rows = []
    for part in parts:
        flat = _flattest(part, scene, FLAT)
        level = noise[flat].mean()
        spread = noise[flat].std() / math.sqrt(len(flat)) / level.clamp(min=1e-300)
        rows.append(torch.stack([blocks.mean[flat].mean(), level, spread, scene[flat].mean()]))
    found = Envelope(*torch.stack(rows).unbind(1))
    free = found.x + 3 * found.variance.sqrt() < top
    free = free if bool(free.any()) else torch.ones_like(free)
    if gain > 0:
        kept_parts = [part for part, kept in zip(parts, free.tolist(), strict=True) if kept]
        least = 0.25 * float(found.variance[free].min())
        return _unchosen(found.where(free), blocks, kept_parts, (gain * blocks.mean + variance).clamp(min=least), gain)
    return found.where(free)


def _unchosen(
    found: Envelope, blocks: Blocks, parts: Sequence[Tensor], expected: Float[Tensor, " n"], gain: float
) -> Envelope:
    """With the variance that the bins would show if their blocks had not been chosen for little energy elsewhere."""
    low, (one, other) = _low(), _halves()
    scene = blocks.energy[:, low].mean(1) / expected
    moved, squared, shares = 0.0, 0.0, []
    for part in parts:
        flat = _flattest(part, scene, LESS_FLAT)
        a, b = (blocks.energy[flat][:, some].mean(1) / expected[flat] for some in (one, other))
        together = float(((a - a.mean()) * (b - b.mean())).mean() / (a.mean() * b.mean()).clamp(min=1e-300))
        share = gain**2 / (SIDE**2 * float(expected[flat].mean()))  # one over the photons of a block
        shares.append(share)
        moved, squared = moved + len(flat) * together * share, squared + len(flat) * share**2
    kurtosis = min(max(moved / max(squared, 1e-300), 0.0), WIDEST)
    common = kurtosis * torch.tensor(shares, dtype=found.variance.dtype)
    slope = common / (2 / int(low.sum()) + common)  # of a block's noise on its energy at the low frequencies
    freed = (found.variance - slope * found.scene) / (1 - slope)
    return replace(found, variance=torch.where(found.scene < found.variance, freed, found.variance))


def _flattest(part: Tensor, scene: Tensor, share: float) -> Tensor:
    return part[scene[part].argsort()[: max(FEW, int(share * len(part)))]]


def _high() -> Tensor:
    return frequency() >= HIGH


def _low() -> Tensor:
    order = frequency()
    return (order >= 1) & (order < HIGH - 1)


def _halves() -> tuple[Tensor, Tensor]:
    """The high coefficients by the parity of u - v, which texture of one direction reaches alike."""
    even = frequency() % 2 == 0
    return _high() & even, _high() & ~even
