"""Blind estimate of the noise of one channel from sampled windows."""

import math
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from il_models.noise.blocks import SIDE, blocks_of, without
from il_models.noise.colour import colour
from il_models.noise.envelope import FEW, LINE, Envelope, envelope, unchosen

UNKNOWN_COLOUR = (0.0, 0.0)


class NoiseEstimate(NamedTuple):
    """Var[y | x] = gain x + variance in data units, and the lag-1 correlation of the noise along y and along x."""

    gain: float
    variance: float
    correlation: tuple[float, float]

    @property
    def colour(self) -> float:
        """The correlation of larger magnitude."""
        return max(self.correlation, key=abs)


def estimate_noise(windows: Float[Tensor, "n h w"], valid: Bool[Tensor, "n h w"]) -> NoiseEstimate:
    """The noise of one channel, blind.

    Args:
        windows: raw data in any units, a few million pixels from all over an input or a collection.
        valid: False for nodata. Values that are not finite or saturated are found here.

    In each of 4 to 16 bins of intensity the flattest blocks give the variance of the highest frequencies, freed of
    what their choice does where photons are multiplied (envelope.py); a line through the bins, deaf to bins of texture
    that was taken for noise, gives gain and variance; the spectrum of flat blocks gives the colour and corrects both.
    With too few blocks for a line (40 x 40 px have enough) the gain is 0, with too few for a spectrum second
    differences of pixels are read, and without any the variance is that of rounding (0 for data that are not integers).

    Accuracy is measured in benchmarks/results/noise_estimate.md.
    """
    values = windows.double()
    valid = valid & values.isfinite()
    values = torch.where(valid, values, torch.zeros_like(values))
    if not bool(valid.any()):
        return NoiseEstimate(0.0, 0.0, UNKNOWN_COLOUR)
    seen = values[valid]
    top = _saturation(seen)
    valid = valid & (values < top)
    blocks = blocks_of(values, valid, _piled_bottom(seen))
    blocks = without(blocks, blocks.clipped)
    if len(blocks.mean) < FEW:
        return NoiseEstimate(0.0, max(_variance_of_differences(values, valid), _rounding(seen)), UNKNOWN_COLOUR)
    bins = envelope(blocks, top)
    gain, variance = _line(bins)
    if gain > 0:
        gain, variance = _line(unchosen(bins, blocks, gain, variance))
    variance = max(variance, -gain * float(blocks.mean.min()))
    correlation, factor = colour(blocks, gain, variance)
    gain, variance = gain * factor, variance * factor
    return NoiseEstimate(gain, variance if gain > 0 else max(variance, _rounding(seen)), correlation)


def _line(seen: Envelope) -> tuple[float, float]:
    """Weighted line v = gain x + variance with gain >= 0, deaf to bins far above it: texture only ever adds."""
    x, v, error = seen.x, seen.variance, seen.error
    if len(x) < LINE:
        return 0.0, float(v.min() if len(x) > 1 else v[0])
    tolerance = torch.maximum(2 * error, torch.full_like(error, 0.1))
    trust, fitted = torch.ones_like(v), v
    gain, variance = 0.0, 0.0
    least = 0.25 * v.min()
    for _ in range(30):
        weight = trust / fitted**2
        centre, level = (weight * x).sum() / weight.sum(), (weight * v).sum() / weight.sum()
        slope = (weight * (x - centre) * (v - level)).sum() / (weight * (x - centre) ** 2).sum().clamp(min=1e-300)
        gain = max(float(slope), 0.0)
        variance = float(level) - gain * float(centre)
        fitted = (gain * x + variance).clamp(min=least)
        trust = 1 / (1 + ((v / fitted - 1).clamp(min=0) / tolerance) ** 2)
    return gain, variance


def _rounding(values: Tensor) -> float:
    """The variance that rounding to integers adds, 1/12; 0 for data that are not integers."""
    return 1 / 12 if bool((values == values.round()).all()) else 0.0


def _saturation(seen: Tensor) -> float:
    """The brightest value if it piles up as no scene makes it, more often than the next; otherwise infinity."""
    top = seen.max()
    below = seen[seen < top]
    if below.numel() == 0:
        return math.inf
    count = int((seen == top).sum())
    piled = count > 2 * int((below == below.max()).sum()) and count > 1e-4 * seen.numel()
    return float(top) if piled else math.inf


def _piled_bottom(seen: Tensor) -> float:
    """The darkest value if it piles up, as where an offset was subtracted and the rest clipped; otherwise -infinity."""
    bottom = seen.min()
    above = seen[seen > bottom]
    piled = above.numel() > 0 and int((seen == bottom).sum()) > 2 * int((above == above.min()).sum())
    return float(bottom) if piled else -math.inf


def _variance_of_differences(values: Tensor, valid: Tensor) -> float:
    """From second differences along rows and columns, by their median absolute value; 0 where none can be formed."""
    found = []
    for x, ok in ((values, valid), (values.transpose(1, 2), valid.transpose(1, 2))):
        whole = ok[..., 2:] & ok[..., 1:-1] & ok[..., :-2]
        found.append((x[..., 2:] - 2 * x[..., 1:-1] + x[..., :-2])[whole])
    differences = torch.cat(found).abs()
    if differences.numel() < SIDE:
        return 0.0
    return float(differences.median() * 1.4826) ** 2 / 6
