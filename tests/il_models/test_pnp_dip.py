"""Plug and play with DIP: its schedule, what its data step solves, and what it reaches."""

from dataclasses import replace

import pytest
import torch
from contracts.toys import blurred

from il_models.draw import Draw
from il_models.fitting import Budget, fit
from il_models.methods.pnp_dip import PlugAndPlayDeepImagePrior
from il_models.metrics import mse

TINY = PlugAndPlayDeepImagePrior(widths=(8, 8), code=4, withheld=0.0)


def test_the_outer_iterations_are_those_of_the_paper() -> None:
    """Sixty, of 500, 700 and 1200 steps, in a fit of any length."""
    assert [TINY.outer(step) for step in (0, 499, 500, 5000, 19000, 55000)] == [0, 0, 1, 10, 30, 60]
    for steps in (60, 300):
        method = replace(TINY, steps=steps)
        assert sum(method.is_due(step) for step in range(steps)) <= 60
        assert method.is_due(steps - 1)
    assert sum(replace(TINY, steps=300).is_due(step) for step in range(300)) == 60
    assert TINY.pull(0) == pytest.approx(10)
    assert TINY.pull(5000) == pytest.approx(10 * 0.998**10)
    assert [TINY.eta_at(count) for count in (0, 10)] == pytest.approx([0.01, 0.01 * 0.92**10])
    assert replace(TINY, rest=0.1).eta_at(59) == pytest.approx(0.001)


@pytest.mark.parametrize("eta", [0.0, 0.01])
def test_the_data_step_solves_its_equation(eta: float) -> None:
    """A^T (A x - y) + mu (x - T - u) + eta (x - z - v) = 0, and the duals move by what is left apart."""
    _, problem = blurred(2, side=16)
    method = replace(TINY, eta=eta)
    before = method.prepare(problem, Draw(problem.seeds))
    make = torch.Generator().manual_seed(2)
    x, made, dual, smoothed, v = (0.1 * torch.randn(before["x"].shape, generator=make) + 0.5 for _ in range(5))
    inputs = {**before, "x": x, "dual": dual, "smoothed": smoothed, "dual_smoothed": v, "begun": before["begun"] + 1}
    after = method.moved(inputs, made, problem, 499)
    assert torch.allclose(after["dual"], dual + made - x)
    rest = problem.A.adjoint(problem.A(after["x"]) - problem.y)
    rest = rest + method.mu * (after["x"] - made - after["dual"]) + eta * (after["x"] - smoothed - v)
    assert float(rest.abs().max()) < 1e-3
    assert ("smoothed" in after) == (eta > 0)
    if eta:
        assert torch.allclose(after["dual_smoothed"], v + after["smoothed"] - after["x"])


def test_it_sharpens() -> None:
    clean, problem = blurred(1, side=16)
    done = fit(problem, replace(TINY, steps=120, rate=0.03), stopper=Budget(120))
    within = torch.zeros_like(clean[:, :1], dtype=torch.bool)
    within[..., 4:-4, 4:-4] = True
    assert float(mse(done.x, clean, within)) < 0.9 * float(mse(problem.fallback(), clean, within))


def test_weights_that_hold_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match="above 0"):
        PlugAndPlayDeepImagePrior(mu=0.0)
