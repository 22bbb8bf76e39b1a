"""The one loop. It owns what no method may forget: seeds, optimiser, bad numbers, best-so-far, retirement, records."""

import time
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from il_models.fitting.batch import Running
from il_models.fitting.record import CURVE_POINTS, FitRecord, Status, thinned
from il_models.fitting.stoppers import Budget, Stopper
from il_models.method import Direct, Fitted, Method
from il_models.nets import Nets
from il_models.problem import Problem


@dataclass(frozen=True)
class Fit:
    """b restored tiles. x is in the units of problem.y; nets are those of the last step, None without a fit."""

    x: Float[Tensor, "b c *s"]
    records: list[FitRecord]
    nets: Nets | None = None


def fit(problem: Problem, method: Method, *, stopper: Stopper | None = None, start: Nets | None = None) -> Fit:
    """Restore b tiles together, each by its own network.

    Args:
        problem: b tiles on one device.
        method: what to fit. Its `steps` bound the fit; steps = 0 with a start is plain inference.
        stopper: ends tiles earlier, without ground truth.
        start: b networks to begin from; without it random ones, each from its tile's seed.

    A tile whose numbers are not finite, or that does not fit into memory even alone, gets A+ y and a status that says
    so. A batch that does not fit into memory is halved, and its records count the halvings.

    Raises:
        ValueError: the method's loss is not one number per tile.
    """
    try:
        if isinstance(method, Fitted):
            return _fitted(problem, method, stopper, start)
        if isinstance(method, Direct):
            return _direct(problem, method)
    except RuntimeError as error:
        if not _is_out_of_memory(error):
            raise
    else:
        raise TypeError(f"{type(method).__name__} is neither a Direct nor a Fitted method.")
    return _halved(problem, method, stopper, start)


def _direct(problem: Problem, method: Direct) -> Fit:
    began = time.perf_counter()
    estimate = method.estimate(problem)
    x, finite = _or_fallback(estimate, problem, torch.ones(problem.b, dtype=torch.bool, device=estimate.device))
    seconds = (time.perf_counter() - began) / problem.b
    words = {True: (Status.DIRECT, "no fit"), False: (Status.DIVERGED, "the estimate is not finite; A+ y was kept")}
    return Fit(x, [FitRecord(*words[ok], 0, 0, (), seconds) for ok in finite.tolist()])


def _fitted(problem: Problem, method: Fitted, stopper: Stopper | None, start: Nets | None) -> Fit:
    stopper = stopper or Budget(max(1, method.steps))
    running = Running.begin(problem, method, stopper, start)
    x = problem.fallback().clone()
    records: list[FitRecord | None] = [None] * problem.b
    final = {name: torch.empty_like(value) for name, value in running.nets.weights.items()}
    stride = max(1, -(-method.steps // (CURVE_POINTS - 1)))
    for step in range(1, method.steps + 1):
        loss = running.advance(method, step)
        last = step == method.steps
        if step == 1 or last or step % stride == 0:
            running.note(step, loss)
        if not last and step % stopper.every and step % stride:
            continue
        stop = running.judge(method, stopper, step, loss)
        ending = torch.ones_like(stop, dtype=torch.bool) if last else stop != 0
        if bool(ending.any()):
            _settle(running.take(ending), method, stopper, step, stop[ending], x, records, final)
            if bool(ending.all()):
                break
            running = running.take(~ending)
    if method.steps == 0:
        _settle(running, method, stopper, 0, torch.zeros_like(running.tiles), x, records, final)
    return Fit(x, [record for record in records if record], running.nets.replaced(final))


def _settle(
    ended: Running,
    method: Fitted,
    stopper: Stopper,
    step: int,
    stop: Tensor,
    x: Tensor,
    records: list[FitRecord | None],
    final: dict[str, Tensor],
) -> None:
    """Write the ended tiles' estimates, weights and records into the places of the whole batch."""
    estimate, finite = _or_fallback(ended.best_estimate(method), ended.problem, stop >= 0)
    x[ended.tiles] = estimate
    for name, value in ended.nets.weights.items():
        final[name][ended.tiles] = value.detach()
    best = ended.best_step.tolist()
    for row, (tile, ok, why) in enumerate(zip(ended.tiles.tolist(), finite.tolist(), stop.tolist(), strict=True)):
        words = _words(ok, why, stopper, step)
        records[tile] = FitRecord(*words, step, int(best[row]), thinned(ended.curve(row)), ended.seconds)


def _words(ok: bool, why: int, stopper: Stopper, step: int) -> tuple[Status, str]:
    if not ok:
        return Status.DIVERGED, f"a number was not finite at step {step}; A+ y was kept"
    if step == 0:
        return Status.DIRECT, "inference from a start"
    reason = stopper.reasons[why - 1] if why > 0 else "budget"
    return (Status.BUDGET if reason == "budget" else Status.STOPPED), reason


def _or_fallback(x: Tensor, problem: Problem, converged: Tensor) -> tuple[Tensor, Tensor]:
    """x where its fit and its numbers are finite, otherwise A+ y; and which tiles these are."""
    finite = x.isfinite().flatten(1).all(1) & converged
    shape = (-1, *[1] * (x.ndim - 1))
    return torch.where(finite.reshape(shape), x, problem.fallback()), finite


def _is_out_of_memory(error: RuntimeError) -> bool:
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def _halved(problem: Problem, method: Method, stopper: Stopper | None, start: Nets | None) -> Fit:
    if problem.b == 1:
        record = FitRecord(Status.OUT_OF_MEMORY, "one tile alone needs more memory than there is", 0, 0, (), 0.0)
        return Fit(problem.fallback(), [record], start)
    halves = torch.arange(problem.b).chunk(2)
    fits = [fit(problem.take(i), method, stopper=stopper, start=start and start.take(i)) for i in halves]
    records = [replace(record, splits=record.splits + 1) for half in fits for record in half.records]
    nets = [half.nets for half in fits if half.nets is not None]
    return Fit(torch.cat([half.x for half in fits]), records, Nets.joined(nets) if len(nets) == len(fits) else None)
