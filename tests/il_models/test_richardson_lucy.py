"""Richardson-Lucy and Wiener: what the classical controls promise beyond the contract."""

from dataclasses import replace

import pytest
import torch
from contracts.toys import blurred, toy

from il_models.fitting import fit
from il_models.methods.richardson_lucy import RichardsonLucy
from il_models.methods.wiener import Wiener
from il_models.metrics import mean, mse
from il_models.noise import Noise


def test_it_ends_where_the_residual_is_the_noise() -> None:
    _, problem = blurred(2, side=40)
    x = fit(problem, RichardsonLucy()).x
    residual = mean((problem.A(x) - problem.y) ** 2, problem.mask).sqrt()
    assert torch.allclose(residual, torch.full((2,), 0.02), rtol=0.1)


def test_what_was_not_measured_takes_no_part() -> None:
    _, problem = blurred(2, side=40)
    mask = problem.mask.clone()
    mask[..., 3:9, 5:8] = False
    one, other = (
        fit(replace(problem, mask=mask, y=torch.where(mask, problem.y, torch.full_like(problem.y, fill))), kind).x
        for kind in (RichardsonLucy(),)
        for fill in (0.5, 0.6)
    )
    assert torch.allclose(one, other, atol=0.02)


def test_photons_count_from_where_there_is_no_light() -> None:
    """An offset of the camera is no light, and comes back."""
    _, problem = blurred(1, side=30)
    photons = Noise(torch.full((1, 1), 0.01), torch.full((1, 1), 0.01), torch.zeros(1, 2))  # no light at y = -1
    dark = replace(problem, noise=photons, y=torch.full_like(problem.y, -1.0))
    assert torch.allclose(fit(dark, RichardsonLucy()).x, torch.full_like(dark.fallback(), -1.0), atol=1e-3)


def test_flux_is_kept() -> None:
    clean, problem = blurred(2, side=60)
    inner = torch.zeros_like(clean[:, :1], dtype=torch.bool)
    inner[..., 5:-5, 5:-5] = True
    for method in (RichardsonLucy(), Wiener()):
        x = fit(problem, method).x
        assert torch.allclose(mean(x, inner), mean(problem.y, problem.mask), rtol=5e-3)


def test_wiener_smooths_the_more_the_more_noise_there_is() -> None:
    clean, problem = toy(2, side=48)
    loud = replace(problem, noise=replace(problem.noise, variance=9 * problem.noise.variance))
    rough = [(fit(each, Wiener()).x.diff(dim=-1) ** 2).mean() for each in (problem, loud)]
    assert float(rough[1]) < float(rough[0])
    assert float(mse(fit(problem, Wiener()).x, clean, problem.mask).max()) < 0.4 * 0.1**2


@pytest.mark.parametrize("kind", [RichardsonLucy, Wiener])
def test_nothing_measured_stays_finite(kind: type[RichardsonLucy | Wiener]) -> None:
    _, problem = blurred(2)
    none = replace(problem, mask=torch.zeros_like(problem.mask))
    assert bool(fit(none, kind()).x.isfinite().all())
