"""Stoppers that look at the number of steps or at the loss, and the one that joins several."""

import math
from dataclasses import dataclass

import torch

from il_models.problem import Problem
from il_models.stopper import Decision, Look, State, Stopper


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

    def decide(self, state: State, look: Look) -> Decision:
        """Stops every tile at step `steps`."""
        stop = torch.full_like(look.loss, int(look.step >= self.steps), dtype=torch.int64)
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

    def start(self, problem: Problem) -> State:
        """Averaged loss, the value that must be undercut, and the step when it was."""
        blank = torch.full((problem.b,), torch.inf, device=problem.y.device)
        return {"mean": blank, "mark": blank, "since": torch.zeros_like(blank)}

    def decide(self, state: State, look: Look) -> Decision:
        """Compares the averaged loss with the mark that it last undercut by the wanted drop."""
        mean = torch.where(state["mean"].isinf(), look.loss, 0.8 * state["mean"] + 0.2 * look.loss)
        lower = mean < state["mark"] * (1 - self.drop)
        mark = torch.where(lower, mean, state["mark"])
        since = torch.where(lower, torch.full_like(state["since"], look.step), state["since"])
        stop = (look.step - since >= self.patience).long()
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

    @property
    def needs_measurement(self) -> bool:
        """If one of them does."""
        return any(stopper.needs_measurement for stopper in self.stoppers)

    @property
    def withholds(self) -> float:
        """The largest share that one of them wants."""
        return max(stopper.withholds for stopper in self.stoppers)

    def start(self, problem: Problem) -> State:
        """The states of all, each name led by its stopper's place."""
        states = [stopper.start(problem) for stopper in self.stoppers]
        return {f"{place}.{name}": value for place, state in enumerate(states) for name, value in state.items()}

    def decide(self, state: State, look: Look) -> Decision:
        """Asks those whose turn it is; of two that stop a tile at one step the first gives the reason."""
        stop = torch.zeros_like(look.loss, dtype=torch.int64)
        best = torch.ones_like(look.loss, dtype=torch.bool)
        state, said, offset = dict(state), False, 0
        for place, stopper in enumerate(self.stoppers):
            if look.step % stopper.every == 0:
                own = {name.split(".", 1)[1]: v for name, v in state.items() if name.startswith(f"{place}.")}
                decision = stopper.update(own, look)
                state |= {f"{place}.{name}": value for name, value in decision.state.items()}
                stop = torch.where((stop == 0) & (decision.stop > 0), decision.stop + offset, stop)
                if stopper.watches_estimate and not said:
                    best, said = decision.best, True
            offset += len(stopper.reasons)
        return Decision(state, stop, best)
