"""Reptile: a start is moved towards what fits that begin from it end at."""

from collections.abc import Callable, Iterator

import torch
from torch import nn

from il_models.fitting import Status, fit
from il_models.meta.maml import parts, repeated
from il_models.meta.task import Tasks
from il_models.meta.training import Learned, Schedule
from il_models.method import Fitted
from il_models.nets import Nets


def reptile(
    network: nn.Module,
    sample: Callable[[int], Tasks],
    method: Fitted,
    schedule: Schedule,
    begun: Learned | None = None,
    every: int = 500,
) -> Iterator[Learned]:
    """Learn weights; reports every so many outer steps and at the end.

    Nichol, Achiam and Schulman, "On first-order meta-learning algorithms", arXiv 1803.02999: w + e (mean of w' - w),
    where w' are the weights after the method's own steps. It never looks at a query, and does not bind their number.
    Tasks whose fit diverged take no part.

    Args:
        network: of one tile, as the method makes it; the weights to begin with. Not changed.
        sample: the tasks of an outer step, from its number alone.
        method: with the steps and the rate that a tile takes from the start, see `Fitted.own_steps`.
        schedule: of the outer steps; its rate is e.
        begun: where to go on.
        every: steps between two reports.
    """
    frame, start, fixed = parts(network)
    weights = {name: value.detach() for name, value in (start if begun is None else begun.weights).items()}
    total, count = 0.0, 0
    for step in range(0 if begun is None else begun.steps, schedule.steps):
        tasks = sample(step)
        done = fit(tasks.support, method, start=Nets(frame, repeated(weights | fixed, tasks.support.b)))
        kept = torch.tensor([record.status in (Status.BUDGET, Status.STOPPED) for record in done.records])
        if done.nets is not None and bool(kept.any()):
            share = schedule.rate_at(step)
            ends = {name: done.nets.weights[name].detach()[kept].mean(0) for name in weights}
            weights = {name: value + share * (ends[name] - value) for name, value in weights.items()}
        total += sum(record.curve[-1][1] for record in done.records) / len(done.records)
        count += 1
        if (step + 1) % every == 0 or step + 1 == schedule.steps:
            yield Learned(step + 1, total / count, weights, {})
            total, count = 0.0, 0
