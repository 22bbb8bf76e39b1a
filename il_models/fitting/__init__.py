"""The one loop that fits b tiles at once, what stops a tile, and what is recorded of it."""

from il_models.fitting.fit import Fit, fit, require_judge
from il_models.fitting.held_out import HeldOut, RiskMinimum
from il_models.fitting.record import FitRecord, Status
from il_models.fitting.residual import Discrepancy, Outgrown
from il_models.fitting.stoppers import Budget, FirstOf, Plateau
from il_models.fitting.variance import MovingVariance, VarianceMinimum
from il_models.stopper import Stopper

__all__ = [
    "Budget",
    "Discrepancy",
    "FirstOf",
    "Fit",
    "FitRecord",
    "HeldOut",
    "MovingVariance",
    "Outgrown",
    "Plateau",
    "RiskMinimum",
    "Status",
    "Stopper",
    "VarianceMinimum",
    "fit",
    "require_judge",
]
