"""Early stopping by the variance of the last estimates, which is lowest when they are closest to the truth."""

from dataclasses import dataclass

import torch
from torch import Tensor

from il_models.fitting.stoppers import Decision, State, Stopper


@dataclass(frozen=True)
class VarianceMinimum(Stopper):
    """ES-WMV: stops when the variance of the last `window` estimates found no new minimum for `patience` steps.

    The estimate of the minimum is kept. Wang et al., "Early Stopping for Deep Image Prior", TMLR 2023,
    arXiv 2112.06074, algorithm 1. With interval > 1 the window holds every interval-th estimate.
    """

    window: int = 100
    patience: int = 1000
    interval: int = 1

    @property
    def reasons(self) -> tuple[str, ...]:
        """The variance has passed its minimum."""
        return ("variance minimum",)

    @property
    def every(self) -> int:
        """Looked at every `interval` steps."""
        return self.interval

    @property
    def watches_estimate(self) -> bool:
        """The variance is one of estimates."""
        return True

    def start(self, b: int, device: torch.device) -> State:
        """Lowest variance yet and its step; the window itself comes with the first estimate."""
        return {"lowest": torch.full((b,), torch.inf, device=device), "since": torch.zeros(b, device=device)}

    def decide(self, state: State, step: int, loss: Tensor, x: Tensor | None) -> Decision:
        """Puts the estimate into the window, oldest out, and compares the window's variance."""
        del loss
        if x is None:
            raise ValueError("VarianceMinimum needs the estimate at every update.")
        window = torch.cat([state["window"], x[:, None]], 1) if "window" in state else x[:, None]
        window = window[:, -self.window :]
        variance = window.var(1, correction=0).flatten(1).mean(1)
        lower = (variance < state["lowest"]) & (window.shape[1] == self.window)
        lowest = torch.where(lower, variance, state["lowest"])
        since = torch.where(lower, torch.full_like(state["since"], step), state["since"])
        stop = ((step - since >= self.patience) & lowest.isfinite()).long()
        return Decision({"lowest": lowest, "since": since, "window": window}, stop, lower | ~lowest.isfinite())
