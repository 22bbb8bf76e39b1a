"""What windows of one channel say of its noise: ChannelNoise of data units, of intensities with speckle the looks."""

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from il_models.noise import estimate_noise, looks_seen
from tasks.measured import Valid
from tasks.plan import ChannelNoise, Speckle

ENOUGH = 48**2  # px: where noise is at most 12 % stronger than it shows, in fewer up to twice
FLOOR_QUANTILE = 1e-4  # of positive intensities: zeros get a logarithm, and deep nulls of speckle keep theirs


def noise_seen(raw: NDArray[np.float32], valid: Valid) -> ChannelNoise:
    """Gain, variance and colour, blind; of windows (n, h, w) and what was measured of them."""
    return ChannelNoise(*estimate_noise(torch.from_numpy(raw), torch.from_numpy(valid)))


def noise_shown(raw: NDArray[np.float32], valid: Valid, told: ChannelNoise) -> float | None:
    """The noise that windows show over that which they are told to have, as standard deviations at the median.

    Texture passes for noise, so that it can be far above 1; much below 1 it shows that less noise is there. None where
    there are fewer than 48 x 48 pixels, no noise is told, or the median is darker than a photon: hardly anything shows.
    """
    if int(valid.sum()) < ENOUGH:
        return None
    middle = float(np.median(raw[valid]))
    expected = told.variance_at(middle)
    if expected <= told.gain**2:
        return None
    own = speckle_seen(raw, valid) if told.speckle else noise_seen(raw, valid)
    return float((own.variance_at(middle) / expected) ** 0.5)


def speckle_seen(raw: NDArray[np.float32], valid: Valid, looks: float | None = None) -> ChannelNoise:
    """Speckle, whose colour and looks are read off log-intensities: there it is the same everywhere.

    Args:
        raw: windows (n, h, w). valid: what was measured of them. looks: where they are told.
    """
    positive = valid & (raw > 0)
    floor = float(np.quantile(raw[positive], FLOOR_QUANTILE)) if positive.any() else 1.0
    logarithm = np.log(np.maximum(raw, floor, where=positive, out=np.full_like(raw, floor)))
    seen = noise_seen(logarithm, positive)
    if looks is None:
        middle = float(np.median(logarithm[positive])) if positive.any() else 0.0
        looks = looks_seen(seen.gain * middle + seen.variance)
    return replace(seen, gain=0.0, variance=0.0, speckle=Speckle(looks, floor))
