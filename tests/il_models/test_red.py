"""Regularisation by denoising: what it reaches, and that it comes to rest."""

import torch
from contracts.method import learned
from contracts.toys import blurred

from il_models.fitting import fit
from il_models.methods.red import RegularisationByDenoising
from il_models.methods.wiener import Wiener
from il_models.metrics import mse


def test_it_is_better_than_the_classical_control() -> None:
    clean, problem = blurred(2, side=44)
    within = torch.ones_like(clean[:, :1], dtype=torch.bool)
    control = mse(fit(problem, Wiener()).x, clean, within)
    red = RegularisationByDenoising()
    assert bool((mse(fit(problem, red, start=learned(red, problem)).x, clean, within) < control).all())


def test_it_comes_to_rest() -> None:
    """But for what the denoiser sees differently from turn to turn."""
    _, problem = blurred(1, side=36)
    red = RegularisationByDenoising()
    start = learned(red, problem)
    at = [fit(problem, RegularisationByDenoising(iterations=count), start=start).x for count in (2, 3, 40, 41)]
    first, last = ((at[i + 1] - at[i]).square().mean().sqrt() for i in (0, 2))
    assert float(last) < 0.5 * float(first)


def test_it_agrees_with_the_measurement() -> None:
    _, problem = blurred(2, side=44)
    red = RegularisationByDenoising()
    x = fit(problem, red, start=learned(red, problem)).x
    assert bool((mse(problem.A(x), problem.y, problem.mask).sqrt() < 1.2 * 0.02).all())
