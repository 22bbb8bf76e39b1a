"""Neighbor2Neighbor: its pairs, its loss and the regulariser's weight, its mask, its network."""

from dataclasses import replace

import pytest
import torch
from contracts.toys import toy
from torch import Tensor

from il_models import views
from il_models.draw import Draw
from il_models.fitting import fit
from il_models.methods.neighbor2neighbor import PAIRS, Neighbor2Neighbor, neighbours
from il_models.nets import Nets, seeded_networks
from il_models.networks.pooled_unet import PooledUNet
from il_models.problem import Problem

SMALL = Neighbor2Neighbor(steps=10, width=4, depth=2, crop=0)


def nets_of(method: Neighbor2Neighbor, problem: Problem) -> Nets:
    return Nets.stacked(seeded_networks(lambda: method.network(problem), problem.seeds, torch.device("cpu")))


def numbered(b: int, high: int, wide: int) -> Tensor:
    return torch.arange(high * wide).reshape(1, 1, high, wide).expand(b, 1, high, wide)


def test_a_pair_is_two_neighbours_of_one_cell() -> None:
    place = numbered(2, 12, 16)
    choice = Draw(torch.tensor([1, 2])).integers(8, 1, 6, 8)
    first, second = neighbours(place, choice)
    (row, column), (other_row, other_column) = ((x // 16, x % 16) for x in (first, second))
    assert torch.equal((row - other_row).abs() + (column - other_column).abs(), torch.ones_like(row))
    cells = torch.arange(6)[:, None], torch.arange(8)[None, :]
    for x, cell in ((row, cells[0]), (other_row, cells[0]), (column, cells[1]), (other_column, cells[1])):
        assert torch.equal(x // 2, cell.expand_as(x))


def test_the_two_halves_share_no_pixel() -> None:
    for seed in range(20):
        choice = Draw(torch.tensor([seed])).integers(8, 1, 5, 4)
        first, second = neighbours(numbered(1, 10, 8), choice)
        both = torch.cat([first.flatten(), second.flatten()])
        assert len(both.unique()) == both.numel()


def test_all_eight_choices_are_drawn_alike_and_both_ways() -> None:
    assert {frozenset(pair) for pair in PAIRS} == {frozenset(pair) for pair in ((0, 1), (0, 2), (1, 3), (2, 3))}
    assert len(set(PAIRS)) == 8
    drawn = Draw(torch.tensor([5])).integers(8, 1, 100, 100)
    shares = torch.bincount(drawn.flatten(), minlength=8) / drawn.numel()
    assert float((shares - 1 / 8).abs().max()) < 0.015


def test_channels_of_a_pixel_stay_together() -> None:
    x = torch.stack([numbered(1, 6, 6)[0, 0], 100 + numbered(1, 6, 6)[0, 0]])[None]
    for half in neighbours(x, Draw(torch.tensor([0])).integers(8, 1, 3, 3)):
        assert torch.equal(half[:, 1], half[:, 0] + 100)


@pytest.mark.parametrize("step", [0, 5, 10])
def test_the_loss_is_that_of_the_paper(step: int) -> None:
    _, problem = toy(1, side=16)
    network = seeded_networks(lambda: SMALL.network(problem), problem.seeds, torch.device("cpu"))[0]
    choice = Draw(problem.seeds).integers(8, 1, 8, 8)
    g1, g2 = neighbours(problem.y, choice)

    def f(x: Tensor) -> Tensor:
        return x - network(x)

    h1, h2 = neighbours(f(problem.y), choice)
    expected = ((f(g1) - g2) ** 2).mean() + 2.0 * step / 10 * ((f(g1) - g2 - (h1 - h2)) ** 2).mean()
    found = SMALL.loss(Nets.stacked([network]), {}, problem, Draw(problem.seeds), step)
    assert torch.allclose(found[0], expected, rtol=1e-5)


def test_the_weight_of_the_regulariser_grows() -> None:
    assert [SMALL.weight_at(step) for step in (0, 5, 10)] == [0, 1, 2]
    assert replace(SMALL, growth=0.5).weight_at(5) == 0.25
    assert replace(SMALL, steps=0).weight_at(0) == 0


def test_the_estimate_in_the_regulariser_has_no_gradient() -> None:
    """What a loss without pairs would pull at: only the branch of g1 may move the weights."""
    _, problem = toy(1, side=16)
    nets = nets_of(SMALL, problem)
    choice = Draw(problem.seeds).integers(8, 1, 8, 8)
    g1, g2 = neighbours(problem.y, choice)
    h1, h2 = (each.detach() for each in neighbours(problem.y - nets(problem.y[:, None])[:, 0], choice))
    error = g1 - nets(g1[:, None])[:, 0] - g2
    by_hand = (error**2).mean() + ((error - (h1 - h2)) ** 2).mean()
    loss = SMALL.loss(nets, {}, problem, Draw(problem.seeds), 5)[0]
    weights = list(nets.weights.values())
    for one, other in zip(torch.autograd.grad(loss, weights), torch.autograd.grad(by_hand, weights), strict=True):
        assert torch.allclose(one, other, atol=1e-6)


def test_cells_that_were_not_measured_wholly_take_no_part() -> None:
    """With a silent network the loss is the distance of neighbours: the same whatever fills the hole."""
    _, problem = toy(2, side=32)
    mask = problem.mask.clone()
    mask[:, :, 9:12, 9:12] = False
    losses = []
    for fill in (0.0, 50.0):
        filled = replace(problem, mask=mask, y=torch.where(mask, problem.y, torch.full_like(problem.y, fill)))
        nets = nets_of(SMALL, problem)
        silent = nets.replaced({name: torch.zeros_like(value) for name, value in nets.weights.items()})
        losses.append(SMALL.loss(silent, {}, filled, Draw(problem.seeds), 5))
    assert torch.equal(*losses)


def test_rates() -> None:
    rates = [Neighbor2Neighbor(steps=100).rate_at(step) for step in range(0, 100, 20)]
    assert rates == [3e-4 * 0.5**k for k in range(5)]
    own = SMALL.own_steps(50)
    assert own.rate_at(0) == own.own_rate


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_the_network_reaches_as_far_as_it_says(depth: int) -> None:
    torch.manual_seed(0)
    network, radius = PooledUNet(1, 3, depth).double(), PooledUNet.radius(depth)
    place = torch.rand(1, 1, 2 * radius + 20, 2 * radius + 20, dtype=torch.double)
    changed, middle = place.clone(), radius + 8
    reached = 0
    for at in range(middle, middle + 2**depth):
        changed = place.clone()
        changed[..., at, at] += 1
        touched = (network(changed) - network(place)).abs()[0, 0].nonzero()
        reached = max(reached, int((touched - at).abs().max()))
    assert reached == radius


def test_sizes_of_the_network() -> None:
    assert sum(w.numel() for w in PooledUNet(1, 48, 5).parameters()) == 1_090_273
    assert Neighbor2Neighbor().reach is None
    assert SMALL.reach == 17


def test_strips_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    _, problem = toy(2, side=64)
    problem = replace(problem, y=problem.y[..., :58, :50], mask=problem.mask[..., :58, :50])
    method = replace(SMALL, views=8)
    nets = nets_of(method, problem)
    whole = method.estimate(nets, {}, problem, Draw(problem.seeds))
    monkeypatch.setattr(views, "STRIP", 8 * 64)
    assert torch.allclose(method.estimate(nets, {}, problem, Draw(problem.seeds)), whole, atol=1e-5)


def test_a_whole_input_is_fitted_on_crops() -> None:
    _, problem = toy(1, channels=2, side=64)
    done = fit(problem, replace(SMALL, steps=3, crop=16).on_input())
    assert bool(done.x.isfinite().all())
    assert SMALL.on_input().crop == 64
