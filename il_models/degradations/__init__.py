"""Degradations A of y = A x + noise, one operator per file."""

from il_models.degradations.base import Degradation
from il_models.degradations.identity import Identity

__all__ = ["Degradation", "Identity"]
