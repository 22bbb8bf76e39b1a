"""The one loop. It owns what no method may forget: seeds, optimiser, bad numbers, best-so-far, retirement, records."""

import time
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from il_models.fitting.batch import Running
from il_models.fitting.record import CURVE_POINTS, FitRecord, Status, thinned
from il_models.fitting.stoppers import Budget
from il_models.fitting.withholding import withheld
from il_models.method import Direct, Fitted, Method
from il_models.nets import Nets
from il_models.problem import Problem
from il_models.stopper import Stopper


@dataclass(frozen=True)
class Fit:
    """b restored tiles.

    x: in the units of problem.y. nets: of the last step, None without a fit. std: standard deviation of x per pixel,
    where the method knows one. unseen: measured pixels that were withheld from the fit, None if none were.
    """

    x: Float[Tensor, "b c *s"]
    records: list[FitRecord]
    nets: Nets | None = None
    std: Float[Tensor, "b c *s"] | None = None
    unseen: Bool[Tensor, "b 1 *m"] | None = None


def fit(
    problem: Problem,
    method: Method,
    *,
    stopper: Stopper | None = None,
    start: Nets | None = None,
    shown: Problem | None = None,
) -> Fit:
    """Restore b tiles together, each by its own network.

    Args:
        problem: b tiles on one device.
        method: what to fit. Its `steps` bound the fit; steps = 0 with a start is plain inference.
        stopper: ends tiles earlier, without ground truth; None: the method's own, if it has one.
        start: b networks to begin from; without it random ones, each from its tile's seed.
        shown: b tiles in place of which x is returned, for networks that learn from crops of something large whose own
            image nobody wants; then there is no std.

    A tile whose numbers are not finite, or that does not fit into memory even alone, gets A+ y and a status that says
    so. A batch that does not fit into memory is halved, and its records count the halvings.

    Raises:
        ValueError: the method's loss is not one number per tile, the stopper cannot judge this method, or another image
            is to be shown where images are watched along the fit.
    """
    if stopper is not None:
        require_judge(stopper, method)
    if shown is not None and _watches_images(method, stopper):
        raise ValueError(
            f"{method.name} keeps the best or the average of the images along its fit, so that no other can be shown; "
            "leave `shown` out."
        )
    try:
        if isinstance(method, Fitted):
            return _fitted(problem, method, stopper, start, shown)
        if isinstance(method, Direct):
            return _direct(problem, method)
    except RuntimeError as error:
        if not _is_out_of_memory(error):
            raise
    else:
        raise TypeError(f"{type(method).__name__} is neither a Direct nor a Fitted method.")
    return _halved(problem, method, stopper, start, shown)


def _direct(problem: Problem, method: Direct) -> Fit:
    began = time.perf_counter()
    estimate = method.estimate(problem)
    x, finite = _or_fallback(
        estimate, problem.fallback(), torch.ones(problem.b, dtype=torch.bool, device=estimate.device)
    )
    seconds = (time.perf_counter() - began) / problem.b
    words = {True: (Status.DIRECT, "no fit"), False: (Status.DIVERGED, "the estimate is not finite; A+ y was kept")}
    return Fit(x, [FitRecord(*words[ok], 0, 0, (), seconds) for ok in finite.tolist()])


