"""Recorrupted-to-Recorrupted: its pairs, its loss, its mask, its noise level, and its passes."""

from dataclasses import replace

import pytest
import torch
from contracts.toys import SIGMA, scenes, toy
from torch import Tensor

from il_models.degradations import Identity
from il_models.draw import Draw
from il_models.fitting import Outgrown, Status, fit
from il_models.methods.r2r import LOOK, SEEN, RecorruptedToRecorrupted, recorrupted
from il_models.metrics import mse
from il_models.nets import Nets, seeded_networks
from il_models.noise import Noise
from il_models.problem import Problem

SMALL = RecorruptedToRecorrupted(steps=10, width=6, depth=2, crop=0, passes=0)


def nets_of(method: RecorruptedToRecorrupted, problem: Problem) -> Nets:
    return Nets.stacked(seeded_networks(lambda: method.network(problem), problem.seeds, torch.device("cpu")))


def with_sigma(problem: Problem, *sigma: float) -> Problem:
    b, c = problem.y.shape[:2]
    variance = torch.tensor(sigma).expand(b, c) ** 2
    return replace(problem, noise=Noise(torch.zeros(b, c), variance, torch.zeros(b, 2)))


@pytest.mark.parametrize("strength", [0.5, 1.0])
def test_the_two_corruptions_are_independent_noise_on_one_scene(strength: float) -> None:
    """Over many measurements of one x: covariance 0, variances sigma^2 (1 + a^2) and sigma^2 (1 + 1 / a^2), mean x."""
    clean, count = scenes(1, side=4), 40_000
    draw = Draw(torch.tensor([11]))
    y = clean + SIGMA * draw.normal(count, 4, 4)[0][:, None]
    seen, target = recorrupted(y, SIGMA * draw.normal(count, 4, 4)[0][:, None], strength, mirrored=True)
    for n in (0, 1):
        one, other = (each[:, n] - clean for each in (seen, target))
        scale = SIGMA**2 * ((1 + strength**2) * (1 + strength**-2)) ** 0.5
        assert float((one * other).mean(0).abs().max()) < 4 * scale / count**0.5
        assert torch.allclose(one.var(0), torch.tensor(SIGMA**2 * (1 + strength**2)), rtol=0.04)
        assert torch.allclose(other.var(0), torch.tensor(SIGMA**2 * (1 + strength**-2)), rtol=0.04)
        assert float(one.mean().abs()) < 0.001
        mixed = (one[..., :-1] * other[..., 1:]).mean()  # nor is one pixel's noise that of its neighbour
        assert float(mixed.abs()) < 4 * scale / (12 * count) ** 0.5


def test_mirrored_pairs() -> None:
    y, noise = torch.rand(2, 3, 4, 4), torch.rand(2, 3, 4, 4)
    seen, target = recorrupted(y, noise, 0.5, mirrored=True)
    assert seen.shape == target.shape == (2, 2, 3, 4, 4)
    assert torch.allclose(seen.mean(1), y)
    assert torch.allclose(target[:, 0], y - 2 * noise)
    assert torch.equal(recorrupted(y, noise, 0.5, mirrored=False)[0], seen[:, :1])


def test_the_loss_is_that_of_the_paper() -> None:
    _, problem = toy(1, side=16)
    network = seeded_networks(lambda: SMALL.network(problem), problem.seeds, torch.device("cpu"))[0]
    w = SIGMA * Draw(problem.seeds).normal(1, 16, 16)
    seen, target = problem.y + 0.5 * w, problem.y - w / 0.5
    expected = ((seen - network(seen) - target) ** 2).mean()
    method = replace(SMALL, mirrored=False)
    draw = Draw(problem.seeds)
    found = method.loss(Nets.stacked([network]), method.prepare(problem, draw), problem, draw, 0)
    assert torch.allclose(found[0], expected, rtol=1e-5)


def test_every_step_draws_afresh() -> None:
    _, problem = toy(2, side=16)
    nets, draw = nets_of(SMALL, problem), Draw(problem.seeds)
    inputs = SMALL.prepare(problem, draw)
    first, second = (SMALL.loss(nets, inputs, problem, draw, 0) for _ in range(2))
    assert bool((first != second).all())


def test_pixels_that_were_not_measured_take_no_part() -> None:
    _, problem = toy(2, side=32)
    mask = problem.mask.clone()
    mask[:, :, 9:12, 9:12] = False
    nets = nets_of(SMALL, problem)
    silent = nets.replaced({name: torch.zeros_like(value) for name, value in nets.weights.items()})
    losses = []
    for fill in (0.0, 50.0):
        filled = replace(problem, mask=mask, y=torch.where(mask, problem.y, torch.full_like(problem.y, fill)))
        draw = Draw(problem.seeds)
        losses.append(SMALL.loss(silent, SMALL.prepare(filled, draw), filled, draw, 0))
    assert torch.allclose(*losses, rtol=1e-5)


