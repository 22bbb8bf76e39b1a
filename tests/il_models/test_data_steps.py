"""Data steps: each does what it is named for, over the measured pixels only, for every degradation alike."""

from dataclasses import replace

import pytest
import torch
from contracts.toys import blurred, toy
from torch import Tensor

from il_models.data_steps import back_projected, descended, noise_level, passed, prox, weights
from il_models.degradations import Mask
from il_models.metrics import mean
from il_models.noise import Noise
from il_models.problem import Problem


def with_gap(problem: Problem) -> Problem:
    """The problem with a corner that was not measured, and nonsense there."""
    mask = problem.mask.clone()
    mask[..., :5, :7] = False
    return replace(problem, mask=mask, y=torch.where(mask, problem.y, torch.full_like(problem.y, 50.0)))


def misfits(problem: Problem, x: Tensor) -> Tensor:
    """Weighted sum of squares of the data term."""
    return (weights(problem) * (problem.A(x) - problem.y) ** 2).flatten(1).sum(1)


@pytest.fixture(params=["denoising", "deblurring"])
def problem(request: pytest.FixtureRequest) -> Problem:
    return with_gap(toy(2)[1] if request.param == "denoising" else blurred(2)[1])


def test_prox_is_where_the_gradient_is_nothing(problem: Problem) -> None:
    weight, z, alpha = weights(problem), problem.fallback(), torch.tensor([0.1, 2.0]).reshape(2, 1, 1, 1)
    x = prox(problem, weight, z, alpha)
    gradient = problem.A.adjoint(weight * (problem.A(x) - problem.y)) + alpha * (x - z)
    assert float(gradient.abs().max()) < 1e-2
    assert bool((misfits(problem, x) <= misfits(problem, z)).all())


def test_a_heavy_prox_stays_and_a_light_one_agrees_with_the_measurement(problem: Problem) -> None:
    weight, z = weights(problem), problem.fallback() + 0.1
    heavy, light = (prox(problem, weight, z, torch.full((2, 1, 1, 1), alpha)) for alpha in (1e6, 1e-4))
    assert torch.allclose(heavy, z, atol=1e-3)
    assert bool((misfits(problem, light) < 0.01 * misfits(problem, z)).all())


def test_back_projection_agrees_with_the_measurement_and_moves_no_farther_than_it_must(problem: Problem) -> None:
    z = problem.fallback() + 0.1
    x = back_projected(problem, z, torch.full((2, 1, 1, 1), 1e-3))
    assert bool((misfits(problem, x) < 0.05 * misfits(problem, z)).all())
    other = prox(problem, weights(problem), problem.fallback(), torch.full((2, 1, 1, 1), 1e-4))
    assert bool(((x - z).flatten(1).norm(dim=1) <= (other - z).flatten(1).norm(dim=1)).all())


def test_a_step_down_goes_down(problem: Problem) -> None:
    z = problem.fallback() + 0.1
    assert bool((misfits(problem, descended(problem, weights(problem), z, 0.3)) < misfits(problem, z)).all())


def test_what_was_not_measured_takes_no_part(problem: Problem) -> None:
    other = replace(problem, y=torch.where(problem.mask, problem.y, torch.full_like(problem.y, -9.0)))
    z, damp = torch.zeros_like(problem.fallback()), torch.full((2, 1, 1, 1), 0.1)
    for one, two in ((back_projected(each, z, damp), prox(each, each.mask.float(), z, damp)) for each in (problem,)):
        assert torch.allclose(one, back_projected(other, z, damp), atol=1e-4)
        assert torch.allclose(two, prox(other, problem.mask.float(), z, damp), atol=1e-4)


def test_bright_pixels_of_photon_noise_count_less() -> None:
    _, problem = toy(2)
    photons = Noise(torch.full((2, 1), 0.01), torch.zeros(2, 1), torch.zeros(2, 2))
    y = torch.cat([torch.full((2, 1, 32, 16), 0.1), torch.full((2, 1, 32, 16), 0.9)], -1)
    weighed = weights(replace(problem, y=y, noise=photons))
    assert float(weighed[0, 0, 16, 2] / weighed[0, 0, 16, 30]) == pytest.approx(9, rel=0.01)
    assert torch.allclose(noise_level(problem).flatten(), torch.full((2,), 0.1))
    assert torch.allclose(mean(weights(problem), problem.mask), torch.ones(2))


def test_what_passes_of_white_noise() -> None:
    """All of it where pixels are only picked out; the sum of the squares of a kernel."""
    masked = with_gap(toy(2)[1])
    for problem in (masked, replace(masked, A=Mask(masked.mask))):
        assert torch.equal(passed(problem), torch.ones(2, 1))
    problem = blurred(2, side=65)[1]
    middle = torch.zeros_like(problem.y)
    middle[..., 32, 32] = 1
    assert torch.allclose(passed(problem), problem.A.adjoint(middle).square().sum((2, 3)), rtol=0.15)
