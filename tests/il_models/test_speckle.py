"""Speckle: the logarithm, and a way back that keeps the level of the measurements."""

import math

import pytest
import torch
from contracts.toys import scenes
from torch import Tensor

from il_models.degradations import Identity
from il_models.draw import Draw
from il_models.methods.nlm import NonLocalMeans
from il_models.noise import Logarithm, Noise, estimate_noise, looks_of, looks_seen
from il_models.noise.speckle import MOST_LOOKS, REACH, at_level, log_bias, log_variance
from il_models.problem import Problem
from il_models.risk import probed, sure

LOOKS = [1.0, 4.0, 16.0]
NLM = NonLocalMeans()


def speckled(x: Tensor, looks: float, seed: int = 0) -> Tensor:
    """x times gamma noise of mean 1."""
    torch.manual_seed(seed)
    return x * torch.distributions.Gamma(looks, looks).sample(x.shape)


def logarithm(y: Tensor, looks: float, floor: float = 1e-6) -> Logarithm:
    number = torch.ones(y.shape[:2])
    return Logarithm(looks * number, floor * number, y, torch.ones_like(y[:, :1], dtype=torch.bool))


def problem_of(y: Tensor, transform: Logarithm) -> Problem:
    one = torch.ones(y.shape[:2])
    noise = transform.noise(0 * one, one, torch.zeros(len(y), 2))
    return Problem(transform.forward(y), Identity(), noise, transform.mask, torch.arange(len(y)))


def scene(side: int = 160) -> Tensor:
    """Intensities over a factor of 10, with an edge and stripes of 10 px."""
    stripes = 1 + 0.5 * torch.sin(torch.arange(side) * 0.6)
    return 40 * torch.exp(1.7 * scenes(1, side=side)) * stripes


@pytest.mark.parametrize("looks", [0.5, 1.0, 4.0, 16.0, 200.0])
def test_the_logarithm_of_speckle(looks: float) -> None:
    n = torch.log(speckled(torch.ones(400_000), looks))
    number = torch.tensor(looks)
    assert float(log_bias(number)) == pytest.approx(float(n.mean()), abs=0.005 + 0.005 / looks)
    assert float(log_variance(number)) == pytest.approx(float(n.var()), rel=0.02)
    assert looks_of(float(log_variance(number))) == pytest.approx(looks, rel=1e-3)


def test_no_noise_has_the_most_looks() -> None:
    assert looks_of(0.0) == pytest.approx(MOST_LOOKS)
    assert math.isfinite(looks_of(1e9))


@pytest.mark.parametrize("looks", LOOKS)
def test_a_flat_field_keeps_its_mean(looks: float) -> None:
    y = speckled(torch.full((1, 1, 256, 256), 50.0), looks)
    transform = logarithm(y, looks)
    problem = problem_of(y, transform)
    x = transform.backward(NLM.estimate(problem))
    assert float(x.mean()) == pytest.approx(50, rel=0.01)
    assert float(x.std()) < 0.2 * float(y.std())


@pytest.mark.parametrize("looks", LOOKS)
def test_a_scene_keeps_its_mean_and_is_nearer_than_without_the_logarithm(looks: float) -> None:
    clean = scene()
    y = speckled(clean, looks)
    transform = logarithm(y, looks)
    x = transform.backward(NLM.estimate(problem_of(y, transform)))
    assert float(x.mean()) == pytest.approx(float(clean.mean()), rel=0.02)
    middle = (clean.max() + clean.min()) / 2
    noise = Noise(torch.zeros(1, 1), (middle**2 / looks).reshape(1, 1), torch.zeros(1, 2))
    plain = NLM.estimate(Problem(y, Identity(), noise, transform.mask, torch.arange(1)))

    def error(image: Tensor) -> float:
        return float(((image - clean) ** 2).mean())

    assert error(x) < 0.8 * error(plain)
    assert error(x) < 0.25 * error(y)
    assert float(((x / clean - 1) ** 2).mean()) < float(((plain / clean - 1) ** 2).mean())


def test_without_noise_and_blur_nothing_changes() -> None:
    """The estimate is the truth, so that its level is that of the measurements but for the speckle in their mean."""
    clean = scene()
    y = speckled(clean, 4.0)
    transform = logarithm(y, 4.0)
    d = torch.log(clean) + log_bias(torch.tensor(4.0))
    assert float((transform.backward(d) / clean).std()) < 0.03
    assert torch.allclose(at_level(clean, logarithm(clean, 4.0)), clean, rtol=1e-4)