def test_levels_are_per_channel_and_per_tile() -> None:
    _, problem = toy(2, channels=2, side=16)
    sigma = SMALL.prepare(with_sigma(problem, 0.1, 0.3), Draw(problem.seeds))["sigma"]
    assert torch.allclose(sigma[:, 0], torch.tensor(0.1))
    assert torch.allclose(sigma[:, 1], torch.tensor(0.3))


def test_a_level_that_follows_the_signal_is_taken_from_the_smooth_signal() -> None:
    """Noise that is drawn for a pixel must not depend on the noise the pixel has."""
    _, problem = toy(1, side=32)
    noise = Noise(torch.full((1, 1), 0.02), torch.zeros(1, 1), torch.zeros(1, 2))
    sigma = SMALL.prepare(replace(problem, noise=noise), Draw(problem.seeds))["sigma"]
    true = torch.sqrt(0.02 * scenes(1, side=32).clamp(min=0))
    assert float((sigma - true).abs().mean()) < 0.01
    assert float(((sigma - true) * (problem.y - scenes(1, side=32))).mean().abs()) < 0.002


def test_without_noise_the_measurement_is_returned() -> None:
    """A level of zero is one that nobody knows, or a measurement that needs no method."""
    _, problem = toy(2, channels=2, side=16)
    done = fit(with_sigma(problem, 0.0, 0.1), replace(SMALL, steps=3))
    assert torch.equal(done.x[:, 0], problem.y[:, 0])
    assert not torch.equal(done.x[:, 1], problem.y[:, 1])


def test_a_level_that_is_not_a_number_ends_as_diverged() -> None:
    _, problem = toy(1, side=16)
    done = fit(with_sigma(problem, float("nan")), replace(SMALL, steps=3))
    assert done.records[0].status is Status.DIVERGED
    assert torch.equal(done.x, problem.y)


def test_passes_are_averaged_and_the_same_whenever_asked() -> None:
    """So that a risk estimate, which asks twice, sees the network and not two draws."""
    _, problem = toy(2, side=16)
    nets = nets_of(SMALL, problem)

    def image(passes: int, calls: int) -> Tensor:
        method, draw = replace(SMALL, passes=passes), Draw(problem.seeds, calls)
        with torch.no_grad():
            return method.estimate(nets, method.prepare(problem, draw), problem, draw)

    assert torch.equal(image(3, 0), image(3, 77))
    assert not torch.equal(image(3, 0), image(1, 0))
    plain = image(0, 0)
    errors = [float(mse(image(passes, 0), plain, problem.mask).mean()) for passes in (1, 16)]
    assert errors[1] < 0.2 * errors[0]


def test_own_steps_and_inputs() -> None:
    paper = RecorruptedToRecorrupted()
    assert paper.own_steps(50).rate_at(0) == paper.own_rate
    assert paper.own_steps(50) == replace(paper, steps=50, rate=paper.own_rate)
    assert paper.on_input() == replace(paper, passes=0)


def test_the_fast_preset_ends_where_its_residual_outgrows_the_noise() -> None:
    """Its way does not depend on the steps that are allowed: one that stopped is the same with twice as many."""
    fast = RecorruptedToRecorrupted(**{**RecorruptedToRecorrupted.presets["fast"], "width": 8, "views": 1})
    assert fast.stopper == Outgrown(1.0, LOOK, 0, SEEN / 32**2)
    assert replace(fast, crop=0).stopper == Outgrown(1.0, LOOK, SEEN)
    assert fast.weight_average == 0.99
    for other in (fast.on_input(), fast.own_steps(20), RecorruptedToRecorrupted()):
        assert isinstance(other, RecorruptedToRecorrupted)
        assert (other.stopper, other.weight_average) == (None, 0.0)
    _, problem = toy(2, side=16)
    soon = Outgrown(0.1, 10, first=20)
    short, long = (fit(problem, replace(fast, steps=steps), stopper=soon) for steps in (60, 120))
    assert {record.reason for record in short.records} == {"residual beyond the noise"}
    assert torch.equal(short.x, long.x)


def test_a_wrong_level_shows() -> None:
    """Too low keeps noise."""
    clean, problem = toy(2, side=32)
    method = RecorruptedToRecorrupted(**{**RecorruptedToRecorrupted.presets["fast"], "steps": 150, "width": 12})
    right, low = fit(problem, method).x, fit(with_sigma(problem, SIGMA / 3), method).x
    residual = [float(mse(problem.y, x, problem.mask).mean()) for x in (right, low)]
    assert residual[1] < residual[0]
    assert bool((mse(right, clean, problem.mask) < mse(low, clean, problem.mask)).all())
    assert isinstance(problem.A, Identity)
