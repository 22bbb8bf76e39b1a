"""LIDIA: a start that adapts to its own result wins where a tile repeats itself, and nothing elsewhere."""

from dataclasses import replace

import pytest
import torch
from contracts.started import start_of
from contracts.toys import SIGMA, toy
from torch import Tensor

from benchmarks.starts import lattice
from il_models.draw import Draw
from il_models.fitting import fit
from il_models.methods.lidia import InternalAdaptation
from il_models.methods.pretrained import Pretrained
from il_models.metrics import psnr
from il_models.problem import Problem
from tasks.adaptation import fit_from


def noisy(clean: Tensor) -> Problem:
    _, problem = toy(1, side=clean.shape[-1])
    return replace(problem, y=clean + SIGMA * Draw(problem.seeds + 3).normal(1, *clean.shape[-2:]))


def test_a_lattice_gains_a_decibel() -> None:
    clean = lattice(96)[None]  # nothing like it was among what the start was learned from
    problem, method = noisy(clean), InternalAdaptation(steps=30, rate=3e-4)
    start = start_of(problem)
    done = fit_from(problem, method, None, start)
    before = psnr(fit(problem, Pretrained(), start=start).x, clean, 1.0, problem.mask)
    assert done.records[0].rung == "lidia"
    assert float(psnr(done.x, clean, 1.0, problem.mask) - before) > 0.8


def test_a_scene_that_the_start_knows_keeps_it() -> None:
    _, problem = toy(1, side=64)
    start = start_of(problem)
    done = fit_from(problem, InternalAdaptation(steps=10), None, start)
    assert done.records[0].rung == "start"
    assert torch.equal(done.x, fit(problem, Pretrained(), start=start).x)


def test_a_first_pass_made_anew_is_another_lesson() -> None:
    _, problem = toy(1, side=64)
    start = start_of(problem)
    once, anew = (fit(problem, InternalAdaptation(steps=4, renew=renew), start=start) for renew in (0, 2))
    assert once.nets is not None
    assert anew.nets is not None
    moved = [name for name in start.weights if not torch.equal(once.nets.weights[name], anew.nets.weights[name])]
    assert moved
    assert "level" not in moved


def test_a_pass_that_is_never_made_is_refused() -> None:
    with pytest.raises(ValueError, match="renew = -1 steps: it must be 1 or more, or 0 for one first pass alone"):
        InternalAdaptation(renew=-1)
