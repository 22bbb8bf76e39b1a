"""The stop of a fit by unbiased risk: a loss below 0 has stopped being the estimate of an error."""

from dataclasses import dataclass

import torch

from il_models.problem import Problem
from il_models.stopper import Decision, Look, State, Stopper


@dataclass(frozen=True)
class ZeroCrossing(Stopper):
    """Stops where the loss, an estimate of a squared error, has fallen below 0 in the mean of its last looks.

    Jo, Chun and Choi, "Rethinking Deep Image Prior for Denoising", ICCV 2021. Only for methods whose loss is such an
    estimate: their networks learn to please the very measurement and probes that it is made of, and fresh probes do not
    show it, for the divergence of the fit itself is in no probe.

    keep: weight of the mean before at each look.
    """

    keep: float = 0.7
    interval: int = 5

    @property
    def reasons(self) -> tuple[str, ...]:
        """No error is negative."""
        return ("risk below zero",)

    @property
    def every(self) -> int:
        """Looked at every `interval` steps."""
        return self.interval

    def start(self, problem: Problem) -> State:
        """No loss yet."""
        return {"mean": torch.full((problem.b,), torch.inf, device=problem.y.device)}

    def decide(self, state: State, look: Look) -> Decision:
        """Averages the loss and compares it with 0."""
        mean = torch.where(state["mean"].isinf(), look.loss, self.keep * state["mean"] + (1 - self.keep) * look.loss)
        return Decision({"mean": mean}, (mean < 0).long(), torch.ones_like(mean, dtype=torch.bool))
