"""What is recorded of one tile's fit."""

import math
from dataclasses import dataclass
from enum import StrEnum

CURVE_POINTS = 64


class Status(StrEnum):
    """How a tile ended."""

    DIRECT = "direct"  # the method fits nothing
    STOPPED = "stopped"  # its stopper ended it
    BUDGET = "budget"  # it used all its steps
    DIVERGED = "diverged"  # a number was not finite; A+ y was kept
    OUT_OF_MEMORY = "out_of_memory"  # not even alone did it fit; A+ y was kept


@dataclass(frozen=True)
class FitRecord:
    """The convergence of one tile. Steps count from 1; a method without a fit has steps = 0 and an empty curve."""

    status: Status
    reason: str
    steps: int
    best_step: int
    curve: tuple[tuple[int, float], ...]  # (step, loss), at most 64 points
    seconds: float
    splits: int = 0  # how often its batch was halved for want of memory
    rung: str | None = None  # of a learned start: `start` as it is, or the method that adapted it

    @property
    def first_loss(self) -> float:
        """Loss before the first update; nan without a fit."""
        return self.curve[0][1] if self.curve else math.nan

    @property
    def last_loss(self) -> float:
        """Last recorded loss; nan without a fit."""
        return self.curve[-1][1] if self.curve else math.nan

    @property
    def best_loss(self) -> float:
        """Smallest recorded loss; nan without a fit or where every loss was not finite."""
        finite = [loss for _, loss in self.curve if math.isfinite(loss)]
        return min(finite, default=math.nan)


def thinned(curve: list[tuple[int, float]], points: int = CURVE_POINTS) -> tuple[tuple[int, float], ...]:
    """At most `points` of the curve, its first and last among them, evenly spread."""
    if len(curve) <= points:
        return tuple(curve)
    stride = (len(curve) - 1) / (points - 1)
    return tuple(curve[round(i * stride)] for i in range(points))


def joined(records: list[list[FitRecord]]) -> list[FitRecord]:
    """The records of batches, one after the other."""
    return [record for batch in records for record in batch]
