"""Noise models, variance stabilisation and the blind estimate of the noise."""

from il_models.noise.anscombe import inverse_stabilised, stabilised
from il_models.noise.estimate import NoiseEstimate, estimate_noise
from il_models.noise.few_photons import StabilisedNoise, stabilised_sigma
from il_models.noise.model import Noise, is_signal_dependent

__all__ = [
    "Noise",
    "NoiseEstimate",
    "StabilisedNoise",
    "estimate_noise",
    "inverse_stabilised",
    "is_signal_dependent",
    "stabilised",
    "stabilised_sigma",
]
