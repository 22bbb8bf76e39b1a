"""Stoppers that compare what a fit leaves over, y - A x, with the noise."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from il_models.metrics import mean
from il_models.problem import Problem
from il_models.stopper import Decision, Look, State, Watching


def over_noise(look: Look) -> Float[Tensor, " b"]:
    """Mean square of the residual over the mean variance of the noise, at the measured pixels of each tile.

    A ratio of means, for a pixel without a photon has no noise that a residual could be divided by.
    """
    seen, mask = look.problem.A(look.estimate), look.problem.mask
    variance = mean(look.problem.noise.sigma(seen) ** 2, mask)
    return mean((seen - look.problem.y) ** 2, mask) / variance.clamp(min=torch.finfo(variance.dtype).tiny)


@dataclass(frozen=True)
class _Residual(Watching):
    """factor: of the noise's standard deviation."""

    factor: float = 1.0
    interval: int = 10


@dataclass(frozen=True)
class Discrepancy(_Residual):
    """Stops when the residual is no larger than the noise: mean of (A x - y)^2 at most (`factor` sigma)^2.

    Morozov's discrepancy principle (1966). Needs the noise level. With `times` a tile goes on until it has taken so
    many times the steps that this took: for a fit that is held back from the noise (total variation), and best later.
    """

    times: float = 1.0

    @property
    def reasons(self) -> tuple[str, ...]:
        """The residual has reached the noise."""
        later = f", in steps {self.times:g} times as many" if self.times > 1 else ""
        return (f"residual reached the noise{later}",)

    def start(self, problem: Problem) -> State:
        """The step at which the residual reached the noise; 0 until then."""
        return {"reached": torch.zeros(problem.b, device=problem.y.device)}

    def decide(self, state: State, look: Look) -> Decision:
        """Compares the residual with the noise; the last step is the best."""
        now = (state["reached"] == 0) & (over_noise(look) <= self.factor**2)
        reached = torch.where(now, torch.full_like(state["reached"], look.step), state["reached"])
        stop = ((reached > 0) & (look.step >= self.times * reached)).long()
        return Decision({"reached": reached}, stop, torch.ones_like(stop, dtype=torch.bool))


@dataclass(frozen=True)
class Outgrown(_Residual):
    """Stops when the residual is larger than the noise: mean of (A x - y)^2 more than (`factor` sigma)^2.

    For networks that read the measurement and begin at it, with no residual. What is left over by the best estimate,
    E[x | y], has the variance sigma^2 - MSE, for its error has nothing to do with it; a residual beyond the noise is
    error that was learned by heart, or structure that is not learned yet. That takes steps, and the more the larger
    the tile: nothing stops before step `first` + `per_pixel` times the measured pixels.
    """

    first: int = 600
    per_pixel: float = 0.0

    @property
    def reasons(self) -> tuple[str, ...]:
        """The residual has grown beyond the noise."""
        return ("residual beyond the noise",)

    def decide(self, state: State, look: Look) -> Decision:
        """Compares the residual with the noise; the last step is the best."""
        known = look.step >= self.first + self.per_pixel * look.problem.mask.flatten(1).sum(1)
        beyond = known & (over_noise(look) > self.factor**2)
        return Decision(state, beyond.long(), torch.ones_like(beyond))
