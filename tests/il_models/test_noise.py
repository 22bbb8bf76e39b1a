"""Noise: stabilisation without bias, and the blind estimate on scenes whose noise is known."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from contracts.toys import scenes
from scipy.ndimage import gaussian_filter
from torch import Tensor

from il_models.noise import (
    Noise,
    NoiseEstimate,
    StabilisedNoise,
    estimate_noise,
    inverse_stabilised,
    is_signal_dependent,
    stabilised,
    stabilised_sigma,
)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def camera(photons: Tensor, gain: float, offset: float, read: float, seed: int = 0) -> Tensor:
    """gain * Poisson(photons) + N(offset, read^2)."""
    counts = torch.poisson(photons, generator=generator(seed))
    return gain * counts + offset + read * torch.randn(photons.shape, generator=generator(seed + 1))


def affine(gain: float, variance: float, b: int = 1, c: int = 1) -> Noise:
    return Noise(torch.full((b, c), gain), torch.full((b, c), variance), torch.zeros(b, 2))


def all_of(windows: Tensor) -> NoiseEstimate:
    return estimate_noise(windows, torch.ones_like(windows, dtype=torch.bool))


def test_sigma_take_and_to() -> None:
    noise = Noise(torch.tensor([[2.0, 0.0], [0.0, 1.0]]), torch.tensor([[1.0, 4.0], [9.0, -5.0]]), torch.zeros(2, 2))
    sigma = noise.sigma(torch.full((2, 2, 3, 3), 4.0))
    assert sigma[:, :, 0, 0].flatten().tolist() == pytest.approx([3, 2, 3, 1e-6])
    assert noise.take(torch.tensor([1])).gain.tolist() == [[0, 1]]
    assert noise.to(torch.device("cpu")).variance.shape == (2, 2)


def test_the_colour_is_the_larger_correlation() -> None:
    noise = replace(affine(0.0, 1.0, b=3), correlation=torch.tensor([[0.1, -0.4], [0.3, 0.2], [0.0, 0.0]]))
    assert noise.colour.tolist() == pytest.approx([-0.4, 0.3, 0.0])
    assert noise.take(torch.tensor([1])).correlation.tolist() == [pytest.approx([0.3, 0.2])]
    assert NoiseEstimate(0.0, 1.0, (-0.3, 0.2)).colour == -0.3


@pytest.mark.parametrize("gain", [1.0, 2.5, 40.0])
@pytest.mark.parametrize("read", [0.0, 1.0, 3.0])
@pytest.mark.parametrize("photons", [1.0, 2.0, 10.0, 30.0])
def test_the_inverse_is_unbiased_down_to_one_photon(gain: float, read: float, photons: float) -> None:
    """Table of Family G: within 2 % and 0.02 photons, where the algebraic inverse is low by a quarter photon."""
    z = camera(torch.full((1, 1, 700, 700), photons), gain, 100.0, gain * read)
    noise = affine(gain, (gain * read) ** 2 - gain * 100.0)
    d = stabilised(z, noise)
    mean = d.mean().reshape(1, 1, 1, 1)
    truth = gain * photons + 100
    assert float(inverse_stabilised(mean, noise)) - truth == pytest.approx(0, abs=gain * (0.02 * photons + 0.02))
    low = (float(inverse_stabilised(mean, noise, unbiased=False)) - truth) / gain
    assert -0.32 < low < -0.15
    if photons >= 2 or read >= 1:
        assert float(d.std()) == pytest.approx(1, abs=0.05)


def test_the_algebraic_inverse_gives_back_the_measurement() -> None:
    z = 100 + 300 * torch.rand(2, 3, 8, 8, generator=generator())
    noise = affine(2.5, 30.0, 2, 3)
    assert torch.allclose(inverse_stabilised(stabilised(z, noise), noise, unbiased=False), z, rtol=1e-5)


def test_gaussian_noise_is_divided_by_sigma() -> None:
    z, noise = torch.randn(1, 1, 9, 9), affine(0.0, 4.0)
    assert torch.allclose(stabilised(z, noise), z / 2)
    assert torch.allclose(inverse_stabilised(z / 2, noise), z)


def test_a_small_gain_is_close_to_none() -> None:
    """The textbook formula loses all digits here: its constant is 2 sigma / gain = 2e7."""
    z = torch.randn(1, 1, 9, 9)
    assert torch.allclose(stabilised(z, affine(1e-7, 1.0)), z, atol=1e-5)
    assert torch.allclose(inverse_stabilised(z, affine(1e-7, 1.0)), z, atol=1e-5)


def test_channels_have_their_own_noise() -> None:
    z = 50 + torch.rand(1, 2, 4, 4, generator=generator())
    noise = Noise(torch.tensor([[2.0, 0.0]]), torch.tensor([[10.0, 9.0]]), torch.zeros(1, 2))
    both = stabilised(z, noise)
    assert torch.allclose(both[:, :1], stabilised(z[:, :1], affine(2.0, 10.0)))
    assert torch.allclose(both[:, 1:], stabilised(z[:, 1:], affine(0.0, 9.0)))
    assert torch.allclose(inverse_stabilised(both, noise, unbiased=False), z, rtol=1e-5)


def test_values_darker_than_no_photon() -> None:
    noise = affine(2.0, 9.0 - 2.0 * 100)  # offset 100, read noise 3
    z = torch.tensor([0.0, 80.0, 100.0]).reshape(1, 1, 1, 3)
    d = stabilised(z, noise)
    assert bool(d.isfinite().all())
    assert float(d[..., 0]) == float(d[..., 1]) < float(d[..., 2])
    assert bool(inverse_stabilised(d - 5, noise).isfinite().all())


def test_signal_dependence() -> None:
    assert is_signal_dependent(1.0, 0.0, 10.0, 100.0)
    assert is_signal_dependent(1.0, -20.0, 10.0, 100.0)
    assert not is_signal_dependent(0.0, 4.0, 10.0, 100.0)
    assert not is_signal_dependent(0.01, 4.0, 10.0, 100.0)


@pytest.mark.parametrize("sigma", [0.02, 0.1, 0.5])
def test_gaussian_sigma(sigma: float) -> None:
    x = scenes(8, side=128)[:, 0]
    found = all_of(x + sigma * torch.randn(x.shape, generator=generator()))
    assert math.sqrt(found.gain * 0.5 + found.variance) == pytest.approx(sigma, rel=0.05)
    assert not is_signal_dependent(found.gain, found.variance, 0.1, 0.9)
    assert abs(found.colour) < 0.06


@pytest.mark.parametrize("peak", [3.0, 20.0, 300.0])
def test_gain(peak: float) -> None:
    x = scenes(8, side=128)[:, 0]
    found = all_of(camera(peak * x.clamp(min=0), 2.0, 50.0, 1.5))
    assert found.gain == pytest.approx(2.0, rel=0.1)
    assert found.variance == pytest.approx(1.5**2 - 2.0 * 50, rel=0.15)
    assert is_signal_dependent(found.gain, found.variance, 50 + 0.2 * peak, 50 + 1.6 * peak)
    assert abs(found.colour) < 0.06


@pytest.mark.parametrize("side", [44, 64, 96, 120])
def test_photons_of_small_images(side: int) -> None:
    scene = gaussian_filter(scenes(1, side=side)[0, 0].double().numpy(), 2.0)
    photons = torch.from_numpy(5 + 60 * (scene - scene.min()) / np.ptp(scene))
    true = 3.0**2 * photons + 2.0**2
    for seed in range(4):
        found = all_of(camera(photons, 3.0, 100.0, 2.0, seed)[None])
        variance = found.gain * (3.0 * photons + 100.0) + found.variance
        assert float(variance.mean() / true.mean()) == pytest.approx(1.0, abs=0.3)
        assert float((variance / true).log().square().mean().sqrt()) < 0.5


def test_coloured_noise() -> None:
    x = scenes(8, side=128)[:, 0]
    white = torch.randn(x.shape, generator=generator())
    shape = torch.tensor([0.3, 1.0, 0.3])
    coloured = torch.nn.functional.conv2d(white[:, None], torch.outer(shape, shape)[None, None], padding=1)[:, 0]
    coloured = 0.1 * coloured / coloured.std()
    gain, variance, correlation = all_of(x + coloured)
    assert math.sqrt(gain * 0.5 + variance) == pytest.approx(0.1, rel=0.12)
    assert correlation == pytest.approx((0.6 / 1.18, 0.6 / 1.18), abs=0.07)


@pytest.mark.parametrize("widths", [(0.0, 0.8), (0.8, 0.0), (0.8, 0.8), (0.5, 0.9), (0.0, 0.0)])
@pytest.mark.parametrize("sigma", [0.05, 0.2])
def test_the_direction_of_the_correlation_is_found(widths: tuple[float, float], sigma: float) -> None:
    """Gaussian-filtered white noise, as detectors that are read line by line and resampled scenes have it."""
    x = scenes(8, side=128)[:, 0]
    white = torch.randn(x.shape, generator=generator()).numpy()
    noise = torch.from_numpy(np.stack([gaussian_filter(plane, widths) for plane in white]))
    noise *= sigma / noise.std()
    pairs = ((noise[:, 1:], noise[:, :-1]), (noise[..., 1:], noise[..., :-1]))
    true = tuple(float((one * other).mean()) / sigma**2 for one, other in pairs)
    found = all_of(x + noise)
    assert found.correlation == pytest.approx(true, abs=0.11)
    assert found.colour == max(found.correlation, key=abs)
    assert math.sqrt(found.gain * 0.5 + found.variance) == pytest.approx(sigma, rel=0.2)


def test_units_do_not_matter() -> None:
    y = camera(20 * scenes(4, side=128)[:, 0].clamp(min=0), 2.0, 10.0, 1.0)
    gain, variance, correlation = all_of(y)
    other = all_of(y * 1e-4)
    assert other.gain == pytest.approx(gain * 1e-4, rel=1e-4)
    assert other.variance == pytest.approx(variance * 1e-8, rel=1e-4)
    assert other.correlation == pytest.approx(correlation, abs=1e-4)


def test_nodata_and_bad_values_take_no_part() -> None:
    y = scenes(8, side=128)[:, 0] + 0.1 * torch.randn(8, 128, 128, generator=generator())
    valid = torch.ones_like(y, dtype=torch.bool)
    valid[:, 30:60] = False
    spoilt = torch.where(valid, y, torch.full_like(y, 1e6))
    spoilt[0, 100, 100], spoilt[1, 7, 7] = torch.nan, torch.inf
    found = estimate_noise(spoilt, valid)
    assert math.sqrt(found.variance + found.gain * 0.5) == pytest.approx(0.1, rel=0.06)


def test_saturation_takes_no_part() -> None:
    """A third of the pixels clipped at the top would give a variance that falls with intensity."""
    x = 40 * scenes(8, side=128)[:, 0].clamp(min=0)
    gain, variance, _ = all_of(camera(x, 2.0, 0.0, 1.0).clamp(max=60.0))
    assert gain == pytest.approx(2.0, rel=0.15)
    assert math.sqrt(20 * gain + variance) == pytest.approx(math.sqrt(41), rel=0.05)


def test_values_clipped_from_below_take_no_part() -> None:
    x = 0.6 * scenes(8, side=128)[:, 0] - 0.25
    gain, variance, _ = all_of((x + 0.1 * torch.randn(x.shape, generator=generator())).clamp(min=0))
    assert math.sqrt(gain * 0.3 + variance) == pytest.approx(0.1, rel=0.1)


def test_plateaus_without_noise_take_no_part() -> None:
    y = scenes(8, side=128)[:, 0] + 0.1 * torch.randn(8, 128, 128, generator=generator())
    y[:, 40:, 40:] = 0
    gain, variance, _ = all_of(y)
    assert math.sqrt(gain * 0.5 + variance) == pytest.approx(0.1, rel=0.06)


def test_noise_under_one_grey_level_is_at_least_the_rounding() -> None:
    x = (200 * scenes(4, side=64)[:, 0]).round()
    assert all_of(x).variance >= 1 / 12
    assert all_of(torch.full((2, 64, 64), 7.0)) == (0.0, 1 / 12, (0.0, 0.0))


def test_no_noise() -> None:
    x = scenes(4, side=64)[:, 0]
    gain, variance, _ = all_of(x)
    assert math.sqrt(max(0.0, gain + variance)) < 0.01
    assert all_of(torch.full((2, 64, 64), 0.7)) == (0.0, 0.0, (0.0, 0.0))


@pytest.mark.parametrize("sides", [(1, 1), (17, 3), (1, 40), (8, 8), (9, 30)])
def test_tiny_images(sides: tuple[int, int]) -> None:
    y = 5 * torch.randn(1, *sides, generator=generator())
    gain, variance, correlation = all_of(y)
    assert gain == 0
    assert correlation == (0, 0)
    assert 0 <= variance < 100
    if y.numel() > 30:
        assert math.sqrt(variance) == pytest.approx(5, rel=0.5)


def test_nothing_valid() -> None:
    assert estimate_noise(torch.zeros(1, 9, 9), torch.zeros(1, 9, 9, dtype=torch.bool)) == (0.0, 0.0, (0.0, 0.0))


def test_a_variance_that_falls_with_intensity_counts_as_gaussian() -> None:
    x = scenes(8, side=128)[:, 0]
    y = x + (0.2 - 0.1 * x) * torch.randn(x.shape, generator=generator())
    gain, variance, _ = all_of(y)
    assert gain == 0
    assert 0.1 < math.sqrt(variance) < 0.2


@pytest.mark.parametrize(("gain", "offset", "read"), [(3.5, 4.0, 0.0), (1.0, 0.0, 0.5), (2.0, 0.0, 6.0)])
def test_noise_of_few_photons(gain: float, offset: float, read: float) -> None:
    """Below four photons stabilised noise has less than unit variance, by as much as predicted."""
    noise = affine(gain, read**2 - gain * offset)
    for photons in (0.0, 0.2, 0.5, 1.0, 3.0, 20.0):
        d = stabilised(camera(torch.full((1, 1, 400, 400), photons), gain, offset, read), noise)
        told = stabilised_sigma(d.mean().reshape(1, 1, 1, 1), noise)
        assert float(told) == pytest.approx(float(d.std()), abs=0.03)


def test_stabilised_noise_is_that_of_scaled_values() -> None:
    raw = affine(3.5, -14.0, 2, 3)
    offset, scale = torch.full((2, 3), 0.5), torch.full((2, 3), 8.0)
    one = torch.ones(2, 3)
    noise = StabilisedNoise(0 * one, scale**-2, torch.zeros(2, 2), raw, offset, scale)
    x = torch.rand(2, 3, 5, 5, generator=generator())
    assert torch.allclose(noise.sigma(x), stabilised_sigma(8 * x + 0.5, raw) / 8)
    assert torch.allclose(noise.nominal(x), torch.full_like(x, 1 / 8))
    second = torch.tensor([1])
    assert torch.equal(noise.take(second).to(torch.device("cpu")).sigma(x[1:]), noise.sigma(x)[1:])
    plain = replace(noise, raw=affine(0.0, 1.0, 2, 3))
    assert torch.allclose(plain.sigma(x), torch.full_like(x, 1 / 8))


def test_a_detector_that_multiplies_photons_is_no_quieter_than_it_is() -> None:
    random = np.random.default_rng(0)
    field = gaussian_filter(random.standard_normal((512, 512)), 12)
    photons = random.poisson(np.exp(field / field.std()))
    counted = 20.0 * photons + 0.5 * random.standard_normal(photons.shape)
    multiplied = 10 * random.standard_gamma(np.maximum(photons, 1)) * (photons > 0)
    multiplied += 0.5 * random.standard_normal(photons.shape)
    assert all_of(torch.from_numpy(counted)[None]).gain == pytest.approx(20, rel=0.06)
    found = all_of(torch.from_numpy(multiplied)[None])  # 13 % too low without
    assert found.gain == pytest.approx(20, rel=0.12)


def test_photons_beside_what_has_no_noise_at_all() -> None:
    random = np.random.default_rng(0)
    y = 30 * random.poisson(np.linspace(0.2, 5, 256)[None].repeat(256, 0)).astype(np.float64)
    y[:128] = np.arange(128)[:, None] / 7  # a smooth ramp
    found = all_of(torch.from_numpy(y)[None])
    assert math.isfinite(found.gain)
    assert math.isfinite(found.variance)
