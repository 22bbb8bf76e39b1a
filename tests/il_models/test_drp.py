"""Deep Random Projector: what of it learns, its loss, its mask, and what it reaches on a scene."""

from dataclasses import replace

import pytest
import torch
from contracts.toys import toy
from torch import Tensor

from il_models.draw import Draw
from il_models.fitting import fit
from il_models.fitting.held_out import HeldOut
from il_models.fitting.variance import VarianceMinimum
from il_models.methods.drp import LOOK, DeepRandomProjector
from il_models.metrics import mse
from il_models.nets import Nets, seeded_networks
from il_models.networks.hourglass import Hourglass
from il_models.priors import total_variation
from il_models.problem import Problem

NARROW = DeepRandomProjector(widths=(16,))


def nets_of(method: DeepRandomProjector, problem: Problem) -> Nets:
    return Nets.stacked(seeded_networks(lambda: method.network(problem), problem.seeds, torch.device("cpu")))


def loss_of(method: DeepRandomProjector, problem: Problem, nets: Nets | None = None) -> Tensor:
    draw = Draw(problem.seeds)
    return method.loss(nets or nets_of(method, problem), method.prepare(problem, draw), problem, draw, 0)


def test_sizes_of_the_network() -> None:
    """82,849 weights, of which 656 learn, and 3 h w numbers of the input."""
    _, problem = toy(1)
    method = DeepRandomProjector()
    assert sum(w.numel() for w in Hourglass(3, 1, [64]).parameters()) == 82_849
    nets = nets_of(method, problem)
    loss_of(method, problem, nets).sum().backward()
    learned = {name: value for name, value in nets.weights.items() if value.grad is not None}
    assert sum(value.numel() for value in learned.values()) == 656 + 3 * 32 * 32
    assert {value.ndim for value in learned.values()} == {2, 4}  # gains and offsets, and the input; no convolution


def test_convolutions_stay_as_they_were() -> None:
    _, problem = toy(2)
    method = replace(NARROW, steps=3)
    before = nets_of(method, problem)
    after = fit(problem, method, start=before).nets
    assert after is not None
    same = {name for name, value in before.weights.items() if torch.equal(after.weights[name], value)}
    assert {name for name, value in before.weights.items() if value.ndim == 5} <= same
    assert "change" not in same


def test_the_loss_is_that_of_the_paper() -> None:
    _, problem = toy(2)
    nets, draw = nets_of(NARROW, problem), Draw(problem.seeds)
    x = NARROW.estimate(nets, NARROW.prepare(problem, draw), problem, draw)
    expected = (x - problem.y).square().mean((1, 2, 3)).sqrt() + 0.45 * total_variation(problem, x)
    assert torch.allclose(loss_of(NARROW, problem, nets), expected, atol=1e-5)


def test_pixels_that_were_not_measured_take_no_part() -> None:
    _, problem = toy(2)
    mask = problem.mask.clone()
    mask[..., 9:20, 9:12] = False
    fills = [torch.where(mask, problem.y, torch.full_like(problem.y, fill)) for fill in (0.0, 9.0)]
    losses = [loss_of(NARROW, replace(problem, y=y, mask=mask)).detach() for y in fills]
    assert torch.equal(*losses)


def test_a_perfect_fit_has_a_finite_slope() -> None:
    _, problem = toy(1)
    nets, draw = nets_of(NARROW, problem), Draw(problem.seeds)
    x = NARROW.estimate(nets, NARROW.prepare(problem, draw), problem, draw).detach()
    fitted = replace(problem, y=x)
    inputs = NARROW.prepare(problem, Draw(problem.seeds))
    NARROW.loss(nets, inputs, fitted, draw, 0).sum().backward()
    change = nets.weights["change"].grad
    assert change is not None
    assert bool(change.isfinite().all())


def test_it_is_stopped_by_withheld_pixels_and_where_there_are_none_by_the_variance() -> None:
    assert NARROW.stopper == HeldOut(NARROW.patience, LOOK, NARROW.withheld)
    assert NARROW.stopper.withholds == NARROW.withheld > 0
    assert isinstance(replace(NARROW, withheld=0.0).stopper, VarianceMinimum)


def test_there_is_no_network_for_a_whole_input() -> None:
    with pytest.raises(NotImplementedError, match="scope: tile"):
        NARROW.on_input()


def test_a_short_fit_is_better_than_half_of_the_noise() -> None:
    clean, problem = toy(1, side=64)
    done = fit(problem, DeepRandomProjector(steps=80))
    assert bool((mse(done.x, clean, problem.mask) < 0.5 * mse(problem.y, clean, problem.mask)).all())
