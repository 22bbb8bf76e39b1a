"""Plain training of one network on the tasks of many images: what every meta-learned start has to beat."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from il_models.meta.corruption import Corrupted
from il_models.schedules import cosine

LAST = 1e-3  # of the rate, where its cosine ends
SOFT = 0.05  # of an image's range: noise below counts as much as this, so that bright clean crops do not rule


@dataclass(frozen=True)
class Schedule:
    """How long and how fast.

    steps: of Adam. rate: of the first, which falls along a cosine. rough: share of the steps in bfloat16, the first;
    the rest is float32, so that the last digits are learned too.
    """

    steps: int
    rate: float = 1e-3
    rough: float = 0.0


@dataclass(frozen=True)
class Learned:
    """Where a training stands; from it one goes on as if it had not been interrupted.

    steps: that were taken. loss: mean since the last report. weights, moments: of network and optimiser.
    """

    steps: int
    loss: float
    weights: dict[str, Tensor]
    moments: dict[str, Tensor]


def joint(
    network: nn.Module,
    sample: Callable[[int], Corrupted],
    schedule: Schedule,
    begun: Learned | None = None,
    every: int = 500,
) -> Iterator[Learned]:
    """Train a denoiser in place, absolute error over told noise level; reports every so many steps and at the end.

    Args:
        network: takes y, a map of sigma and the correlation.
        sample: the crops of a step, from its number alone.
        schedule: how long.
        begun: where to go on.
        every: steps between two reports.
    """
    weights: dict[str, Tensor] = {name: w for name, w in network.named_parameters() if w.requires_grad}
    optimiser = torch.optim.Adam(weights.values(), lr=schedule.rate)
    first = _resumed(weights, optimiser, begun) if begun is not None else 0
    total, count = 0.0, 0
    for step in range(first, schedule.steps):
        optimiser.param_groups[0]["lr"] = cosine(step, schedule.steps, schedule.rate, LAST * schedule.rate)
        optimiser.zero_grad(set_to_none=True)
        loss = _loss(network, sample(step), rough=step < schedule.rough * schedule.steps)
        loss.backward()
        nn.utils.clip_grad_norm_(weights.values(), 1.0)
        optimiser.step()
        total, count = total + float(loss.detach()), count + 1
        if (step + 1) % every == 0 or step + 1 == schedule.steps:
            yield _learned(step + 1, total / count, weights, optimiser)
            total, count = 0.0, 0


def _loss(network: nn.Module, seen: Corrupted, rough: bool) -> Tensor:
    sigma = seen.sigma[:, None, None, None]
    with torch.autocast(seen.y.device.type, torch.bfloat16, enabled=rough):
        x = network(seen.y, sigma.expand_as(seen.y), seen.correlation)
    return ((x.float() - seen.target).abs() / (sigma + SOFT)).mean()


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
