"""The outer loop of all learning of starts: Adam on one set of weights, resumable, seeded by the number of its step."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from il_models.schedules import cosine

LAST = 1e-3  # of the rate, where its cosine ends


@dataclass(frozen=True)
class Schedule:
    """How long and how fast.

    steps: of Adam. rate: of the first, which falls along a cosine. rough: share of the steps in bfloat16, the first;
    the rest is float32, so that the last digits are learned too.
    """

    steps: int
    rate: float = 1e-3
    rough: float = 0.0

    def rate_at(self, step: int) -> float:
        """Rate of a step, counted from 0."""
        return cosine(step, self.steps, self.rate, LAST * self.rate)


@dataclass(frozen=True)
class Learned:
    """Where a training stands; from it one goes on as if it had not been interrupted.

    steps: that were taken. loss: mean since the last report. weights, moments: of network and optimiser.
    """

    steps: int
    loss: float
    weights: dict[str, Tensor]
    moments: dict[str, Tensor]


def trained(
    weights: dict[str, Tensor],
    loss: Callable[[int], Tensor],
    schedule: Schedule,
    begun: Learned | None = None,
    every: int = 500,
) -> Iterator[Learned]:
    """Change weights in place; reports every so many steps and at the end.

    Args:
        weights: leaves that gradients are taken of.
        loss: of a step, from its number alone.
        schedule: how long.
        begun: where to go on.
        every: steps between two reports.

    Raises:
        FloatingPointError: a loss is not finite; what was reported last is where to begin again.
    """
    optimiser = torch.optim.Adam(weights.values(), lr=schedule.rate)
    first = _resumed(weights, optimiser, begun) if begun is not None else 0
    total, count = 0.0, 0
    for step in range(first, schedule.steps):
        optimiser.param_groups[0]["lr"] = schedule.rate_at(step)
        optimiser.zero_grad(set_to_none=True)
        now = loss(step)
        if not bool(now.isfinite()):
            raise FloatingPointError(
                f"The loss of outer step {step} is not finite, so that the weights would be lost. Go on from the last "
                "report with a lower rate, or, where tiles are adapted, with a lower first step size."
            )
        now.backward()
        nn.utils.clip_grad_norm_(weights.values(), 1.0)
        optimiser.step()
        total, count = total + float(now.detach()), count + 1
        if (step + 1) % every == 0 or step + 1 == schedule.steps:
            yield _learned(step + 1, total / count, weights, optimiser)
            total, count = 0.0, 0


def _learned(steps: int, loss: float, weights: dict[str, Tensor], optimiser: torch.optim.Optimizer) -> Learned:
    moments = {
        f"{name}.{moment}": value.detach().clone()
        for name, weight in weights.items()
        for moment, value in optimiser.state[weight].items()
    }
    return Learned(steps, loss, {name: value.detach().clone() for name, value in weights.items()}, moments)


def _resumed(weights: dict[str, Tensor], optimiser: torch.optim.Optimizer, begun: Learned) -> int:
    with torch.no_grad():
        for name, weight in weights.items():
            weight.copy_(begun.weights[name])
            optimiser.state[weight] = {
                moment: begun.moments[f"{name}.{moment}"].clone() for moment in ("step", "exp_avg", "exp_avg_sq")
            }
    return begun.steps
