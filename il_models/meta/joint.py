"""Plain training of one network on the tasks of many images: what every meta-learned start has to beat."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from il_models.meta.corruption import Corrupted
from il_models.meta.training import Learned, Schedule, trained

SOFT = 0.05  # of an image's range: noise below counts as much as this, so that bright clean crops do not rule


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

    def loss(step: int) -> Tensor:
        return _loss(network, sample(step), rough=step < schedule.rough * schedule.steps)

    return trained(weights, loss, schedule, begun, every)


def _loss(network: nn.Module, seen: Corrupted, rough: bool) -> Tensor:
    sigma = seen.sigma[:, None, None, None]
    with torch.autocast(seen.y.device.type, torch.bfloat16, enabled=rough):
        x = network(seen.y, sigma.expand_as(seen.y), seen.correlation)
    return ((x.float() - seen.target).abs() / (sigma + SOFT)).mean()
