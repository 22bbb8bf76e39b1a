"""What a stopper must say: when a tile stops, without ground truth.

A stopper's state is a dict of tensors that begin with the tile axis b. The loop calls `update` every `every` steps with
a Look, keeps the estimate wherever `best` says so, and removes the tiles that stop. The method's own number of steps
bounds every fit, with or without a stopper.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from il_models.problem import Problem

State = dict[str, Tensor]


class Decision(NamedTuple):
    """What a stopper says of b tiles at a step."""

    state: State
    stop: Int64[Tensor, " b"]  # 0 goes on, otherwise 1 + the place of the reason in `reasons`
    best: Bool[Tensor, " b"]  # this step is the tile's best so far


@dataclass(frozen=True)
class Look:
    """What is seen of b tiles after a step.

    step: counted from 1. loss: of this step, before its update. problem: as it is fitted; pixels in `unseen` are not in
    its mask, and its y there is a guess. unseen: measured pixels that were withheld from the fit. y: the measurement,
    also at these. x: the estimate, where the stopper watches it. again: the estimate of another measurement by the
    present networks.
    """

    step: int
    loss: Float[Tensor, " b"]
    problem: Problem
    unseen: Bool[Tensor, "b 1 *s"]
    y: Float[Tensor, "b c *s"]
    x: Float[Tensor, "b c *i"] | None
    again: Callable[[Tensor], Tensor]

    @property
    def estimate(self) -> Float[Tensor, "b c *i"]:
        """The estimate.

        Raises:
            ValueError: the stopper did not say that it watches it.
        """
        if self.x is None:
            raise ValueError("The stopper wants the estimate, but its watches_estimate is False.")
        return self.x


@dataclass(frozen=True)
class Stopper(ABC):
    """Per tile: decides when it stops and which step was its best. Never un-stops, never looks at two tiles at once."""

    @property
    @abstractmethod
    def reasons(self) -> tuple[str, ...]:
        """Words for the record."""

    @property
    @abstractmethod
    def every(self) -> int:
        """How many steps lie between two updates."""

    @property
    def watches_estimate(self) -> bool:
        """Whether `update` needs the current estimate x, which costs a forward pass."""
        return False

    @property
    def needs_measurement(self) -> bool:
        """Whether it can judge only methods whose networks read the measurement when they estimate."""
        return False

    @property
    def withholds(self) -> float:
        """Share of the measured pixels that must be kept from the fit, for the stopper to look at."""
        return 0.0

    def start(self, problem: Problem) -> State:
        """The state before the first step."""
        del problem
        return {}

    def update(self, state: State, look: Look) -> Decision:
        """What to do after this step. A tile that was told to stop stays stopped, with its reason and its best step."""
        own = {name: value for name, value in state.items() if name != "stopped"}
        decision = self.decide(own, look)
        before = state.get("stopped", torch.zeros_like(decision.stop))
        stop = torch.where(before > 0, before, decision.stop)
        return Decision({**decision.state, "stopped": stop}, stop, decision.best & (before == 0))

    @abstractmethod
    def decide(self, state: State, look: Look) -> Decision:
        """What this step says, whatever was said before."""


class Watching(Stopper, ABC):
    """Looks at the estimate every `interval` steps, a field of its subclasses."""

    interval: int

    @property
    def every(self) -> int:
        """Looked at every `interval` steps."""
        return self.interval

    @property
    def watches_estimate(self) -> bool:
        """What it looks at is the estimate's."""
        return True


def take(state: State, index: Tensor) -> State:
    """The state of some of the tiles."""
    return {name: value[index] for name, value in state.items()}
