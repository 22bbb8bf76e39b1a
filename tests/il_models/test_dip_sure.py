"""DIP by unbiased risk: its network, its divergence, its mask, its noise, and what it reaches on a scene."""

from dataclasses import replace

import pytest
import torch
from contracts.toys import SIGMA, small, toy
from torch import Tensor, nn

from il_models.draw import Draw
from il_models.fitting import fit
from il_models.fitting.held_out import HeldOut
from il_models.fitting.zero_crossing import ZeroCrossing
from il_models.methods import dip_sure
from il_models.methods.dip_sure import DeepImagePriorSure
from il_models.metrics import mse
from il_models.nets import Nets, seeded_networks
from il_models.networks.softplus import SoftplusEncoderDecoder, multiplications
from il_models.noise import Noise
from il_models.problem import Problem
from il_models.stopper import Look

TINY = DeepImagePriorSure(narrow=6, wide=9)


def nets_of(method: DeepImagePriorSure, problem: Problem) -> Nets:
    return Nets.stacked(seeded_networks(lambda: method.network(problem), problem.seeds, torch.device("cpu")))


def losses_of(method: DeepImagePriorSure, problem: Problem, nets: Nets, count: int = 1) -> Tensor:
    draw = Draw(problem.seeds)
    inputs = method.prepare(problem, draw)
    with torch.no_grad():
        return torch.stack([method.loss(nets, inputs, problem, draw, 0) for _ in range(count)])


class Shrinkage(nn.Module):
    """x -> gain x: a linear network whose divergence is its gain."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(0.6))

    def forward(self, x: Tensor) -> Tensor:
        return self.gain * x


def linear(monkeypatch: pytest.MonkeyPatch, problem: Problem) -> Nets:
    monkeypatch.setattr(dip_sure, "in_range", lambda x, inputs: x)
    return Nets.stacked([Shrinkage() for _ in range(problem.b)])


def test_the_divergence_of_a_linear_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """|g y - y|^2 / n - sigma^2 + 2 sigma^2 g, without extra noise."""
    _, problem = toy(2, channels=2)
    variance = torch.tensor([[0.01, 0.04], [0.0025, 0.01]])  # per tile and channel
    problem = replace(problem, noise=Noise(torch.zeros(2, 2), variance, torch.zeros(2, 2)))
    found = losses_of(replace(TINY, extra=0.0), problem, linear(monkeypatch, problem))[0]
    expected = (0.16 * problem.y**2).mean((1, 2, 3)) + (2 * 0.6 - 1) * variance.mean(1)
    assert torch.allclose(found, expected, rtol=1e-3)


def test_the_loss_is_the_error_in_the_mean(monkeypatch: pytest.MonkeyPatch) -> None:
    """Extended SURE of shrinkage against the truth, over many draws of the extra noise."""
    clean, problem = toy(1, side=96)
    nets = linear(monkeypatch, problem)
    method = replace(TINY, extra=0.5)
    draw, errors = Draw(problem.seeds), []
    method.prepare(problem, draw)
    for _ in range(60):
        level = 0.5 * draw.uniform(1, 1, 1)
        u = problem.y + level * SIGMA * draw.normal(*problem.y.shape[1:])
        draw.signs(*problem.y.shape[1:])
        errors.append(((0.6 * u - clean) ** 2).mean())
    found = losses_of(method, problem, nets, 60).mean()
    assert float(found) == pytest.approx(float(torch.stack(errors).mean()), abs=5e-4)


def test_pixels_that_were_not_measured_take_no_part(monkeypatch: pytest.MonkeyPatch) -> None:
    _, problem = toy(2)
    mask = problem.mask.clone()
    mask[..., 9:20, 9:12] = False
    nets = linear(monkeypatch, problem)
    fills = [torch.where(mask, problem.y, torch.full_like(problem.y, fill)) for fill in (0.0, 9.0)]
    losses = [losses_of(TINY, replace(problem, y=y, mask=mask), nets) for y in fills]
    assert torch.equal(*losses)


def test_without_noise_the_loss_is_finite() -> None:
    _, problem = toy(1)
    silent = replace(problem, noise=Noise(torch.zeros(1, 1), torch.zeros(1, 1), torch.zeros(1, 2)))
    assert bool(losses_of(TINY, silent, nets_of(TINY, silent)).isfinite().all())


@pytest.mark.parametrize("sides", [(64, 32), (13, 7), (3, 5)])
def test_the_network_takes_any_size(sides: tuple[int, int]) -> None:
    scales = dip_sure.scales_of(sides, 5)
    assert SoftplusEncoderDecoder(2, 6, 9, scales)(torch.rand(1, 2, *sides)).shape == (1, 2, *sides)


def test_multiplications_are_those_of_the_convolutions() -> None:
    network, counted = SoftplusEncoderDecoder(2, 6, 9, 3), []

    def count(module: nn.Conv2d, _: object, out: Tensor) -> None:
        counted.append(module.weight.numel() * out.shape[-1] * out.shape[-2])

    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(count)
    network(torch.rand(1, 2, 32, 32))
    assert sum(counted) / 32**2 == pytest.approx(multiplications(2, 6, 9, 3))


def test_all_networks_in_the_same_kernels_are_the_networks_in_turn() -> None:
    _, problem = toy(3)
    nets, x = nets_of(TINY, problem), torch.rand(3, 1, 1, 32, 32)
    assert torch.allclose(nets.together(x), nets.in_turn(x), atol=1e-5)


def test_the_rate_falls_ten_times_by_a_tenth() -> None:
    assert [DeepImagePriorSure().rate_at(step) for step in (0, 299, 300, 2999)] == pytest.approx(
        [0.1, 0.1, 0.09, 0.1 * 0.9**9]
    )


def test_it_stops_where_the_risk_falls_below_zero() -> None:
    """In the mean of the last looks, per tile, and not before."""
    _, problem = toy(2)
    stopper = ZeroCrossing(keep=0.5)
    state = stopper.start(problem)
    stops = []
    for step, loss in enumerate([(1.0, 1.0), (-0.5, 0.5), (-0.5, 0.2)]):
        look = Look(step, torch.tensor(loss), problem, ~problem.mask, problem.y, None, lambda y: y)
        state, stop, _ = stopper.update(state, look)
        stops.append(stop.tolist())
    assert stops == [[0, 0], [0, 0], [1, 0]]
    assert isinstance(replace(TINY, withheld=0.0).stopper, ZeroCrossing)


def test_withheld_pixels_stop_it() -> None:
    assert TINY.stopper == HeldOut(TINY.patience, dip_sure.LOOK, TINY.withheld)


def test_a_short_fit_is_better_than_half_of_the_noise() -> None:
    clean, problem = toy(1, side=64)
    done = fit(problem, small(DeepImagePriorSure, steps=120))
    assert bool((mse(done.x, clean, problem.mask) < 0.5 * mse(problem.y, clean, problem.mask)).all())
