"""Degradations A of y = A x + noise, one operator per file."""

from il_models.degradations.base import Degradation
from il_models.degradations.blur import Blur, gaussian_psf
from il_models.degradations.identity import Identity

__all__ = ["Blur", "Degradation", "Identity", "gaussian_psf"]
