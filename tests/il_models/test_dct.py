"""The sliding cosine transform: what it leaves alone, and what coloured noise is to it."""

from dataclasses import replace

import pytest
import torch
from contracts.toys import toy

from il_models.draw import Draw
from il_models.methods.dct import SlidingCosine
from il_models.metrics import mse
from il_models.noise import Noise, coloured


def test_without_noise_nothing_is_taken_away() -> None:
    clean, problem = toy(1, 3, 48)
    noise = Noise(0 * problem.noise.gain, 1e-10 * problem.noise.variance, problem.noise.correlation)
    x = SlidingCosine().estimate(replace(problem, y=clean, noise=noise))
    assert torch.allclose(x, clean, atol=1e-4)


def test_a_flat_field_keeps_its_mean_and_loses_its_noise() -> None:
    _, problem = toy(2, side=96)
    y = 0.3 + 0.1 * Draw(problem.seeds).normal(1, 96, 96)
    x = SlidingCosine().estimate(replace(problem, y=y))
    assert torch.allclose(x.mean((1, 2, 3)), y.mean((1, 2, 3)), atol=2e-3)
    assert float(x.std()) < 0.3 * 0.1


def test_knowing_the_colour_helps() -> None:
    clean, problem = toy(3, side=96)
    for r in ((0.6, 0.6), (0.0, 0.7)):
        noise = replace(problem.noise, correlation=torch.tensor([r] * 3))
        y = clean + 0.1 * coloured(Draw(problem.seeds + 1).normal(1, 96, 96), noise)
        knowing, blind = replace(problem, y=y, noise=noise), replace(problem, y=y)
        errors = [mse(SlidingCosine().estimate(each), clean, problem.mask) for each in (knowing, blind)]
        assert bool((errors[0] < 0.8 * errors[1]).all())


def test_channels_help_each_other() -> None:
    clean, problem = toy(2, 3, 96)
    clean = clean[:, :1].expand(-1, 3, -1, -1)  # grey in colour
    y = clean + 0.1 * Draw(problem.seeds + 1).normal(3, 96, 96)
    joint = replace(problem, y=y)
    together = SlidingCosine().estimate(joint)
    each = torch.cat([SlidingCosine().estimate(replace(toy(2, 1, 96)[1], y=y[:, c : c + 1])) for c in range(3)], 1)
    assert bool((mse(together, clean, problem.mask) < 0.7 * mse(each, clean, problem.mask)).all())


@pytest.mark.parametrize("sides", [(96, 96), (61, 47), (5, 3)])
def test_fewer_windows_see_the_same_picture(sides: tuple[int, int]) -> None:
    clean, problem = toy(2, side=96)
    noise = Draw(problem.seeds).normal(1, 96, 96)
    box = (..., slice(sides[0]), slice(sides[1]))
    part = replace(problem, y=(clean + 0.1 * noise)[box], mask=problem.mask[box])
    every, second = (SlidingCosine(stride=stride).estimate(part) for stride in (1, 2))
    errors = [mse(x, clean[box], part.mask) for x in (every, second)]
    assert bool((errors[1] < 1.5 * errors[0]).all())
    assert bool((errors[1] < 0.01).all())  # of the noise's variance, which is 0.01
    flat = replace(part, y=torch.full_like(part.y, 0.4))
    assert torch.allclose(SlidingCosine(stride=2).estimate(flat), SlidingCosine().estimate(flat), atol=1e-5)
