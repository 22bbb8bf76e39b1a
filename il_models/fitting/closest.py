"""Stops when the estimate no longer comes closer to the measurement."""

from dataclasses import dataclass

import torch

from il_models.fitting.lowest import Patient, undercut
from il_models.metrics import mse
from il_models.stopper import Decision, Look, State


@dataclass(frozen=True)
class Closest(Patient):
    """Stops when the mean squared distance between estimate and measurement found no new minimum for `patience` steps.

    For methods that cannot reproduce the noise, and whose estimate is averaged along the way: every estimate is as good
    as the last, so that the latest is kept. Lequyer et al., "A fast blind zero-shot denoiser", Nature Machine
    Intelligence 2022.
    """

    patience: int = 100
    interval: int = 1

    @property
    def reasons(self) -> tuple[str, ...]:
        """The measurement came no closer."""
        return ("closest to the measurement",)

    def decide(self, state: State, look: Look) -> Decision:
        """Compares the distance over the measured pixels with the least yet."""
        distance = mse(look.estimate, look.problem.y, look.problem.mask)
        state, stop, best = undercut(state, look.step, distance, self.patience)
        return Decision(state, stop, torch.ones_like(best))
