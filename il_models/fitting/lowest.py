"""Stoppers that watch a figure of the estimate: its lowest value yet, the step of that, whether patience is over."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from il_models.problem import Problem
from il_models.stopper import Decision, State, Watching


@dataclass(frozen=True)
class Patient(Watching):
    """Looks at the estimate every `interval` steps and stops when its figure found no new minimum for `patience`."""

    patience: int = 500
    interval: int = 10

    def start(self, problem: Problem) -> State:
        """Lowest figure yet, and its step."""
        return lowest_yet(problem)


def lowest_yet(problem: Problem) -> State:
    """Before the first value."""
    blank = torch.full((problem.b,), torch.inf, device=problem.y.device)
    return {"lowest": blank, "since": torch.zeros_like(blank)}


def undercut(state: State, step: int, value: Float[Tensor, " b"], patience: int) -> Decision:
    """Best where the value is the lowest yet; stops where it was not for `patience` steps.

    A value of inf counts for nothing, and before the first finite one every step is the best so far.
    """
    lower = value < state["lowest"]
    lowest = torch.where(lower, value, state["lowest"])
    since = torch.where(lower, torch.full_like(state["since"], step), state["since"])
    stop = ((step - since >= patience) & lowest.isfinite()).long()
    return Decision({**state, "lowest": lowest, "since": since}, stop, lower | ~lowest.isfinite())
