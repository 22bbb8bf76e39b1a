"""When a tile stops, without ground truth. A stopper's state is a dict of tensors that begin with the tile axis b.

The loop calls `update` every `every` steps with what it saw, keeps the estimate wherever `best` says so, and removes
the tiles that stop. `step` counts from 1. The method's own number of steps bounds every fit, with or without a stopper.
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

State = dict[str, Tensor]


class Decision(NamedTuple):
    """What a stopper says of b tiles at a step."""

    state: State
    stop: Int64[Tensor, " b"]  # 0 goes on, otherwise 1 + the place of the reason in `reasons`
    best: Bool[Tensor, " b"]  # this step is the tile's best so far


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

    def start(self, b: int, device: torch.device) -> State:
        """The state before the first step."""
        del b, device
        return {}

    def update(self, state: State, step: int, loss: Float[Tensor, " b"], x: Float[Tensor, "b ..."] | None) -> Decision:
        """What to do after this step. A tile that was told to stop stays stopped, with its reason and its best step."""
        own = {name: value for name, value in state.items() if name != "stopped"}
        decision = self.decide(own, step, loss, x)
        before = state.get("stopped", torch.zeros_like(decision.stop))
        stop = torch.where(before > 0, before, decision.stop)
        return Decision({**decision.state, "stopped": stop}, stop, decision.best & (before == 0))

    @abstractmethod
    def decide(self, state: State, step: int, loss: Float[Tensor, " b"], x: Float[Tensor, "b ..."] | None) -> Decision:
        """What this step says, whatever was said before."""


def take(state: State, index: Tensor) -> State:
    """The state of some of the tiles."""
    return {name: value[index] for name, value in state.items()}


@dataclass(frozen=True)
class Budget(Stopper):
    """Stops after so many steps; the last step is the best. The protocol of papers that report the final iterate."""

    steps: int

    @property
    def reasons(self) -> tuple[str, ...]:
        """The budget was used."""
        return ("budget",)

    @property
    def every(self) -> int:
        """Asked once, at the end."""
        return self.steps

    def decide(self, state: State, step: int, loss: Tensor, x: Tensor | None) -> Decision:
        """Stops every tile at step `steps`."""
        del x
        stop = torch.full_like(loss, int(step >= self.steps), dtype=torch.int64)
        return Decision(state, stop, torch.ones_like(stop, dtype=torch.bool))


@dataclass(frozen=True)
class Plateau(Stopper):
    """Stops when the loss, averaged exponentially, fell by less than `drop` of itself over `patience` steps.

    For losses whose minimum is the wanted one (Noise2Noise losses), never for a fit that can reproduce the noise.
    """

    patience: int = 400
    drop: float = 0.005
    interval: int = 20

    @property
    def reasons(self) -> tuple[str, ...]:
        """The loss no longer falls."""
        return ("plateau",)

    @property
    def every(self) -> int:
        """Looked at every `interval` steps."""
        return self.interval

    def start(self, b: int, device: torch.device) -> State:
        """Averaged loss, the value that must be undercut, and the step when it was."""
        blank = torch.full((b,), torch.inf, device=device)
        return {"mean": blank, "mark": blank, "since": torch.zeros(b, device=device)}

    def decide(self, state: State, step: int, loss: Tensor, x: Tensor | None) -> Decision:
        """Compares the averaged loss with the mark that it last undercut by the wanted drop."""
        del x
        mean = torch.where(state["mean"].isinf(), loss, 0.8 * state["mean"] + 0.2 * loss)
        lower = mean < state["mark"] * (1 - self.drop)
        mark = torch.where(lower, mean, state["mark"])
        since = torch.where(lower, torch.full_like(state["since"], step), state["since"])
        stop = (step - since >= self.patience).long()
        return Decision({"mean": mean, "mark": mark, "since": since}, stop, torch.ones_like(lower))


@dataclass(frozen=True)
class FirstOf(Stopper):
    """Stops a tile as soon as one of its stoppers does. The first of them that watches estimates says what was best."""

    stoppers: tuple[Stopper, ...]

    @property
    def reasons(self) -> tuple[str, ...]:
        """The reasons of all, in order."""
        return tuple(reason for stopper in self.stoppers for reason in stopper.reasons)

    @property
    def every(self) -> int:
        """Often enough for each of them."""
        return math.gcd(*(stopper.every for stopper in self.stoppers))

    @property
    def watches_estimate(self) -> bool:
        """If one of them does."""
        return any(stopper.watches_estimate for stopper in self.stoppers)

    def start(self, b: int, device: torch.device) -> State:
        """The states of all, each name led by its stopper's place."""
        states = [stopper.start(b, device) for stopper in self.stoppers]
        return {f"{place}.{name}": value for place, state in enumerate(states) for name, value in state.items()}

    def decide(self, state: State, step: int, loss: Tensor, x: Tensor | None) -> Decision:
        """Asks those whose turn it is; of two that stop a tile at one step the first gives the reason."""
        stop = torch.zeros_like(loss, dtype=torch.int64)
        best = torch.ones_like(loss, dtype=torch.bool)
        state, said, offset = dict(state), False, 0
        for place, stopper in enumerate(self.stoppers):
            if step % stopper.every == 0:
                own = {name.split(".", 1)[1]: v for name, v in state.items() if name.startswith(f"{place}.")}
                decision = stopper.update(own, step, loss, x)
                state |= {f"{place}.{name}": value for name, value in decision.state.items()}
                stop = torch.where((stop == 0) & (decision.stop > 0), decision.stop + offset, stop)
                if stopper.watches_estimate and not said:
                    best, said = decision.best, True
            offset += len(stopper.reasons)
        return Decision(state, stop, best)
