"""Projections with a denoiser that practises: what moves, who judges it, where it is used, and what it gains."""

from dataclasses import replace

import pytest
import torch

from il_models.degradations import Downsample
from il_models.draw import Draw
from il_models.fitting import fit
from il_models.methods.idbp_ia import OWN, ImageAdaptedProjections
from il_models.nets import Nets
from il_models.noise import Noise
from il_models.problem import Problem
from tasks.adaptation import begun_at, fit_from
from tasks.registry.suited import BUNDLED, start_for

QUICK = ImageAdaptedProjections(iterations=2, crops=3, crop=32)


@pytest.fixture(scope="module")
def problem() -> Problem:
    """Bars that the start never saw the like of, 64 x 64, shrunk by two."""
    y = Downsample(2)(clean())
    noise = Noise(torch.zeros(1, 1), torch.full((1, 1), 1e-6), torch.zeros(1, 2))
    mask = torch.ones(y.shape, dtype=torch.bool)
    return Problem(y, Downsample(2), noise, mask, torch.tensor([3]))


def clean() -> torch.Tensor:
    place = torch.arange(128.0)
    bars = torch.sign(torch.sin(0.55 * place[None] + 0.3 * place[:, None])) * torch.sign(
        torch.sin(0.4 * place[:, None])
    )
    return 0.5 + 0.3 * bars[None, None]


def begun(problem: Problem, method: ImageAdaptedProjections = QUICK) -> Nets:
    return begun_at(start_for(method, BUNDLED), method, problem)


def test_practice_teaches_the_structure_of_the_measurement(problem: Problem) -> None:
    """On rows that it did not see; what that gains in decibels: benchmarks/results/image_adapted.md."""
    method = replace(QUICK, steps=12)
    after = fit_from(problem, method, None, begun(problem))
    errors = []
    for nets in (after.nets, begun(problem)):
        assert nets is not None
        x, mask = problem.y[..., -16:, :], problem.mask[..., -16:, :]
        with torch.no_grad():
            errors.append(float(method._error(method._part(nets, OWN), problem, x, mask, Draw(problem.seeds))))
    assert errors[0] < 0.98 * errors[1]
    assert not torch.equal(after.x, fit(problem, replace(method, steps=0), start=begun(problem)).x)
    assert after.records[0].rung == "idbp_ia"
    assert after.nets is not None
    moved = {
        name: float((value - begun(problem).weights[name]).detach().abs().max())
        for name, value in after.nets.weights.items()
    }
    assert all((change > 0) == (name.startswith(OWN) and "level" not in name) for name, change in moved.items())


def test_what_is_no_better_on_rows_held_back_is_not_used(problem: Problem) -> None:
    nets = begun(problem)
    spoiled = nets.replaced(
        {name: value * (1.3 if name.startswith(OWN) else 1) for name, value in nets.weights.items()}
    )
    still = replace(QUICK, steps=0)
    assert torch.equal(fit(problem, still, start=spoiled).x, fit(problem, still, start=nets).x)


def test_only_the_late_steps_are_the_adapted_ones(problem: Problem) -> None:
    never = replace(QUICK, below=0.0, steps=2)
    assert torch.equal(
        fit(problem, never, start=begun(problem)).x, fit(problem, replace(never, steps=0), start=begun(problem)).x
    )


def test_pairs_open_once_and_close_as_one_network(problem: Problem) -> None:
    nets = begun(problem)
    assert QUICK.opened(nets, problem.seeds) is nets
    closed = QUICK.closed(nets)
    assert len(closed.weights) * 2 == len(nets.weights)