@pytest.mark.parametrize("kept", [False, True])
def test_a_bright_target_does_not_lift_its_surroundings(kept: bool) -> None:
    """Lost or kept: around it the level is what the other pixels say."""
    clean = torch.full((1, 1, 128, 128), 10.0)
    y = speckled(clean, 4.0)
    y[..., 64, 64] = 1e6
    estimate = 0.95 * clean
    estimate[..., 64, 64] = 4e5 if kept else 9.5
    x = at_level(estimate, logarithm(y, 4.0))
    around = x[..., 55:74, 70:74]
    assert bool(((around > 9.4) & (around < 10.6)).all())


def test_what_was_not_measured_takes_no_part() -> None:
    clean = torch.full((2, 1, 96, 96), 10.0)
    y = speckled(clean, 4.0)
    whole = logarithm(y, 4.0)
    mask = torch.ones_like(whole.mask)
    mask[:, :, 30:50] = False
    transform = Logarithm(whole.looks, whole.floor, torch.where(mask, y, torch.full_like(y, 1e4)), mask)
    x = transform.backward(torch.log(clean) + log_bias(torch.tensor(4.0)))
    assert bool(((x > 9) & (x < 11)).all())
    nothing = Logarithm(whole.looks, whole.floor, y, torch.zeros_like(mask))
    assert torch.allclose(nothing.backward(torch.log(clean) + log_bias(torch.tensor(4.0))), clean)
    other = transform.take(torch.tensor([1]))
    assert torch.equal(other.backward(transform.forward(y)[1:]), transform.backward(transform.forward(y))[1:])


def test_zeros_and_negative_values() -> None:
    y = torch.tensor([-3.0, 0.0, 1e-9, 0.5, 2.0]).reshape(1, 1, 1, 5)
    transform = logarithm(y, 1.0, floor=0.1)
    d = transform.forward(y)
    assert d.flatten().tolist() == pytest.approx([math.log(0.1)] * 3 + [math.log(0.5), math.log(2)])
    assert bool(transform.backward(d + 1000).isfinite().all())
    assert bool(transform.backward(d - 1000).isfinite().all())


@pytest.mark.parametrize("sides", [(1, 1), (17, 3), (2 * REACH, 40)])
def test_tiny_tiles(sides: tuple[int, int]) -> None:
    y = speckled(torch.full((2, 3, *sides), 7.0), 4.0)
    x = logarithm(y, 4.0).backward(torch.log(y))
    assert x.shape == y.shape
    assert bool((x.isfinite() & (x > 0)).all())


@pytest.mark.parametrize(("looks", "decibel"), [(1.0, 3.0), (4.0, 0.7), (16.0, 0.5)])
def test_the_estimated_risk_is_near_the_true_one(looks: float, decibel: float) -> None:
    """Log-speckle is skewed; with one look its risk is told too low."""
    clean = scene()
    y = speckled(clean, looks)
    transform = logarithm(y, looks)
    problem = problem_of(y, transform)
    assert float(problem.noise.sigma(problem.y).mean()) == pytest.approx(
        float(log_variance(torch.tensor(looks))) ** 0.5
    )
    x = NLM.estimate(problem)
    draw = Draw(problem.seeds + 99)
    told = sure(problem, probed(problem, x, lambda z: NLM.estimate(problem_like(problem, z)), draw))
    true = float(((x - torch.log(clean) - log_bias(torch.tensor(looks))) ** 2).mean())
    assert 10 * abs(math.log10(float(told) / true)) < decibel


def problem_like(problem: Problem, y: Tensor) -> Problem:
    return Problem(y, problem.A, problem.noise, problem.mask, problem.seeds)


@pytest.mark.parametrize(("looks", "most"), [(1.0, 0.08), (4.0, 0.08), (16.0, 0.2)])
def test_looks_are_found_blind(looks: float, most: float) -> None:
    """Blocks with few deep nulls pass for flat, which is allowed for. Stripes count as noise."""
    d = torch.log(speckled(scene(256), looks))[:, 0]
    gain, variance, _ = estimate_noise(d, torch.ones_like(d, dtype=torch.bool))
    assert looks_seen(gain * float(d.median()) + variance) == pytest.approx(looks, rel=most)
