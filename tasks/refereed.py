"""Fits from a learned start whose referee is a fit from scratch: it takes over where the start does not suit a tile."""

from dataclasses import replace

import torch
from jaxtyping import Bool
from torch import Tensor

from il_models.fitting import Fit, FitRecord, Status, Stopper, fit
from il_models.meta.descent import descending
from il_models.meta.enlarging import Shrinking
from il_models.method import Fitted, Method
from il_models.nets import Nets
from il_models.problem import Problem
from il_models.sons import errors_of, kept_apart
from tasks.adaptation import fit_from
from tasks.registry.artifact import LearnedStart
from tasks.registry.card import Card

SCRATCH = "scratch"  # the rung of tiles that did without the start
NO_WORSE = 1.02  # times the error that the start had before it was adapted


def fit_started(
    problem: Problem,
    method: Method,
    stopper: Stopper | None,
    begin: Nets,
    start: LearnedStart,
    witness: Problem | None = None,
) -> Fit:
    """A fit from learned weights, guarded as its method wants it.

    Where a method can do without a start, its tiles are judged one scale lower, at pixels that the adaptation was not
    told of, and before that by their kernel: what the start has not seen, or what made it worse than it was, or no
    better than interpolation, is fitted from scratch. All others: see `fit_from`.

    Args:
        begin: b networks, the start's or what came of it.
        witness: see `fit_from`.
    """
    scratch = method.from_scratch() if isinstance(method, Fitted) else None
    if scratch is None or not isinstance(method, Fitted) or method.steps == 0:
        return fit_from(problem, method, stopper, begin, witness=witness)
    learned, kept = kept_apart(problem)
    done = fit(learned, going_on(start.card, method), stopper=stopper, start=begin)
    assert done.nets is not None
    reasons = _reasons(problem, method, (begin, done.nets), kept, start.card)
    records = [
        _failed(record) or reason or replace(record, rung=method.name)
        for record, reason in zip(done.records, reasons, strict=True)
    ]
    suited = [place for place, record in enumerate(records) if isinstance(record, FitRecord)]
    others = [place for place, record in enumerate(records) if isinstance(record, str)]
    x = done.x.clone()
    weights = {name: value.detach().clone() for name, value in done.nets.weights.items()}
    if suited:  # with the pixels that were kept apart
        index = torch.tensor(suited, device=x.device)
        x[index] = fit(problem.take(index), replace(method, steps=0), start=done.nets.take(index)).x
    if others:
        index = torch.tensor(others, device=x.device)
        other = fit(problem.take(index), scratch, stopper=stopper)
        assert other.nets is not None
        x[index] = other.x
        for name, value in other.nets.weights.items():
            weights[name][index] = value.detach()
        for place, record in zip(others, other.records, strict=True):
            words = f"{records[place]}, fitted from scratch; {record.reason}"
            records[place] = replace(record, reason=words, rung=SCRATCH)
    return Fit(x, [each for each in records if isinstance(each, FitRecord)], done.nets.replaced(weights))


def going_on(card: Card, method: Fitted) -> Fitted:
    """The method by the step sizes that its start has learned, where it has some."""
    sizes = (card.adaptation or {}).get("sizes")
    if not isinstance(sizes, dict):
        return method
    return descending(method, tuple(sizes[name] for name in sorted(sizes)), method.steps)


def has_seen(card: Card, problem: Problem) -> Bool[Tensor, " b"]:
    """Which tiles' kernels are of those that a start has learned to undo, as its card tells."""
    spread = card.spread
    shrinking = Shrinking(int(spread["factor"]), spread["narrowest"], spread["widest"])
    return shrinking.covers(problem.A, problem.b).to(problem.y.device)


def _reasons(
    problem: Problem, method: Fitted, nets: tuple[Nets, Nets], kept: Bool[Tensor, "b 1 h w"], card: Card
) -> list[str]:
    """Why the start does not suit a tile; empty where it does."""
    alone = method.on_input()  # without what is done to the image afterwards, which would help any weights
    before, after = (errors_of(problem, alone, each, kept) for each in nets)
    plain = errors_of(problem, alone, None, kept)
    rows = zip(has_seen(card, problem).tolist(), before.tolist(), after.tolist(), plain.tolist(), strict=True)
    return [_reason(card.name, *row) for row in rows]


def _reason(name: str, seen: bool, before: float, after: float, plain: float) -> str:
    if not seen:
        return f"the start {name} has not learned to undo this kernel"
    if not after < plain:
        return f"the start {name} is no better than interpolation one scale lower ({after:.4g} to {plain:.4g})"
    if after > NO_WORSE * before:
        return f"the start {name} got worse one scale lower ({before:.4g} to {after:.4g})"
    return ""


def _failed(record: FitRecord) -> str:
    return record.reason.partition(";")[0] if record.status in (Status.DIVERGED, Status.OUT_OF_MEMORY) else ""
