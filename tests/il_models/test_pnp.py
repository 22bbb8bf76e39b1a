"""Plug and play: what it reaches, with photons, channels and gaps; how the denoiser is shown the image."""

from dataclasses import replace

import numpy as np
import pytest
import skimage.data
import torch
from contracts.method import learned
from contracts.toys import blurred, toy

from il_models.degradations import Blur, Downsample, Subsample, gaussian_psf
from il_models.fitting import fit
from il_models.methods.idbp import BackwardProjections
from il_models.methods.pnp import PlugAndPlay
from il_models.methods.wiener import Wiener
from il_models.metrics import mse
from il_models.nets import Nets
from il_models.noise import Noise
from il_models.plug_and_play import SHIFTS, DenoiserInTurn, cleaned, looks
from il_models.problem import Problem


def begun(problem: Problem) -> Nets:
    """The start that ships."""
    nets = learned(PlugAndPlay(), problem)
    assert nets is not None
    return nets


def test_it_is_better_than_the_classical_control() -> None:
    clean, problem = blurred(2, side=44)
    within = torch.ones_like(clean[:, :1], dtype=torch.bool)
    control = mse(fit(problem, Wiener()).x, clean, within)
    assert bool((mse(fit(problem, PlugAndPlay(), start=begun(problem)).x, clean, within) < control).all())


def test_channels_each_have_their_psf() -> None:
    clean, problem = blurred(2, side=40)
    two = replace(problem, y=problem.y.repeat(1, 2, 1, 1), A=Blur(problem.A.psf.repeat(1, 2, 1, 1)))  # type: ignore[attr-defined]
    noise = replace(problem.noise, gain=problem.noise.gain.repeat(1, 2), variance=problem.noise.variance.repeat(1, 2))
    both = fit(replace(two, noise=noise), PlugAndPlay(), start=begun(problem)).x
    one = fit(problem, PlugAndPlay(), start=begun(problem)).x
    assert torch.allclose(both, one.repeat(1, 2, 1, 1), atol=1e-3)
    assert both.shape[-2:] == clean.shape[-2:]


@pytest.mark.parametrize("method", [PlugAndPlay(iterations=16), BackwardProjections(iterations=10, delta=5 / 255)])
@pytest.mark.parametrize("A", [Downsample(2), Downsample(3), Subsample(gaussian_psf(3.0), 2, "corner")])
def test_it_enlarges_better_than_interpolation(method: DenoiserInTurn, A: Downsample | Subsample) -> None:
    scene = torch.from_numpy(skimage.data.camera()[60:156, 180:276].astype(np.float32) / 255)[None, None]
    sigma = 0.01
    y = A(scene)
    y = y + sigma * torch.randn(y.shape, generator=torch.Generator().manual_seed(0))
    noise = Noise(torch.zeros(1, 1), torch.full((1, 1), sigma**2), torch.zeros(1, 2))
    mask = torch.ones(y.shape, dtype=torch.bool)
    problem = Problem(y, A, noise, mask, torch.zeros(1, dtype=torch.int64))
    x = fit(problem, method, start=begun(problem)).x
    assert x.shape == scene.shape
    within = torch.ones(scene.shape, dtype=torch.bool)
    assert float(mse(x, scene, within)) < 0.8 * float(mse(A.guess(y), scene, within))
    assert float(mse(A(x), y, mask).sqrt()) < 1.2 * sigma


def test_a_gap_is_filled_from_its_surroundings() -> None:
    clean, problem = blurred(1, side=60)
    mask = problem.mask.clone()
    mask[..., 20:24, :] = False
    gap = replace(problem, mask=mask, y=torch.where(mask, problem.y, torch.full_like(problem.y, 0.6)))
    x = fit(gap, PlugAndPlay(), start=begun(problem)).x
    within = torch.zeros_like(clean[:, :1], dtype=torch.bool)
    within[..., 25:29, 8:-8] = True
    assert float(mse(x, clean, within)) < 0.03


def test_the_image_is_turned_and_shifted_and_comes_back_as_it_was() -> None:
    _, problem = toy(1, side=21)
    seen = [look for look, _ in zip(looks(), range(8), strict=False)]
    assert [view for view, _ in seen] == list(range(8))
    assert {shift for _, shift in seen} == set(SHIFTS)
    nothing = torch.full((1, 1, 1, 1), 1e-4)  # no noise to speak of: the denoiser leaves the image as it is
    for look in seen:
        assert torch.allclose(cleaned(begun(problem), problem.y, nothing, look), problem.y, atol=5e-2)


@pytest.mark.parametrize("scale", [0.1, 3.0])
def test_its_denoiser_knows_no_unit(scale: float) -> None:
    _, problem = toy(1, side=24)
    level = torch.full((1, 1, 1, 1), 0.1)
    look = (0, (0, 0))
    here, there = (cleaned(begun(problem), k * problem.y, k * level, look) for k in (1.0, scale))
    assert torch.allclose(scale * here, there, rtol=1e-4, atol=1e-4)
