"""Methods that go on from the start that ships: planes, objectives, what moves, and who may replace the start."""

from dataclasses import replace

import pytest
import torch
from contracts.started import misled, start_of
from contracts.toys import SIGMA, scenes, toy
from torch import Tensor

from il_models.acceptance import is_better
from il_models.draw import Draw
from il_models.fitting import fit
from il_models.from_start import FromStart, denoised
from il_models.methods.gain_tuning import GainTuning
from il_models.methods.noise_tuning import NoiseTuning
from il_models.methods.pretrained import Pretrained
from il_models.metrics import mse
from il_models.nets import Nets
from il_models.noise import Noise, coloured
from il_models.planes import planes_of
from il_models.problem import Problem
from il_models.self_supervision import recorrupted, stein
from tasks.quality import estimate_of


def test_planes_are_white_of_unit_variance_and_come_back() -> None:
    _, problem = toy(2, channels=3, side=64)
    levels = torch.tensor([[0.01, 0.1, 0.04], [0.2, 0.1, 0.1]])
    problem = replace(problem, noise=replace(problem.noise, variance=levels**2))
    noise = levels[..., None, None] * Draw(problem.seeds + 5).normal(3, 64, 64)
    problem, still = replace(problem, y=scenes(2, 3, 64) + noise), replace(problem, y=scenes(2, 3, 64))
    planes = planes_of(problem)
    assert torch.allclose(planes.image(planes.z), problem.y, atol=1e-5)
    seen = planes.z - planes_of(still).z
    spread = torch.einsum("bchw,bdhw->bcd", seen, seen) / 64**2
    assert torch.allclose(spread, torch.eye(3).expand(2, 3, 3), atol=0.1)
    assert float(planes_of(still).z.min()) > -1e-3


def test_the_unit_of_the_measurement_does_not_matter() -> None:
    _, problem = toy(1, side=64)
    x = fit(problem, Pretrained(), start=start_of(problem)).x
    scaled = replace(problem, y=40 * problem.y, noise=replace(problem.noise, variance=1600 * problem.noise.variance))
    assert torch.allclose(fit(scaled, Pretrained(), start=start_of(problem)).x, 40 * x, atol=1e-2)


def test_without_noise_the_measurement_stays() -> None:
    _, problem = toy(1, side=32)
    still = replace(problem, noise=replace(problem.noise, variance=0 * problem.noise.variance))
    assert torch.equal(fit(still, Pretrained(), start=start_of(problem)).x, problem.y)


@pytest.mark.parametrize("channels", [1, 3])
def test_one_start_serves_any_number_of_channels(channels: int) -> None:
    clean, problem = toy(2, channels, 64)
    x = fit(problem, Pretrained(), start=start_of(problem)).x
    assert bool((mse(x, clean, problem.mask) < 0.1 * SIGMA**2).all())


def test_it_hears_the_colour_of_the_noise() -> None:
    clean, problem = toy(1, side=128)
    noise = replace(problem.noise, correlation=torch.full((1, 2), 0.6))
    y = clean + SIGMA * coloured(Draw(problem.seeds + 3).normal(1, 128, 128), noise)
    start = start_of(problem)
    x = [fit(replace(problem, y=y, noise=told), Pretrained(), start=start).x for told in (noise, problem.noise)]
    errors = [float(mse(each, clean, problem.mask)) for each in x]
    assert errors[0] < 0.4 * errors[1]


@pytest.mark.parametrize(("method", "moved"), [(GainTuning(steps=2), ".gain"), (NoiseTuning(steps=2), "level")])
def test_only_what_is_tuned_moves(method: FromStart, moved: str) -> None:
    _, problem = toy(2, side=32)
    start = start_of(problem)
    nets = fit(problem, method, start=start).nets
    assert nets is not None
    changed = {name for name, value in nets.weights.items() if not torch.equal(value, start.weights[name])}
    assert changed
    assert changed == {name for name in start.weights if name.endswith(moved)}


def plain(nets: Nets, noise: Noise, z: Tensor, level: float) -> Tensor:
    with torch.no_grad():
        return denoised(nets, z, noise.correlation, level)


@pytest.mark.parametrize("correlation", [0.0, 0.5])
def test_both_objectives_are_the_squared_error_in_the_mean(correlation: float) -> None:
    """SURE itself; R2R that of a noisier measurement, and the variance of its target."""
    clean, problem = toy(8, side=64)
    noise = replace(problem.noise, correlation=torch.full((8, 2), correlation))
    y = clean + SIGMA * coloured(Draw(problem.seeds + 3).normal(1, 64, 64), noise)
    problem = replace(problem, y=y, noise=noise)
    nets, planes, draw = misled(start_of(problem), 0.6), planes_of(problem), Draw(problem.seeds + 9)
    target = planes_of(replace(problem, y=clean)).z + planes_of(problem).shift - planes.shift
    told = stein(lambda z, level: plain(nets, noise, z, level), planes.z, noise, draw).mean()
    true = ((plain(nets, noise, planes.z, 1.0) - target) ** 2).mean()
    assert float(told) == pytest.approx(float(true), abs=0.04)
    told = recorrupted(lambda z, level: plain(nets, noise, z, level), planes.z, noise, draw).mean()
    more = planes.z + 0.5 * coloured(Draw(problem.seeds + 77).normal(1, 64, 64), noise)
    true = ((plain(nets, noise, more, 1.25**0.5) - target) ** 2).mean()
    assert float(told - 1 - 4) == pytest.approx(float(true), abs=0.1)


def judged(problem: Problem, base: Nets, other: Nets) -> list[bool]:
    sides = [(nets, fit(problem, Pretrained(), start=nets)) for nets in (base, other)]
    first, second = ((nets, estimate_of(problem, done, Pretrained())) for nets, done in sides)
    found: list[bool] = is_better(problem, Pretrained(), first, second).tolist()
    return found


def test_a_network_is_replaced_only_by_one_that_is_surely_better() -> None:
    _, problem = toy(2, side=128)
    start = start_of(problem)
    assert judged(problem, misled(start, 0.4), start) == [True, True]
    assert judged(problem, start, misled(start, 0.4)) == [False, False]
    assert judged(problem, start, start) == [False, False]


def test_a_wrong_noise_level_does_not_deceive_both_witnesses() -> None:
    """Told half of the noise, SURE believes that a network which keeps the other half is better."""
    _, problem = toy(2, side=128)
    start = start_of(problem)
    told = replace(problem, noise=replace(problem.noise, variance=problem.noise.variance / 4))
    assert judged(told, misled(start, 2.0), start) == [False, False]
