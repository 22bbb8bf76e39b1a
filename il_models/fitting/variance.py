"""Early stopping by the variance of the last estimates, which is lowest when they are closest to the truth.

Wang et al., "Early Stopping for Deep Image Prior", TMLR 2023, arXiv 2112.06074.
"""

from dataclasses import dataclass

import torch

from il_models.fitting.lowest import Patient, lowest_yet, undercut
from il_models.problem import Problem
from il_models.stopper import Decision, Look, State


@dataclass(frozen=True)
class _Variance(Patient):
    patience: int = 1000
    interval: int = 1

    @property
    def reasons(self) -> tuple[str, ...]:
        """The variance has passed its minimum."""
        return ("variance minimum",)


@dataclass(frozen=True)
class VarianceMinimum(_Variance):
    """ES-WMV: stops when the variance of the last `window` estimates found no new minimum for `patience` steps.

    The estimate of the minimum is kept. Algorithm 1 of the paper. With interval > 1 the window holds every interval-th
    estimate. The window is kept in memory.
    """

    window: int = 100

    def decide(self, state: State, look: Look) -> Decision:
        """Puts the estimate into the window, oldest out, and compares the window's variance."""
        x = look.estimate
        window = torch.cat([state["window"], x[:, None]], 1) if "window" in state else x[:, None]
        window = window[:, -self.window :]
        variance = window.var(1, correction=0).flatten(1).mean(1)
        if window.shape[1] < self.window:
            variance = torch.full_like(variance, torch.inf)
        return undercut({**state, "window": window}, look.step, variance, self.patience)


@dataclass(frozen=True)
class MovingVariance(_Variance):
    """ES-EMV: the same by exponentially moving mean and variance, so that one image is kept instead of a window.

    Algorithm 2 of the paper (its clipping to [0, 1] left out, for problem units are not clipped).

    share: weight of the newest estimate (paper: 0.1). first: estimates before which no minimum counts.
    """

    share: float = 0.1
    first: int = 100

    def start(self, problem: Problem) -> State:
        """Lowest variance yet and its step, moving mean and variance, and how many estimates were seen."""
        blank = torch.zeros(problem.b, device=problem.y.device)
        return {**lowest_yet(problem), "mean": torch.zeros_like(problem.fallback()), "variance": blank, "seen": blank}

    def decide(self, state: State, look: Look) -> Decision:
        """Moves mean and variance by one estimate and compares."""
        apart = look.estimate - state["mean"]
        variance = (1 - self.share) * (state["variance"] + self.share * (apart**2).flatten(1).mean(1))
        seen = state["seen"] + 1
        state = {**state, "mean": state["mean"] + self.share * apart, "variance": variance, "seen": seen}
        counted = torch.where(seen > self.first, variance, torch.full_like(variance, torch.inf))
        return undercut(state, look.step, counted, self.patience)
