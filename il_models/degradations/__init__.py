"""Degradations A of y = A x + noise, one operator per file."""

from il_models.degradations.base import Degradation
from il_models.degradations.blur import Blur, gaussian_psf
from il_models.degradations.compose import Compose
from il_models.degradations.downsample import Downsample
from il_models.degradations.guided import Guided, guided
from il_models.degradations.identity import Identity
from il_models.degradations.mask import Mask
from il_models.degradations.spectral import Spectral
from il_models.degradations.subsample import Subsample

__all__ = [
    "Blur",
    "Compose",
    "Degradation",
    "Downsample",
    "Guided",
    "Identity",
    "Mask",
    "Spectral",
    "Subsample",
    "gaussian_psf",
    "guided",
]
