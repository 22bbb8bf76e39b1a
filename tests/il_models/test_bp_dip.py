"""DIP by back-projection: what its fidelity is, which way it points, what takes no part in it, and what it reaches."""

from dataclasses import replace

import pytest
import torch
from contracts.toys import blurred, shrunk

from il_models.data_steps import back_projected, noise_level, whitened
from il_models.degradations import Degradation, Downsample, Subsample, gaussian_psf
from il_models.fitting import Budget, fit
from il_models.method import Fitted
from il_models.methods.bp_dip import BackProjectionPrior
from il_models.methods.deep_red import DeepRed
from il_models.methods.dip import DeepImagePrior
from il_models.methods.gsure import ProjectedGsure
from il_models.methods.pnp_dip import PlugAndPlayDeepImagePrior
from il_models.metrics import mse
from il_models.problem import Problem

TINY = BackProjectionPrior(widths=(8, 8), code=4, jitter=0.0, withheld=0.0)


def whole(problem: Problem) -> torch.Tensor:
    return problem.A.guess(problem.y)


@pytest.mark.parametrize("make", [blurred, lambda: shrunk(side=12, A=Downsample(2, "average"))])
def test_the_fidelity_is_the_square_of_what_is_projected_back(make: object) -> None:
    """|A+ r|^2, as far as the damping lets it: between the square of the damped A+ r and its undamped one."""
    _, problem = make()  # type: ignore[operator]
    x = whole(problem) + 0.1
    damp = torch.full((problem.b, 1, 1, 1), 1e-3)
    off = problem.A(x) - problem.y
    even = whitened(problem, off, damp)
    back = back_projected(problem, x, damp) - x
    assert torch.allclose(problem.A.adjoint(even), -back, atol=1e-4)
    form, square = ((off * even).flatten(1).sum(1), (back**2).flatten(1).sum(1))
    assert bool((square < form).all())
    assert torch.allclose(square + damp.flatten() * (even**2).flatten(1).sum(1), form, rtol=1e-2)


def test_one_step_down_is_the_back_projection() -> None:
    """All that A lets through moves at one rate: half the gradient leads to where z + A+ (y - A z) is."""
    _, problem = blurred(2, side=16)
    x = whole(problem).requires_grad_()
    damp = TINY.damp * (255 * noise_level(problem)) ** 2 + TINY.floor
    TINY.fidelity(problem, x).sum().backward()
    assert x.grad is not None
    step = x.grad * problem.y[0].numel() / 2
    wanted = (x - back_projected(problem, x, damp)).detach()
    assert float((step - wanted).norm()) < 0.02 * float(wanted.norm())


def test_pixels_that_were_not_measured_take_no_part() -> None:
    _, problem = blurred(2, side=20)
    mask = problem.mask.clone()
    mask[..., 3:9, 5:8] = False
    x = whole(problem)
    one, other = (
        TINY.fidelity(replace(problem, mask=mask, y=torch.where(mask, problem.y, torch.tensor(fill))), x)
        for fill in (0.0, 9.0)
    )
    assert torch.equal(one, other)


def test_it_sharpens() -> None:
    clean, problem = blurred(1, side=16)
    done = fit(problem, replace(TINY, steps=80, rate=0.03), stopper=Budget(80))
    within = torch.zeros_like(clean[:, :1], dtype=torch.bool)
    within[..., 4:-4, 4:-4] = True
    assert float(mse(problem.A(done.x), problem.y, problem.mask)) < 0.01
    assert float(mse(done.x, clean, within)) < 0.8 * float(mse(problem.fallback(), clean, within))


@pytest.mark.parametrize(
    "kind", [BackProjectionPrior, DeepImagePrior, ProjectedGsure, DeepRed, PlugAndPlayDeepImagePrior]
)
@pytest.mark.parametrize("A", [Downsample(2), Subsample(gaussian_psf(2.0), 3, "corner")])
def test_the_image_lies_on_its_own_grid(kind: type[Fitted], A: Degradation) -> None:
    """Coarse pixels: the estimate has as many as the image, and its pixels of y are withheld and named."""
    clean, problem = shrunk(2, side=12, A=A)
    done = fit(problem, kind(widths=(4, 4), steps=2))  # type: ignore[call-arg]
    assert done.x.shape == clean.shape
    assert bool(done.x.isfinite().all())
    assert {record.steps for record in done.records} == {2}
    assert done.unseen is not None
    assert done.unseen.shape == problem.mask.shape
