"""Noise models, variance stabilisation and the blind estimate of the noise."""

from il_models.noise.affine import Affine
from il_models.noise.anscombe import inverse_stabilised, stabilised
from il_models.noise.colouring import coloured
from il_models.noise.estimate import NoiseEstimate, estimate_noise
from il_models.noise.few_photons import StabilisedNoise, stabilised_sigma
from il_models.noise.model import Noise, is_signal_dependent
from il_models.noise.speckle import Logarithm, looks_of, looks_seen
from il_models.noise.stabiliser import Anscombe, Stabiliser

__all__ = [
    "Affine",
    "Anscombe",
    "Logarithm",
    "Noise",
    "NoiseEstimate",
    "StabilisedNoise",
    "Stabiliser",
    "coloured",
    "estimate_noise",
    "inverse_stabilised",
    "is_signal_dependent",
    "looks_of",
    "looks_seen",
    "stabilised",
    "stabilised_sigma",
]
