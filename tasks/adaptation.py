"""Fits from a learned start: each is guarded, and several are the rungs of a ladder for a start in doubt."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from il_models.acceptance import is_better
from il_models.fitting import Fit, FitRecord, Status, Stopper, fit
from il_models.from_start import FromStart
from il_models.method import Direct, Fitted, Method
from il_models.nets import Nets
from il_models.problem import Problem
from il_models.risk import sure
from tasks.errors import InputError
from tasks.quality import control_of, estimate_of
from tasks.registry.artifact import LearnedStart
from tasks.registry.networks import network_of

START = "start"  # the rung of weights that are as they were learned
LEARNED = 2**19  # pixels of a whole input that its networks adapt to: twice what the default's rungs see of it
JUDGED = 2**16  # pixels of a whole input on which its networks are judged
DOUBTED = 2**15  # on which the start is held against the control: enough to tell a few hundredths of the noise variance


def begun_at(start: LearnedStart, method: Fitted, problem: Problem) -> Nets:
    """The networks of a start, one copy per tile.

    Raises:
        InputError: the start is for another number of channels.
    """
    if start.card.channels not in ("any", problem.channels):
        raise InputError(
            f"The start '{start.card.name}' is for {start.card.channels} channels, and these tiles have "
            f"{problem.channels}; set channels: separate, give another start, or leave `start` out."
        )
    structure = Nets(network_of(start.card).to("meta"), {})
    nets = structure.replaced(
        {name: weight.to(problem.y.device).expand(problem.b, *weight.shape) for name, weight in start.weights.items()}
    )
    return method.opened(nets, problem.seeds) if isinstance(method, FromStart) else nets


def fit_from(
    problem: Problem,
    method: Method,
    stopper: Stopper | None,
    begin: Nets,
    rung: str = START,
    witness: Problem | None = None,
    shown: Problem | None = None,
) -> Fit:
    """A fit from learned weights. A tile whose own are not surely better keeps these, and their result.

    Args:
        begin: b networks.
        rung: what these are, for the record.
        witness: b tiles on which they are judged; None: a part of the problem.
        shown: see `fit`.
    """
    done = fit(problem, method, stopper=stopper, start=begin, shown=shown)
    if done.nets is None or not isinstance(method, Fitted) or method.steps == 0:
        return replace(done, records=[replace(record, rung=rung) for record in done.records])
    if isinstance(method, FromStart) and method.judges_itself:
        return replace(done, records=[replace(record, rung=method.name) for record in done.records])
    as_it_was = replace(method, steps=0)
    ok = _accepted(witness or _part(problem), as_it_was, begin, done.nets) & _finite(done.records, problem)
    if bool(ok.all()):
        return replace(done, records=[replace(record, rung=method.name) for record in done.records])
    base = fit(shown or problem, as_it_was, start=begin)
    weights = {
        name: torch.where(ok.reshape(-1, *[1] * (weight.ndim - 1)), weight.detach(), begin.weights[name].detach())
        for name, weight in done.nets.weights.items()
    }
    records = [
        replace(record, rung=method.name) if good else _kept(record, method, rung)
        for record, good in zip(done.records, ok.tolist(), strict=True)
    ]
    x = torch.where(ok[:, None, None, None], done.x, base.x)
    return Fit(x, records, done.nets.replaced(weights), done.std, done.unseen)


def climb(
    problem: Problem,
    rungs: Sequence[FromStart],
    begin: Nets,
    controls: Sequence[Direct],
    witness: Problem | None = None,
) -> Fit:
    """Networks for one whole input: those that it begins with, or adapted by one rung after the other; x is of a part.

    Nothing is tried where the start is no worse than the control by estimated risk, for there adaptation gains
    hundredths of a decibel and takes as long as BM3D (benchmarks/results/starts.md); for a whole collection, which has
    a witness, it is done once, and always tried. Each rung begins at what the last one left, and must surely be better.

    Args:
        problem: of one tile, the mosaic of an input.
        begin: the start's network.
        controls: without any every rung is tried.
        witness: of one tile, on which start and rungs are judged; None: a part of the problem.
    """
    as_it_is = replace(rungs[0], steps=0)
    part, learned = (witness, problem) if witness else (_part(problem, DOUBTED), _part(problem, LEARNED))
    base = fit(part, as_it_is, start=begin)
    tried = witness is not None or not controls
    if not tried and bool((_risk(part, base, as_it_is) <= sure(part, control_of(part, controls))).all()):
        words = "the start as it is, no worse than the control"
        return replace(base, records=[replace(record, reason=words, rung=START) for record in base.records])
    done, rung = base, START
    for method in rungs:
        assert done.nets is not None
        done = fit_from(learned, method, None, method.opened(done.nets, problem.seeds), rung, witness, part)
        assert done.nets is not None
        done, rung = replace(done, nets=method.closed(done.nets)), done.records[0].rung or START
    return done


def _risk(problem: Problem, done: Fit, method: Fitted) -> Float[Tensor, " b"]:
    return sure(problem, estimate_of(problem, done, method))


def _accepted(problem: Problem, method: Fitted, begin: Nets, adapted: Nets) -> Bool[Tensor, " b"]:
    sides = [(nets, fit(problem, method, start=nets)) for nets in (begin, adapted)]
    base, other = ((nets, estimate_of(problem, done, method)) for nets, done in sides)
    return is_better(problem, method, base, other)


def _part(problem: Problem, pixels: int = JUDGED) -> Problem:
    """The problem, or rows from the middle of one that is large: enough to tell a tenth of a decibel."""
    height, width = problem.y.shape[-2:]
    rows = max(64, pixels // width // 64 * 64)
    if height <= rows:
        return problem
    top = (height - rows) // 2 // 8 * 8
    part = slice(top, top + rows)
    return replace(problem, y=problem.y[..., part, :], mask=problem.mask[..., part, :])


def _finite(records: list[FitRecord], problem: Problem) -> Bool[Tensor, " b"]:
    bad = (Status.DIVERGED, Status.OUT_OF_MEMORY)
    return torch.tensor([record.status not in bad for record in records], device=problem.y.device)


def _kept(record: FitRecord, method: Method, rung: str) -> FitRecord:
    words = f"{method.name} is not surely better than what it began from, which is kept"
    return replace(record, status=Status.DIRECT, reason=words, best_step=0, rung=rung)
