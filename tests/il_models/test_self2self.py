"""Self2Self: partial convolutions, blind spots, dropout per tile, the spread of its passes, blocks, tiny tiles."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from contracts.toys import doubled, toy
from torch import Tensor, nn
from torch.nn.functional import conv2d

from il_models.draw import Draw
from il_models.fitting import fit
from il_models.methods import self2self
from il_models.methods.self2self import Self2Self
from il_models.nets import Nets, seeded_networks
from il_models.networks.partial_unet import PartialConvolution, PartialUNet, kept_shapes
from il_models.problem import Problem

SIZES: dict[str, Any] = {"width": 6, "decoder": 8, "head": (6, 4), "pools": 2}
SMALL = Self2Self(steps=3, rate=1e-3, passes=3, **SIZES)


def livened(network: nn.Module) -> nn.Module:
    """With a last layer that says something, for it begins at 0."""
    assert isinstance(network, PartialUNet)
    nn.init.normal_(network.get_parameter(f"decoder.{len(network.decoder) - 1}.weight"), std=0.1)
    return network


def nets_of(method: Self2Self, problem: Problem) -> Nets:
    made = seeded_networks(lambda: livened(method.network(problem)), problem.seeds, problem.y.device)
    return Nets.stacked([network.to(problem.y.dtype) for network in made])


def all_kept(size: tuple[int, int], channels: int = 1) -> list[Tensor]:
    return [torch.ones(1, *shape, dtype=torch.bool) for shape in kept_shapes(size, channels, **SIZES)]


def without_holes(seed: int = 0) -> tuple[nn.Module, Tensor]:
    torch.manual_seed(seed)
    return livened(PartialUNet(1, **SIZES, dropout=0.3)), torch.rand(1, 1, 16, 16)


def test_a_partial_convolution_of_known_values_is_a_convolution() -> None:
    torch.manual_seed(0)
    layer, x = PartialConvolution(3, 5), torch.rand(2, 3, 9, 8)
    layer.bias.data.normal_()
    y, seen = layer(x, torch.ones_like(x))
    plain = conv2d(x, layer.weight, layer.bias, padding=1)
    assert torch.allclose(y[..., 1:-1, 1:-1], plain[..., 1:-1, 1:-1], atol=1e-5)
    assert bool((seen == 1).all())
    bias = layer.bias[:, None, None]
    assert torch.allclose(y[..., 0, 1:-1] - bias[:, 0], (plain - bias)[..., 0, 1:-1] * 9 / 6, atol=1e-5)


def test_a_partial_convolution_ignores_unknown_values_and_makes_up_for_them() -> None:
    torch.manual_seed(0)
    layer, x = PartialConvolution(1, 4), torch.rand(1, 1, 12, 12)
    known = (torch.rand(1, 1, 12, 12) < 0.5).float()
    known[..., :4, :4] = 0
    y, seen = layer(x, known)
    assert torch.equal(y, layer(torch.where(known == 1, x, 1e3), known)[0])
    assert float(seen[..., :3, :3].max()) == 0
    assert float(y[..., :3, :3].detach().abs().max()) == 0
    level = layer(torch.ones_like(x), torch.ones_like(x))[0]
    layer.weight.data = layer.weight.mean((-1, -2), keepdim=True).expand_as(layer.weight).clone()
    level, some = layer(torch.ones_like(x), torch.ones_like(x))[0], layer(torch.ones_like(x), known)[0]
    assert torch.allclose(some, level * seen, atol=1e-5)


def test_a_hidden_value_cannot_reach_any_prediction() -> None:
    network, x = without_holes()
    known = torch.rand(x.shape) < 0.7
    moved = torch.where(known, x, x + 5)
    kept = all_kept((16, 16))
    assert torch.equal(network(x, known, *kept), network(moved, known, *kept))


@pytest.mark.parametrize("residual", [False, True])
def test_a_prediction_is_blind_to_what_is_hidden(residual: bool) -> None:
    """Also where the mean of the given neighbours is added; one that is given does change it."""
    method = replace(SMALL, residual=residual)
    _, problem = toy(2, side=16)
    nets = nets_of(method, problem)
    given = Draw(problem.seeds).keep(0.7, 1, 16, 16)

    def predicted(y: Tensor) -> Tensor:
        return method._prediction(nets, y, given, Draw(problem.seeds)).detach()

    plain = predicted(problem.y)
    assert torch.equal(predicted(torch.where(given, problem.y, problem.y + 5)), plain)
    assert not torch.equal(predicted(torch.where(given, problem.y + 5, problem.y)), plain)


def test_the_mean_of_given_neighbours() -> None:
    y = torch.arange(25.0).reshape(1, 1, 5, 5)
    given = torch.zeros(1, 1, 5, 5, dtype=torch.bool)
    given[..., 0, 0] = given[..., 1, 2] = True
    found = self2self._neighbours(y, given)
    assert torch.allclose(found[0, 0, 1], torch.tensor([0.0, 3.5, 7.0, 7.0, 0.0]), atol=1e-4)
    assert float(found[..., 3:, :].abs().max()) == 0


def test_sizes_of_the_papers_network() -> None:
    """Seven layers down, eleven up; 5 halvings."""
    network = Self2Self().network(toy(1, 3)[1])
    assert isinstance(network, PartialUNet)
    assert [len(network.encoder), len(network.decoder)] == [7, 11]
    shapes = kept_shapes((64, 64), 3, 48, 96, (64, 32), 5)
    assert [shape[0] for shape in shapes] == [96, 96, 144, 96, 144, 96, 144, 96, 99, 64, 32]
    assert [shape[1] for shape in shapes] == [4, 4, 8, 8, 16, 16, 32, 32, 64, 64, 64]


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (5, 13), (16, 16)])
def test_any_size_will_do(size: tuple[int, int]) -> None:
    network, _ = without_holes()
    x = torch.rand(1, 1, *size)
    assert network(x, torch.ones_like(x, dtype=torch.bool), *all_kept(size)).shape == x.shape


def test_the_loss_is_that_of_the_hidden_measured_pixels() -> None:
    """What was not measured changes nothing; a silent network says the middle of the values."""
    _, problem = toy(2, side=32)
    mask = problem.mask.clone()
    mask[:, :, 5:20, 5:20] = False
    losses = []
    for fill in (0.0, 0.5):
        filled = replace(problem, mask=mask, y=torch.where(mask, problem.y, fill))
        losses.append(SMALL.loss(nets_of(SMALL, filled), {}, filled, Draw(filled.seeds), 0).detach())
    assert torch.equal(*losses)
    nets = nets_of(SMALL, problem)
    silent = nets.replaced({name: torch.zeros_like(value) for name, value in nets.weights.items()})
    level = replace(problem, y=torch.full_like(problem.y, 2.0), mask=mask)
    assert torch.allclose(SMALL.loss(silent, {}, level, Draw(level.seeds), 0), torch.full((2,), 1.5**2))
    empty = replace(problem, mask=torch.zeros_like(mask))
    assert torch.equal(SMALL.loss(nets, {}, empty, Draw(empty.seeds), 0).detach(), torch.zeros(2))


def test_dropout_differs_between_tiles_and_is_the_same_in_any_batch() -> None:
    seeds = torch.arange(3)
    together = self2self._kept(Draw(seeds), 0.7, (5, 8, 9))
    assert together.shape == (3, 5, 8, 9)
    assert not torch.equal(together[0], together[1])
    for tile in range(3):
        assert torch.equal(self2self._kept(Draw(seeds[[tile]]), 0.7, (5, 8, 9))[0], together[tile])


def test_dropout_keeps_what_it_should() -> None:
    kept = self2self._kept(Draw(torch.arange(4)), 0.7, (101, 64)).float()
    assert abs(float(kept.mean()) - 0.7) < 0.01
    neighbours = torch.corrcoef(torch.stack([kept[..., :-1].flatten(), kept[..., 1:].flatten()]))[0, 1]
    assert abs(float(neighbours)) < 0.02


def test_the_spread_is_that_of_the_passes() -> None:
    _, problem = toy(2, side=24)
    nets = nets_of(SMALL, problem)
    draw = Draw(problem.seeds ^ self2self.SALT)
    passes = torch.stack([SMALL._pass(nets, problem, draw) for _ in range(3)]).detach()
    with torch.no_grad():
        mean, std = SMALL.estimate(nets, {}, problem, draw), SMALL.spread(nets, {}, problem, draw)
    assert std is not None
    assert torch.allclose(mean, passes.mean(0), atol=1e-6)
    assert torch.allclose(std, passes.std(0, correction=0), atol=1e-6)
    assert bool((std >= 0).all())
    assert replace(SMALL, passes=1).spread(nets, {}, problem, draw) is None


def test_the_estimate_is_a_function_of_the_measurement() -> None:
    """Wherever the stream of the fit stands, so that a risk by small changes of y is not one of other dropouts."""
    _, problem = toy(1, side=16)
    nets = nets_of(SMALL, problem)
    with torch.no_grad():
        first, second = (SMALL.estimate(nets, {}, problem, Draw(problem.seeds, calls)) for calls in (0, 17))
    assert torch.equal(first, second)


def test_blocks_see_far_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing is random, blocks of a tile give what the whole tile gives; with 2 pools 18 pixels are seen."""
    problem = doubled(toy(1, side=80)[1])
    method = replace(SMALL, passes=1, given=1.0, dropout=0.0)
    nets = nets_of(method, problem)
    whole = method.estimate(nets, {}, problem, Draw(problem.seeds)).detach()
    monkeypatch.setattr(self2self, "BLOCK", 32)
    assert torch.allclose(method.estimate(nets, {}, problem, Draw(problem.seeds)).detach(), whole, atol=1e-12)


