"""Model-agnostic meta-learning: a start from which K steps of plain descent on a tile's own loss lead furthest.

Finn, Abbeel and Levine, "Model-agnostic meta-learning for fast adaptation of deep networks", ICML 2017. Learned step
sizes, one per tensor, and the annealed multi-step loss are those of Antoniou, Edwards and Storkey, "How to train your
MAML", ICLR 2019; step sizes per step are left out, for they would bind K.
"""

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor, nn

from il_models.draw import Draw
from il_models.meta.starting_point import StartingPoint
from il_models.meta.task import Tasks, judged
from il_models.meta.training import Learned, Schedule, trained
from il_models.method import Fitted
from il_models.nets import Nets
from il_models.problem import Problem

PACE = 10.0  # logarithms of step sizes are learned so many times as fast as weights
RATE = "rate of "  # before the name of a tensor: the logarithm of its step size over the first one, over PACE


@dataclass(frozen=True)
class Inner:
    """How weights are adapted to a task while a start is learned.

    steps: K, which is also to be taken where the start is used; 0: not at all (see `multitask`).
    rate: the step size of all tensors at first.
    first_order: FOMAML, where the gradient at the adapted weights is taken for that at the start. A third of the time,
        and memory that does not grow with K.
    annealed: share of the outer steps along which the loss after each inner step gives way to that after the last.
    """

    steps: int = 5
    rate: float = 0.1
    first_order: bool = False
    annealed: float = 0.5


def maml(
    network: nn.Module,
    sample: Callable[[int], Tasks],
    method: Fitted,
    inner: Inner,
    schedule: Schedule,
    begun: Learned | None = None,
    every: int = 500,
) -> Iterator[Learned]:
    """Learn weights and step sizes; reports every so many outer steps and at the end, see `starting_point`.

    Args:
        network: of one tile, as the method makes it; the weights to begin with. Not changed.
        sample: the tasks of an outer step, from its number alone.
        method: whose loss adapts.
        inner: how.
        schedule: of the outer steps.
        begun: where to go on.
        every: steps between two reports.
    """
    frame, start, fixed = parts(network)
    rates = {RATE + name: value.new_zeros(()).requires_grad_() for name, value in start.items()}

    def loss(step: int) -> Tensor:
        tasks = sample(step)
        nets = Nets(frame, repeated(start | fixed, tasks.support.b))
        sizes = {name: step_size(rates[RATE + name], inner) for name in start}
        last = min(1.0, step / max(1.0, inner.annealed * schedule.steps))
        rough = step < schedule.rough * schedule.steps
        with torch.autocast(tasks.support.y.device.type, torch.bfloat16, enabled=rough):
            each = outer_losses(method, nets, tasks, sizes, inner, only_last=last == 1)
        means = torch.stack([one.mean() for one in each])
        return (1 - last) * means.mean() + last * means[-1]

    return trained(start | (rates if inner.steps else {}), loss, schedule, begun, every)


def multitask(
    network: nn.Module,
    sample: Callable[[int], Tasks],
    method: Fitted,
    schedule: Schedule,
    begun: Learned | None = None,
    every: int = 500,
) -> Iterator[Learned]:
    """Plain training of one set of weights on the queries of the same tasks: the referee, and MAML without a step."""
    return maml(network, sample, method, Inner(steps=0), schedule, begun, every)


def starting_point(state: Learned, inner: Inner) -> StartingPoint:
    """The start that a training has come to."""
    weights = {name: value for name, value in state.weights.items() if not name.startswith(RATE)}
    sizes = {name: float(step_size(state.weights[RATE + name], inner)) for name in weights}
    return StartingPoint(weights, inner.steps, sizes)


def step_size(logarithm: Float[Tensor, ""], inner: Inner) -> Float[Tensor, ""]:
    """Above 0 by being an exponential."""
    return inner.rate * torch.exp(PACE * logarithm)


def parts(network: nn.Module) -> tuple[nn.Module, dict[str, Tensor], dict[str, Tensor]]:
    """Structure of a network, copies of its weights as new leaves, and of those that are not to be learned."""
    named = {name: value.detach().clone() for name, value in network.named_parameters()}
    frozen = {name for name, value in network.named_parameters() if not value.requires_grad}
    learned = {name: value.requires_grad_() for name, value in named.items() if name not in frozen}
    return copy.deepcopy(network).to("meta"), learned, {name: named[name] for name in named if name in frozen}


def repeated(weights: dict[str, Tensor], b: int) -> dict[str, Tensor]:
    """The same weights for b tiles; gradients of all of them add up in the one."""
    return {name: value.expand(b, *value.shape) for name, value in weights.items()}


def outer_losses(
    method: Fitted, nets: Nets, tasks: Tasks, sizes: dict[str, Tensor], inner: Inner, only_last: bool = False
) -> list[Float[Tensor, " b"]]:
    """The outer loss of each task after each inner step, or after the last alone."""
    found = [] if inner.steps else [judged(method, nets, tasks)]
    for step, adapted in enumerate(descended(method, nets, tasks.support, sizes, inner), 1):
        if step == inner.steps or not only_last:
            found.append(judged(method, adapted, tasks))
    return found


def descended(method: Fitted, nets: Nets, problem: Problem, sizes: dict[str, Tensor], inner: Inner) -> Iterator[Nets]:
    """Networks after each step of plain descent on the method's loss: w - size * gradient, per tile and tensor."""
    draw = Draw(problem.seeds)
    inputs = method.prepare(problem, draw)
    for step in range(inner.steps):
        loss = method.loss(nets, inputs, problem, draw, step).sum()
        moved = [nets.weights[name] for name in sizes]
        gradients = torch.autograd.grad(loss, moved, create_graph=not inner.first_order, allow_unused=True)
        steps = {name: each for name, each in zip(sizes, gradients, strict=True) if each is not None}
        weights = {
            name: value - sizes[name] * steps[name] if name in steps else value for name, value in nets.weights.items()
        }
        nets = replace(nets, weights=weights)
        yield nets