def _fitted(
    problem: Problem, method: Fitted, stopper: Stopper | None, start: Nets | None, shown: Problem | None
) -> Fit:
    stopper = stopper or method.stopper or Budget(max(1, method.steps))
    running = replace(Running.begin(problem, method, stopper, start), shown=shown)
    kept = _Kept.blank(shown or problem, running, withheld(method, stopper) > 0)
    stride = max(1, -(-method.steps // (CURVE_POINTS - 1)))
    for step in range(1, method.steps + 1):
        loss = running.advance(method, step)
        last = step == method.steps
        if step == 1 or last or step % stride == 0:
            running.note(step, loss)
        due = method.average is not None and method.average.is_due(step)
        if not last and not due and step % stopper.every and step % stride:
            continue
        stop = running.judge(method, stopper, step, loss)
        ending = torch.ones_like(stop, dtype=torch.bool) if last else stop != 0
        if bool(ending.any()):
            kept.settle(running.take(ending), method, stopper, step, stop[ending])
            if bool(ending.all()):
                break
            running = running.take(~ending)
    if method.steps == 0:
        kept.settle(running, method, stopper, 0, torch.zeros_like(running.tiles))
    return kept.fit(running.nets)


@dataclass
class _Kept:
    """What is kept of the tiles that have ended, in their places of the whole batch."""

    x: Tensor
    weights: dict[str, Tensor]
    records: list[FitRecord | None]
    unseen: Tensor | None
    std: Tensor | None = None

    @staticmethod
    def blank(problem: Problem, running: Running, has_unseen: bool) -> "_Kept":
        """Nothing yet: A+ y and no records."""
        weights = {name: torch.empty_like(value) for name, value in running.nets.weights.items()}
        return _Kept(problem.fallback().clone(), weights, [None] * problem.b, running.unseen if has_unseen else None)

    def settle(self, ended: Running, method: Fitted, stopper: Stopper, step: int, stop: Tensor) -> None:
        """Keep the ended tiles' estimates, weights and records."""
        estimate, finite = _or_fallback(ended.best_estimate(method), self.x[ended.tiles], stop >= 0)
        self.x[ended.tiles] = estimate
        for name, value in ended.settled.weights.items():
            self.weights[name][ended.tiles] = value.detach()
        if (spread := ended.spread(method)) is not None:
            self.std = torch.full_like(self.x, torch.nan) if self.std is None else self.std
            self.std[ended.tiles] = spread
        best, seconds = ended.best_step.tolist(), ended.seconds + ended.since_looked_at()
        for row, (tile, ok, why) in enumerate(zip(ended.tiles.tolist(), finite.tolist(), stop.tolist(), strict=True)):
            words = _words(ok, why, stopper, step)
            self.records[tile] = FitRecord(*words, step, int(best[row]), thinned(ended.curve(row)), seconds)

    def fit(self, nets: Nets) -> Fit:
        """All tiles together."""
        records = [record for record in self.records if record]
        return Fit(self.x, records, nets.replaced(self.weights), self.std, self.unseen)


def _words(ok: bool, why: int, stopper: Stopper, step: int) -> tuple[Status, str]:
    if not ok:
        return Status.DIVERGED, f"a number was not finite at step {step}; A+ y was kept"
    if step == 0:
        return Status.DIRECT, "inference from a start"
    reason = stopper.reasons[why - 1] if why > 0 else "budget"
    return (Status.BUDGET if reason == "budget" else Status.STOPPED), reason


def _or_fallback(x: Tensor, fallback: Tensor, converged: Tensor) -> tuple[Tensor, Tensor]:
    """x where its fit and its numbers are finite, otherwise A+ y; and which tiles these are."""
    finite = x.isfinite().flatten(1).all(1) & converged
    shape = (-1, *[1] * (x.ndim - 1))
    return torch.where(finite.reshape(shape), x, fallback), finite


def _is_out_of_memory(error: RuntimeError) -> bool:
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def _halved(
    problem: Problem, method: Method, stopper: Stopper | None, start: Nets | None, shown: Problem | None
) -> Fit:
    if problem.b == 1:
        record = FitRecord(Status.OUT_OF_MEMORY, "one tile alone needs more memory than there is", 0, 0, (), 0.0)
        return Fit((shown or problem).fallback(), [record], start)
    fits = [
        fit(problem.take(i), method, stopper=stopper, start=start and start.take(i), shown=shown and shown.take(i))
        for i in torch.arange(problem.b).chunk(2)
    ]
    records = [replace(record, splits=record.splits + 1) for half in fits for record in half.records]
    nets = [half.nets for half in fits if half.nets is not None]
    return Fit(
        torch.cat([half.x for half in fits]),
        records,
        Nets.joined(nets) if len(nets) == len(fits) else None,
        _joined([half.std for half in fits]),
        _joined([half.unseen for half in fits]),
    )


def _joined(halves: list[Tensor | None]) -> Tensor | None:
    found = [half for half in halves if half is not None]
    return torch.cat(found) if len(found) == len(halves) else None


def _watches_images(method: Method, stopper: Stopper | None) -> bool:
    if not isinstance(method, Fitted):
        return True
    judge = stopper or method.stopper
    return method.average is not None or (judge is not None and judge.watches_estimate)


def require_judge(stopper: Stopper, method: Method) -> None:
    """Refuse a stopper that cannot judge the method.

    Raises:
        ValueError: it probes the measurement, and the method's networks do not read that.
    """
    if isinstance(method, Fitted) and stopper.needs_measurement and not method.reads_measurement:
        raise ValueError(
            f"{type(stopper).__name__} cannot stop {method.name}: its networks do not read the measurement, so that "
            "nothing answers to a probe. Use a variance minimum, held-out pixels or the discrepancy."
        )
