"""DIP by projected risk: its divergence does not vanish, its estimate is without bias, and what it reaches."""

from dataclasses import replace

import pytest
import torch
from contracts.toys import blurred, shrunk
from torch import Tensor, nn

from il_models import priors
from il_models.data_steps import noise_level, projected_misfit
from il_models.draw import Draw
from il_models.fitting import fit
from il_models.fitting.zero_crossing import ZeroCrossing
from il_models.methods import gsure
from il_models.methods.gsure import ProjectedGsure
from il_models.metrics import mse
from il_models.nets import Nets
from il_models.noise import Noise
from il_models.problem import Problem

TINY = ProjectedGsure(widths=(8, 8), withheld=0.0)
GAIN = 0.9


class Gain(nn.Module):
    """u -> gain u: a linear map, whose divergence is known."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(GAIN))

    def forward(self, x: Tensor) -> Tensor:
        return self.gain * x


def linear(monkeypatch: pytest.MonkeyPatch, problem: Problem) -> Nets:
    for module in (gsure, priors):
        monkeypatch.setattr(module, "in_range", lambda x, inputs: x)
    return Nets.stacked([Gain() for _ in range(problem.b)])


def many(make: object, tiles: int) -> tuple[Tensor, Problem]:
    """One scene, measured so many times."""
    clean, problem = make(1, side=12, sigma=0.1)  # type: ignore[operator]
    clean = clean.expand(tiles, -1, -1, -1)
    seeds = torch.arange(tiles) + 11
    y = problem.A(clean) + 0.1 * Draw(seeds).normal(1, 12, 12)
    noise = Noise(torch.zeros(tiles, 1), torch.full((tiles, 1), 0.01), torch.zeros(tiles, 2))
    return clean, replace(problem, y=y, noise=noise, mask=problem.mask.expand(tiles, -1, -1, -1), seeds=seeds)


def damp_of(problem: Problem) -> Tensor:
    return TINY.damp * (255 * noise_level(problem)) ** 2 + TINY.floor


@pytest.mark.parametrize("make", [blurred, shrunk])
def test_the_divergence_is_that_of_a_linear_map(monkeypatch: pytest.MonkeyPatch, make: object) -> None:
    """Loss less misfit is sigma^2 (2 gain tr(W A A^T) - tr W) / n in the mean, and far from 0."""
    _, problem = many(make, 100)
    nets, draw = linear(monkeypatch, problem), Draw(problem.seeds + 5000)
    inputs = TINY.prepare(problem, draw)
    with torch.no_grad():
        x = TINY.estimate(nets, inputs, problem, draw)
        found = TINY.loss(nets, inputs, problem, draw, 0) - projected_misfit(problem, x, damp_of(problem), 1e-5)
    n = problem.y[0].numel()
    one = problem.take(torch.tensor([0]))
    units = torch.eye(n, dtype=torch.float64).reshape(n, 1, 12, 12).float()
    through = torch.cat([one.A(one.A.adjoint(unit[None])) for unit in units]).reshape(n, n).double()
    W = torch.linalg.inv(through + float(damp_of(one)) * torch.eye(n, dtype=torch.float64))
    divergence, constant = (0.01 * GAIN * float((W @ through).trace()) / n, 0.01 * float(W.trace()) / n)
    error = float(found.std()) / 100**0.5
    assert abs(float(found.mean()) - (2 * divergence - constant)) < 4 * error + 0.02 * abs(divergence)
    assert 2 * divergence > 10 * error  # the term that is 0 in the authors' programme


@pytest.mark.parametrize("make", [blurred, shrunk])
def test_the_estimate_is_without_bias(monkeypatch: pytest.MonkeyPatch, make: object) -> None:
    """Over 200 measurements of a scene its mean is that of the true projected error, within 4 standard errors."""
    clean, problem = many(make, 200)
    nets, draw = linear(monkeypatch, problem), Draw(problem.seeds + 9000)
    inputs = TINY.prepare(problem, draw)
    with torch.no_grad():
        x = TINY.estimate(nets, inputs, problem, draw)
        told = TINY.loss(nets, inputs, problem, draw, 0)
        true = projected_misfit(replace(problem, y=problem.A(clean)), x, damp_of(problem), 1e-4)
        naive = projected_misfit(problem, x, damp_of(problem), 1e-4)
    error = float((told - true).std()) / 200**0.5
    assert abs(float((told - true).mean())) < 4 * error
    assert abs(float((naive - true).mean())) > 8 * error


def test_the_input_is_the_measurement_sent_back() -> None:
    _, problem = blurred(2, side=16)
    inputs = TINY.prepare(problem, Draw(problem.seeds))
    assert torch.equal(inputs["code"][:, 0], problem.A.adjoint(problem.y))
    with_code = replace(TINY, code=3).prepare(problem, Draw(problem.seeds))
    assert with_code["code"].shape == (2, 1, 4, *problem.A.image_size((16, 16)))


def test_it_sharpens_and_stops_where_the_risk_falls_below_zero() -> None:
    clean, problem = blurred(1, side=20)
    done = fit(problem, replace(TINY, steps=60, rate=0.02))
    within = torch.zeros_like(clean[:, :1], dtype=torch.bool)
    within[..., 4:-4, 4:-4] = True
    assert float(mse(done.x, clean, within)) < 0.8 * float(mse(problem.fallback(), clean, within))
    assert isinstance(TINY.stopper, ZeroCrossing)
