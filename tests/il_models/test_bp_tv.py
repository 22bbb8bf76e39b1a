"""Back-projection and total variation: what it reaches, and what its parts solve."""

from dataclasses import replace

import pytest
import torch
from contracts.toys import blurred

from il_models.fitting import fit
from il_models.methods.bp_tv import BackProjectionTotalVariation, _gradient, _gradient_adjoint, _smoothed
from il_models.methods.wiener import Wiener
from il_models.metrics import mean, mse


def test_it_is_better_than_wieners_filter_where_there_are_edges() -> None:
    clean, problem = blurred(2, side=44)
    within = torch.ones_like(clean[:, :1], dtype=torch.bool)
    control = mse(fit(problem, Wiener()).x, clean, within)
    assert bool((mse(fit(problem, BackProjectionTotalVariation()).x, clean, within) < 0.9 * control).all())


def test_flux_is_kept() -> None:
    clean, problem = blurred(2, side=60)
    inner = torch.zeros_like(clean[:, :1], dtype=torch.bool)
    inner[..., 5:-5, 5:-5] = True
    x = fit(problem, BackProjectionTotalVariation()).x
    assert torch.allclose(mean(x, inner), mean(problem.y, problem.mask), rtol=5e-3)


def test_what_was_not_measured_takes_no_part() -> None:
    _, problem = blurred(1, side=40)
    mask = problem.mask.clone()
    mask[..., 3:9, 5:8] = False
    one, other = (
        fit(replace(problem, mask=mask, y=torch.where(mask, problem.y, torch.full_like(problem.y, fill))), method).x
        for fill in (0.5, 0.6)
        for method in (BackProjectionTotalVariation(),)
    )
    apart = (one - other).abs()  # where nothing was measured the image begins with what stands there, and forgets it
    assert float(apart.max()) < 0.05
    assert float(apart[..., 20:, :].max()) < 0.005


def test_the_steps_and_their_adjoint_belong_together() -> None:
    make = torch.Generator().manual_seed(0)
    x, p = torch.randn(2, 1, 9, 7, generator=make), torch.randn(2, 2, 1, 9, 7, generator=make)
    assert float((_gradient(x) * p).sum()) == pytest.approx(float((x * _gradient_adjoint(p)).sum()), rel=1e-4)


def test_total_variation_takes_a_step_down_by_what_its_width_allows() -> None:
    """An edge between two halves: each half moves by strength / width towards the other, and stays flat."""
    z = torch.cat([torch.zeros(1, 1, 16, 8), torch.ones(1, 1, 16, 8)], -1).double()
    dual = torch.zeros(2, *z.shape, dtype=z.dtype)
    for _ in range(60):
        x, dual = _smoothed(z, torch.full((1, 1, 1, 1), 0.8, dtype=z.dtype), dual)
    expected = torch.where(z > 0.5, 1 - 0.1, 0.1).to(z)
    assert torch.allclose(x, expected, atol=1e-3)
