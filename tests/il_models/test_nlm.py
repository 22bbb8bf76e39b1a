"""Non-local means, the control."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from contracts.toys import toy
from PIL import Image

from il_models.degradations import Identity
from il_models.methods.nlm import NonLocalMeans
from il_models.metrics import mse, psnr
from il_models.noise import Noise
from il_models.problem import Problem


def test_noise_that_was_stabilised_and_noise_that_was_not_give_the_same() -> None:
    """sigma is what counts, not the units."""
    _, problem = toy(2)
    noise = Noise(problem.noise.gain, problem.noise.variance * 100, problem.noise.correlation)
    scaled = replace(problem, y=problem.y * 10, noise=noise)
    assert torch.allclose(NonLocalMeans().estimate(scaled), 10 * NonLocalMeans().estimate(problem), atol=1e-4)


def test_channels_with_noise_of_their_own_are_restored_jointly() -> None:
    clean, problem = toy(1, channels=2, side=64, sigma=0.1)
    factor = torch.tensor([1.0, 5.0]).reshape(1, 2, 1, 1)
    noise = Noise(problem.noise.gain, problem.noise.variance * factor.reshape(1, 2) ** 2, problem.noise.correlation)
    uneven = replace(problem, y=problem.y * factor, noise=noise)
    x = NonLocalMeans().estimate(uneven) / factor
    assert torch.allclose(x, NonLocalMeans().estimate(problem), atol=1e-4)
    assert bool((mse(x, clean, problem.mask) < 0.3 * mse(problem.y, clean, problem.mask)).all())


def test_a_volume() -> None:
    y = torch.rand(1, 1, 6, 16, 12)
    noise = Noise(torch.zeros(1, 1), torch.full((1, 1), 0.01), torch.zeros(1, 2))
    problem = Problem(y, Identity(), noise, torch.ones_like(y, dtype=torch.bool), torch.arange(1))
    assert NonLocalMeans().estimate(problem).shape == y.shape


@pytest.mark.parametrize("channels", [1, 3])
def test_calibration_mends_a_noise_level_that_is_stated_too_low(channels: int) -> None:
    clean, problem = toy(2, channels, side=96)
    noise = Noise(problem.noise.gain, problem.noise.variance * 0.7**2, problem.noise.correlation)
    wrong = replace(problem, noise=noise)
    calibrated, fixed = (NonLocalMeans(h=h).estimate(wrong) for h in ("calibrated", 0.7))
    assert bool((mse(calibrated, clean, problem.mask) < 0.5 * mse(fixed, clean, problem.mask)).all())
    assert torch.equal(calibrated[1:], NonLocalMeans(h="calibrated").estimate(wrong.take(torch.tensor([1]))))


@pytest.mark.parametrize("sides", [(1, 1), (17, 3)])
def test_a_tile_too_small_to_be_calibrated_is_filtered_as_stated(sides: tuple[int, int]) -> None:
    _, problem = toy(1, side=32)
    small = replace(problem, y=problem.y[..., : sides[0], : sides[1]], mask=problem.mask[..., : sides[0], : sides[1]])
    assert torch.equal(NonLocalMeans(h="calibrated").estimate(small), NonLocalMeans().estimate(small))


@pytest.mark.data
def test_cameraman(shared_data: Path) -> None:
    x = torch.from_numpy(np.asarray(Image.open(shared_data / "classic/set12/01.png"), np.float32) / 255)[None, None]
    y = x + 25 / 255 * torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
    noise = Noise(torch.zeros(1, 1), torch.full((1, 1), (25 / 255) ** 2), torch.zeros(1, 2))
    problem = Problem(y, Identity(), noise, torch.ones_like(y, dtype=torch.bool), torch.arange(1))
    assert float(psnr(NonLocalMeans().estimate(problem), x, 1.0, problem.mask)) > 28.3
