"""The one loop that fits b tiles at once, what stops a tile, and what is recorded of it."""

from il_models.fitting.fit import Fit, fit
from il_models.fitting.record import FitRecord, Status
from il_models.fitting.stoppers import Budget, FirstOf, Plateau, Stopper
from il_models.fitting.variance import VarianceMinimum

__all__ = ["Budget", "FirstOf", "Fit", "FitRecord", "Plateau", "Status", "Stopper", "VarianceMinimum", "fit"]
