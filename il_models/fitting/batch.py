"""The tiles of a batch that still run: everything of theirs that must leave together when one of them ends."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import torch
from jaxtyping import Bool
from torch import Tensor

from il_models.average import Moments, spread_of
from il_models.draw import Draw
from il_models.fitting.withholding import withheld, without
from il_models.method import Fitted
from il_models.nets import Nets, seeded_networks
from il_models.problem import Problem
from il_models.stopper import Look, State, Stopper, take

EARLY = 10  # a mean of weights holds at most about a tenth of the steps that lie behind it


@dataclass
class Running:
    """b tiles under way. A tile that ends is removed with `take`, not masked: Adam's momentum would still move it."""

    tiles: Tensor  # their places in the whole batch
    problem: Problem  # without the pixels that are withheld
    unseen: Bool[Tensor, "b 1 *s"]  # the measured pixels that are
    y: Tensor  # the measurement, also at these
    nets: Nets
    inputs: dict[str, Tensor]
    draw: Draw
    optimiser: torch.optim.Optimizer
    state: State
    best_step: Tensor
    mean: dict[str, Tensor] | None = None  # of the weights along the fit, where it makes the estimates
    shown: Problem | None = None  # whose image is wanted in the end, if not problem's
    best_x: Tensor | None = None
    moments: Moments = field(default_factory=dict)
    losses: list[tuple[int, Tensor]] = field(default_factory=list)
    seconds: float = 0.0  # of each tile: its share of the batch's time
    mark: float = field(default_factory=time.perf_counter)

    @staticmethod
    def begin(problem: Problem, method: Fitted, stopper: Stopper, start: Nets | None) -> "Running":
        """All tiles, before the first step."""
        device, draw = problem.y.device, Draw(problem.seeds)
        y = problem.y
        problem, unseen = without(problem, withheld(method, stopper))
        made = start or Nets.stacked(seeded_networks(lambda: method.network(problem), problem.seeds, device))
        nets = _tunable(made.replaced(made.weights), method)
        return Running(
            tiles=torch.arange(problem.b, device=device),
            problem=problem,
            unseen=unseen,
            y=y,
            nets=nets,
            inputs=method.prepare(problem, draw),
            draw=draw,
            optimiser=method.optimiser(_moved(nets)),
            state=stopper.start(problem),
            best_step=torch.zeros(problem.b, dtype=torch.int64, device=device),
            mean=_copied(nets.weights) if method.weight_average else None,
        )

    @property
    def settled(self) -> Nets:
        """The networks that make the estimates."""
        return self.nets if self.mean is None else self.nets.replaced(self.mean)

    def advance(self, method: Fitted, step: int) -> Tensor:
        """One update of every tile; its loss before the update, shape (b,)."""
        for group in self.optimiser.param_groups:
            group["lr"] = method.rate_at(step - 1)
        loss = method.loss(self.nets, self.inputs, self.problem, self.draw, step - 1)
        if loss.shape != (self.problem.b,):
            raise ValueError(
                f"{method.name}.loss returned shape {tuple(loss.shape)} for {self.problem.b} tiles; it must return one "
                "number per tile, or the tiles would be coupled."
            )
        self.optimiser.zero_grad(set_to_none=True)
        loss.sum().backward()
        self.optimiser.step()
        with torch.no_grad():
            method.after_step(self.nets, self.draw, step - 1)
            self._average(method, step)
            self.inputs = method.carried_on(self.nets, self.inputs, self.problem, self.draw, step - 1)
        return loss.detach()

    def note(self, step: int, loss: Tensor) -> None:
        """Remember a point of the loss curves, without waiting for the device."""
        self.losses.append((step, loss))

    def judge(self, method: Fitted, stopper: Stopper, step: int, loss: Tensor) -> Tensor:
        """Which tiles end now: 0 goes on, k is the stopper's reason k, -1 a loss that is not finite."""
        now = time.perf_counter()
        self.seconds += (now - self.mark) / self.problem.b
        self.mark = now
        stop = torch.zeros_like(loss, dtype=torch.int64)
        asked, averaged = step % stopper.every == 0, method.average is not None and method.average.is_due(step)
        x = self._estimate(method) if averaged or (asked and stopper.watches_estimate) else None
        if averaged and method.average is not None and x is not None:
            self.moments = method.average.add(self.moments, x)
        if asked:
            shown = x if stopper.watches_estimate else None
            look = Look(step, loss, self.problem, self.unseen, self.y, shown, self._probed(method))
            self.state, stop, best = stopper.update(self.state, look)
            self.best_step = torch.where(best, torch.full_like(self.best_step, step), self.best_step)
            if stopper.watches_estimate and x is not None:
                x = self.moments.get("mean", x)
                where = best.reshape(-1, *[1] * (x.ndim - 1))
                self.best_x = x if self.best_x is None else torch.where(where, x, self.best_x)
        if not stopper.watches_estimate:
            self.best_step = torch.full_like(self.best_step, step)
        return torch.where(loss.isfinite(), stop, torch.full_like(stop, -1))

    def since_looked_at(self) -> float:
        """Seconds of each tile, its share of the batch's, since it was last judged: those of its final estimate."""
        return (time.perf_counter() - self.mark) / self.problem.b

    def best_estimate(self, method: Fitted) -> Tensor:
        """The estimate of the best step where the stopper watched it, otherwise the average or that of the weights."""
        if self.shown is not None:
            return self._again(method, self.shown)
        if self.best_x is not None:
            return self.best_x
        return self.moments["mean"] if self.moments else self._estimate(method)

    def spread(self, method: Fitted) -> Tensor | None:
        """Standard deviation per pixel: of the averaged estimates, or what the method knows of its own."""
        if self.shown is not None:
            return None
        with torch.no_grad():
            own = method.spread(self.settled, self.inputs, self.problem, self.draw)
        return spread_of(self.moments) if own is None else own

    def curve(self, row: int) -> list[tuple[int, float]]:
        """The loss curve of one of the tiles."""
        return [(step, float(loss[row])) for step, loss in self.losses]

    def take(self, index: Tensor) -> "Running":
        """Some of the tiles, with the moments of their optimiser; index is a boolean mask."""
        nets = self.nets.take(index)
        for name, weight in nets.weights.items():
            weight.requires_grad_(self.nets.weights[name].requires_grad)
        return Running(
            tiles=self.tiles[index],
            problem=self.problem.take(index),
            unseen=self.unseen[index],
            y=self.y[index],
            nets=nets,
            inputs={name: value[index] for name, value in self.inputs.items()},
            draw=self.draw.take(index),
            optimiser=self._optimiser_of(_moved(nets), index),
            state=take(self.state, index),
            best_step=self.best_step[index],
            mean=None if self.mean is None else take(self.mean, index),
            shown=None if self.shown is None else self.shown.take(index),
            best_x=None if self.best_x is None else self.best_x[index],
            moments=take(self.moments, index),
            losses=[(step, loss[index]) for step, loss in self.losses],
            seconds=self.seconds,
            mark=self.mark,
        )

    def _estimate(self, method: Fitted) -> Tensor:
        with torch.no_grad():
            return method.estimate(self.settled, self.inputs, self.problem, self.draw)

    def _average(self, method: Fitted, step: int) -> None:
        """Moves the mean of the weights; at first it holds the last tenth of the steps."""
        if self.mean is not None:
            share = 1 - min(method.weight_average, step / (step + EARLY))
            torch._foreach_lerp_(list(self.mean.values()), [self.nets.weights[name] for name in self.mean], share)

    def _probed(self, method: Fitted) -> Callable[[Tensor], Tensor]:
        return lambda y: self._again(method, replace(self.problem, y=y))

    def _again(self, method: Fitted, problem: Problem) -> Tensor:
        draw = Draw(problem.seeds)
        with torch.no_grad():
            return method.estimate(self.settled, method.prepare(problem, draw), problem, draw)

    def _optimiser_of(self, leaves: list[Tensor], index: Tensor) -> torch.optim.Optimizer:
        group = self.optimiser.param_groups[0]
        make: Callable[..., torch.optim.Optimizer] = type(self.optimiser)
        fresh = make([{**group, "params": leaves}])
        for old, new in zip(group["params"], leaves, strict=True):
            moments = self.optimiser.state.get(old, {})
            fresh.state[new] = {
                name: value[index] if torch.is_tensor(value) and value.ndim and len(value) == len(index) else value
                for name, value in moments.items()
            }
        return fresh


def _tunable(nets: Nets, method: Fitted) -> Nets:
    """Networks of which only the weights that the method moves take gradients, which spares arithmetic."""
    for name, weight in nets.weights.items():
        weight.requires_grad_(method.is_tuned(name))
    return nets


def _copied(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: weight.detach().clone() for name, weight in weights.items()}


def _moved(nets: Nets) -> list[Tensor]:
    return [weight for weight in nets.weights.values() if weight.requires_grad]
