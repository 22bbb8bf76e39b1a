"""Super-resolution: what its methods promise beyond the contract."""

from dataclasses import replace

import pytest
import torch
from contracts.toys import shrunk

from il_models.degradations import Downsample, Subsample, gaussian_psf
from il_models.draw import Draw
from il_models.fathers import places, sampled
from il_models.fitting import fit
from il_models.methods.bicubic import Bicubic
from il_models.methods.zssr import ZeroShotSuperResolution
from il_models.metrics import mse

SMALL = ZeroShotSuperResolution(steps=250, width=24, depth=5, crop=24, rate=2e-3)
OPERATORS = {"ideal": Downsample(2), "kernel": Subsample(gaussian_psf(3.3), 2, "corner")}


@pytest.mark.parametrize("name", OPERATORS)
def test_it_learns_what_interpolation_cannot_know(name: str) -> None:
    clean, problem = shrunk(1, 48, OPERATORS[name])
    everywhere = torch.ones_like(clean[:, :1], dtype=torch.bool)
    plain, sharp = (mse(fit(problem, kind).x, clean, everywhere) for kind in (Bicubic(), Bicubic(projections=5)))
    learned = mse(fit(problem, SMALL).x, clean, everywhere)
    assert bool((sharp < plain).all())
    assert bool((learned < 0.8 * plain).all())
    assert bool((learned < sharp).all())


def test_back_projection_agrees_with_the_measurement() -> None:
    _, problem = shrunk(2)
    apart = [
        mse(problem.A(fit(problem, Bicubic(projections=times)).x), problem.y, problem.mask) for times in (0, 3, 10)
    ]
    assert bool((apart[0] > 4 * apart[1]).all())
    assert bool((apart[1] > apart[2]).all())


@pytest.mark.parametrize("factor", [2, 3, 4])
def test_bicubic_takes_a_flat_scene_as_it_is(factor: int) -> None:
    _, problem = shrunk(1, 12, Downsample(factor))
    flat = replace(problem, y=torch.full_like(problem.y, 0.3))
    x = fit(flat, Bicubic(projections=2)).x
    assert x.shape[-2:] == (12 * factor, 12 * factor)
    assert torch.allclose(x, torch.full_like(x, 0.3), atol=1e-6)


@pytest.mark.parametrize("turns", [True, False])
def test_fathers_are_pieces_of_their_tile(turns: bool) -> None:
    """Unsqueezed ones hold its own pixels; and none sees what was not measured."""
    _, problem = shrunk(3, 30)
    grid = places((30, 30), Draw(problem.seeds), (24, 20), 1.0, turns)
    father, measured = sampled(problem.y, problem.mask, grid)
    assert father.shape == (3, 1, 24, 20)
    assert bool(measured.all())
    for tile in range(3):
        distance = (father[tile].reshape(-1, 1) - problem.y[tile].reshape(1, -1)).abs().amin(1)
        assert float(distance.max()) < 1e-5
    assert not bool(sampled(problem.y, torch.zeros_like(problem.mask), grid)[1].any())


def test_climbing_keeps_tiles_apart_and_uses_what_it_climbed_to() -> None:
    _, problem = shrunk(2, 30)
    climbing = replace(SMALL, steps=6, scales=(1.5,))
    together = fit(problem, climbing).x
    alone = fit(problem.take(torch.tensor([1])), climbing).x
    assert torch.equal(together[1:], alone)
    assert not torch.equal(together, fit(problem, replace(climbing, scales=())).x)


def test_large_factors_are_climbed_where_there_are_steps_for_it() -> None:
    plain = ZeroShotSuperResolution()
    assert plain.enlarging(2) == plain
    assert plain.enlarging(3).scales == (1.44, 2.08)
    assert plain.enlarging(4).scales == (1.41, 2.0, 2.83)
    gradual = ZeroShotSuperResolution(**ZeroShotSuperResolution.presets["gradual"])
    assert [gradual.enlarging(factor).scales for factor in (2, 3)] == [(1.5,), (1.5,)]
    assert gradual.enlarging(4).scales == (1.5, 2.08, 2.88)
    assert replace(plain, scales=(2.5,)).enlarging(4).scales == (2.5,)
    adapted = ZeroShotSuperResolution(**ZeroShotSuperResolution.presets["mzsr"])
    assert adapted.enlarging(4) == adapted


def test_what_was_not_measured_takes_no_part() -> None:
    _, problem = shrunk(1)
    mask = problem.mask.clone()
    mask[..., 3:9, 5:8] = False
    wild = torch.where(mask, problem.y, torch.full_like(problem.y, 5.0))
    x = fit(replace(problem, y=wild, mask=mask), replace(SMALL, steps=3, projections=0)).x
    assert bool(x.isfinite().all())