@pytest.mark.parametrize("crop", [0, 16])
def test_pieces_and_flips_are_the_same_in_any_batch(crop: int) -> None:
    _, problem = toy(3, side=40)
    method = replace(SMALL, crop=crop)
    together = fit(problem, method)
    alone = fit(problem.take(torch.tensor([2])), method)
    assert torch.equal(alone.x[0], together.x[2])


def test_networks_together_are_those_one_after_the_other() -> None:
    _, problem = toy(2, side=13)
    nets = nets_of(SMALL, problem)
    kept = [torch.rand(2, 1, *shape) < 0.7 for shape in kept_shapes((13, 13), 1, **SIZES)]
    inputs = (problem.y[:, None], torch.rand(2, 1, 1, 13, 13) < 0.7, *kept)
    assert torch.allclose(nets.together(*inputs), nets.in_turn(*inputs), atol=1e-5)


def test_the_work_is_that_of_the_papers_network() -> None:
    """About 175,000 multiply-adds per pixel and pass in colour, three times as many per step."""
    one_pass = Self2Self(steps=0, passes=1).work(256 * 256, 3) / 256**2
    assert 150e3 < one_pass < 200e3
    assert Self2Self().work(256 * 256, 3) == pytest.approx((3 * 150_000 + 100) * one_pass * 256**2)


def test_schedules_and_steps_from_a_start() -> None:
    assert Self2Self().rate_at(0) == Self2Self().rate_at(149_999) == 1e-4
    fast = Self2Self(**Self2Self.presets["fast"])
    assert fast.rate_at(0) == fast.rate > fast.rate_at(fast.steps - 1) == pytest.approx(fast.last_rate)
    own = fast.own_steps(50)
    assert (own.steps, own.rate_at(0), own.passes) == (50, fast.own_rate, fast.passes)
    assert Self2Self().on_input().crop > 0
    assert Self2Self().on_input().passes == 1
