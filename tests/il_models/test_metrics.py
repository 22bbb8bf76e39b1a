"""Figures of tiles."""

import math

import pytest
import torch

from il_models.metrics import affine_match, autocorrelation, mean, mse, psnr, standard_error, std


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def everywhere(x: torch.Tensor) -> torch.Tensor:
    return torch.ones(len(x), 1, *x.shape[2:], dtype=torch.bool)


def test_masked_pixels_take_no_part() -> None:
    x = noise(2, 3, 8, 8)
    mask = everywhere(x)
    mask[:, :, 2:4] = False
    spoilt = torch.where(mask, x, torch.full_like(x, 1e9))
    for figure in (mean, std, autocorrelation):
        assert torch.allclose(figure(spoilt, mask), figure(x, mask), atol=1e-5)
    assert torch.equal(mse(spoilt, x, mask), torch.zeros(2))
    matched = affine_match(spoilt, 2 * x + 1, mask)
    assert torch.allclose(torch.where(mask, matched - 2 * x - 1, torch.zeros_like(x)), torch.zeros_like(x), atol=1e-4)


def test_mean_and_std() -> None:
    x = 3 + 2 * noise(2, 2, 100, 100)
    assert torch.allclose(mean(x, everywhere(x)), x.flatten(1).mean(1), atol=1e-5)
    assert torch.allclose(std(x, everywhere(x)), x.flatten(1).std(1, correction=0), rtol=1e-5)


def test_psnr() -> None:
    x = torch.zeros(2, 1, 4, 4)
    y = x + torch.tensor([0.1, 0.01]).reshape(2, 1, 1, 1)
    assert psnr(y, x, 1.0, everywhere(x)).tolist() == pytest.approx([20, 40], abs=1e-4)
    assert psnr(y, x, torch.tensor([1.0, 255.0]), everywhere(x)).tolist() == pytest.approx([20, 88.1308], abs=1e-3)


def test_nothing_measured() -> None:
    x = noise(2, 1, 5, 5)
    nothing = ~everywhere(x)
    for figure in (mean, std, autocorrelation):
        assert figure(x, nothing).tolist() == [0, 0]
    assert bool(affine_match(x, x, nothing).isfinite().all())


def test_affine_match_per_tile_and_channel() -> None:
    x = noise(2, 2, 20, 20)
    gain = torch.tensor([[2.0, -1.0], [0.5, 3.0]]).reshape(2, 2, 1, 1)
    assert torch.allclose(affine_match(x, gain * x + 7, everywhere(x)), gain * x + 7, atol=1e-4)
    constant = torch.ones(1, 1, 5, 5)
    assert torch.allclose(affine_match(constant, 4 * constant, everywhere(constant)), 4 * constant)


def test_autocorrelation_of_white_noise_is_zero() -> None:
    x = noise(3, 2, 200, 200)
    assert float(autocorrelation(x, everywhere(x)).abs().max()) < 0.01


@pytest.mark.parametrize("share", [0.3, 1.0])
def test_autocorrelation_of_coloured_noise(share: float) -> None:
    """x(i) + share x(i - 1) along rows has correlation share / (1 + share^2) there and none across."""
    x = noise(1, 1, 400, 400)
    x[..., 1:] = x[..., 1:] + share * x[..., :-1].clone()
    expected = share / (1 + share**2) / 2
    assert float(autocorrelation(x, everywhere(x))) == pytest.approx(expected, abs=0.02)


def test_autocorrelation_is_not_decided_by_a_few_bright_pixels() -> None:
    x = noise(1, 1, 100, 100)
    x[..., 40:43, 40:43] = 100
    assert float(autocorrelation(x, everywhere(x))) < 0.03


@pytest.mark.parametrize("sides", [(1, 1), (1, 9), (9, 1), (2, 2)])
def test_autocorrelation_of_tiny_tiles(sides: tuple[int, int]) -> None:
    x = noise(2, 1, *sides)
    assert bool(autocorrelation(x, everywhere(x)).isfinite().all())


def test_a_constant_residual_has_no_correlation() -> None:
    x = torch.full((1, 1, 8, 8), 5.0)
    assert float(autocorrelation(x, everywhere(x))) == 0
    assert math.isfinite(float(std(x, everywhere(x))))


def test_a_mean_of_many_draws_strays_by_its_standard_error() -> None:
    x = 3 * noise(400, 2, 8, 8) + 1
    mask = everywhere(x)
    mask[..., :4] = False
    told = standard_error(x, mask)
    assert float(told.mean()) == pytest.approx(3 / 64**0.5, rel=0.02)
    assert float((mean(x, mask) - 1).std()) == pytest.approx(float(told.mean()), rel=0.1)
    assert standard_error(x, torch.zeros_like(mask)).tolist() == [0.0] * 400
