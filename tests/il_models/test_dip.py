"""Deep Image Prior: its network, its loss, its mask, its range, and what it reaches on a scene."""

from dataclasses import replace

import pytest
import torch
from contracts.toys import SIGMA, blurred, shrunk, small, toy
from torch import Tensor

from il_models.data_steps import passed
from il_models.draw import Draw
from il_models.fitting import Discrepancy, fit
from il_models.methods.dip import DeepImagePrior
from il_models.metrics import mse
from il_models.nets import Nets, seeded_networks
from il_models.networks.channel_norm import ChannelNorm
from il_models.networks.hourglass import Hourglass, multiplications, scales_of
from il_models.priors import in_range, measured_range, misfit, total_variation
from il_models.problem import Problem
from il_models.untrained import LOOK

TINY = DeepImagePrior(widths=(8, 8), code=4)


def nets_of(method: DeepImagePrior, problem: Problem) -> Nets:
    return Nets.stacked(seeded_networks(lambda: method.network(problem), problem.seeds, torch.device("cpu")))


def loss_of(method: DeepImagePrior, problem: Problem, nets: Nets | None = None) -> Tensor:
    draw = Draw(problem.seeds)
    inputs = method.prepare(problem, draw)
    return method.loss(nets or nets_of(method, problem), inputs, problem, draw, 0).detach()


def test_sizes_of_the_network() -> None:
    """2,217,573 weights for one channel, 2,217,831 for three."""
    sizes = [sum(w.numel() for w in Hourglass(32, c, [128] * 5).parameters()) for c in (1, 3)]
    assert sizes == [2_217_573, 2_217_831]


@pytest.mark.parametrize("sides", [(64, 32), (13, 7), (2, 3), (1, 5)])
def test_the_hourglass_takes_any_size(sides: tuple[int, int]) -> None:
    widths = [6, 8, 10, 12, 14][: scales_of(sides, 5)]
    assert Hourglass(3, 2, widths)(torch.rand(1, 3, *sides)).shape == (1, 2, *sides)


def test_the_smallest_map_has_two_pixels_a_side() -> None:
    assert [scales_of((side, 2 * side), 5) for side in (1, 2, 3, 32, 63, 64, 512)] == [0, 0, 1, 4, 5, 5, 5]


def test_multiplications_are_those_of_the_convolutions() -> None:
    network, counted = Hourglass(5, 2, [6, 8, 10], 3), []

    def count(module: torch.nn.Conv2d, _: object, out: Tensor) -> None:
        counted.append(module.weight.numel() * out.shape[-1] * out.shape[-2])

    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d):
            module.register_forward_hook(count)
    network(torch.rand(1, 5, 32, 32))
    assert sum(counted) / 32**2 == pytest.approx(multiplications(5, 2, [6, 8, 10], 3))


def test_all_networks_in_the_same_kernels_are_the_networks_in_turn() -> None:
    _, problem = toy(3)
    nets = nets_of(TINY, problem)
    x = torch.rand(3, 1, 4, 32, 32)
    assert torch.allclose(nets.together(x), nets.in_turn(x), atol=1e-5)


def test_the_normalisation() -> None:
    norm, x = ChannelNorm(3), 5 + 2 * torch.randn(2, 3, 8, 8)
    out = norm(x)
    assert torch.allclose(out.mean((0, 2, 3)), torch.zeros(3), atol=1e-5)
    assert torch.allclose(out.var((0, 2, 3), correction=0), torch.ones(3), atol=1e-3)
    assert torch.equal(norm(x[:1, :, :1, :1]), torch.zeros(1, 3, 1, 1))
    assert not list(norm.buffers())


def test_total_variation() -> None:
    """Of a constant 0; of a ramp its slope; not across what was not measured."""
    _, problem = toy(2, channels=2)
    flat = torch.full_like(problem.y, 0.7)
    ramp = torch.arange(32.0).expand(2, 2, 32, 32) / 10
    assert torch.equal(total_variation(problem, flat), torch.zeros(2))
    assert torch.allclose(total_variation(problem, ramp), torch.full((2,), 0.1))
    mask = problem.mask.clone()
    mask[..., 5:9, 5:9] = False
    spiked = flat.clone()
    spiked[..., 6, 6] = 100.0
    assert torch.equal(total_variation(replace(problem, mask=mask), spiked), torch.zeros(2))


def test_the_loss_is_that_of_the_paper() -> None:
    """Mean square of the misfit, plus total variation, weighted in units of the noise."""
    _, problem = toy(2)
    method = replace(TINY, jitter=0.0)
    nets, draw = nets_of(method, problem), Draw(problem.seeds)
    x = method.estimate(nets, method.prepare(problem, draw), problem, draw)
    square = (x - problem.y).square().mean((1, 2, 3))
    assert torch.allclose(loss_of(method, problem, nets), square.detach())
    with_tv = square + 0.1 * SIGMA * total_variation(problem, x)
    assert torch.allclose(loss_of(replace(method, tv=0.1), problem, nets), with_tv.detach())


def test_total_variation_weighs_as_much_less_behind_a_blur() -> None:
    """As the misfit of an image that is wrong by white noise."""
    _, problem = blurred(2, side=27)
    method = replace(TINY, jitter=0.0, tv=0.1)
    nets, draw = nets_of(method, problem), Draw(problem.seeds)
    x = method.estimate(nets, method.prepare(problem, draw), problem, draw)
    without = loss_of(replace(method, tv=0.0), problem, nets)
    sigma = problem.noise.nominal(problem.y).mean((1, 2, 3))
    wanted = 0.1 * sigma * passed(problem)[:, 0] * total_variation(problem, x)
    assert torch.allclose(loss_of(method, problem, nets) - without, wanted.detach(), rtol=1e-3)
    assert bool((passed(problem) < 0.5).all())


def test_pixels_that_were_not_measured_take_no_part() -> None:
    _, problem = toy(2)
    mask = problem.mask.clone()
    mask[..., 9:20, 9:12] = False
    method = replace(TINY, tv=0.1)
    losses = []
    for fill in (0.0, 9.0):
        y = torch.where(mask, problem.y, torch.full_like(problem.y, fill))
        losses.append(loss_of(method, replace(problem, y=y, mask=mask)))
    assert torch.equal(*losses)


def test_values_outside_of_0_to_1_can_be_made() -> None:
    _, problem = toy(2)
    wide = replace(problem, y=3 * problem.y - 1)
    inputs = measured_range(wide)
    reached = [in_range(torch.full_like(problem.y, v), inputs) for v in (-3.0, 3.0)]
    low, high = wide.y.flatten(1).amin(1), wide.y.flatten(1).amax(1)
    assert bool((reached[0].flatten(1).amax(1) < low).all())
    assert bool((reached[1].flatten(1).amin(1) > high).all())


def test_nothing_measured_has_a_range() -> None:
    _, problem = toy(2)
    inputs = measured_range(replace(problem, mask=torch.zeros_like(problem.mask)))
    assert bool(inputs["low"].isfinite().all())
    assert bool((inputs["wide"] > 0).all())


def test_the_misfit_is_measured_where_the_instrument_does() -> None:
    _, problem = toy(1)
    assert torch.allclose(misfit(problem, problem.y + 0.5), torch.tensor([0.25]))


def test_withheld_pixels_are_restored_and_named() -> None:
    clean, problem = toy(1, side=32)
    done = fit(problem, replace(TINY, steps=120, withheld=0.2))
    assert done.unseen is not None
    assert 0.1 < float(done.unseen.float().mean()) < 0.3
    assert float(mse(done.x, clean, done.unseen)) < float(mse(problem.y, clean, done.unseen))


def test_there_is_no_network_for_a_whole_input() -> None:
    with pytest.raises(NotImplementedError, match="scope: tile"):
        DeepImagePrior().on_input()


def test_a_short_fit_is_better_than_half_of_the_noise() -> None:
    clean, problem = toy(1, channels=2, side=64)
    done = fit(problem, small(DeepImagePrior, steps=160))
    assert bool((mse(done.x, clean, problem.mask) < 0.5 * mse(problem.y, clean, problem.mask)).all())


def test_it_stops_where_the_residual_reaches_the_noise() -> None:
    """And with total variation, which keeps noise out of the image, after twice the steps that this takes."""
    _, problem = toy(2, side=32)
    method = replace(TINY, steps=600, rate=0.03, withheld=0.0)
    done = fit(problem, method)
    assert [record.reason for record in done.records] == ["residual reached the noise"] * 2
    assert all(record.steps < 600 for record in done.records)
    assert done.nets is not None
    draw = Draw(problem.seeds)
    last = method.estimate(done.nets, method.prepare(problem, draw), problem, draw).detach()
    assert bool((mse(last, problem.y, problem.mask) <= 1.001 * SIGMA**2).all())
    assert replace(TINY, tv=0.1).stopper == Discrepancy(interval=LOOK, times=2.0)
    longer = fit(problem, replace(method, tv=0.01)).records
    assert all(0 < record.steps < 600 for record in longer)
    assert all("in steps 2 times as many" in record.reason for record in longer)


def test_it_sharpens_through_the_degradation_in_its_loss() -> None:
    clean, problem = blurred(2, side=27)
    done = fit(problem, replace(TINY, steps=500, withheld=0.0))
    assert done.x.shape == clean.shape
    within = torch.zeros_like(clean[:, :1], dtype=torch.bool)
    within[..., 4:-4, 4:-4] = True
    assert bool((mse(done.x, clean, within) < 0.8 * mse(problem.fallback(), clean, within)).all())


def test_it_enlarges_through_the_degradation_in_its_loss() -> None:
    """The edge of a disc, which interpolation blurs."""
    _, problem = shrunk(1, side=16)
    place = torch.arange(32.0) - 15.5
    disc = (0.2 + 0.6 * (place[:, None] ** 2 + 0.7 * place**2 < 100).float())[None, None]
    problem = replace(problem, y=problem.A(disc) + 0.002 * Draw(problem.seeds).normal(1, 16, 16))
    x = fit(problem, replace(TINY, steps=300, tv=0.3, withheld=0.0)).x
    assert float((x - disc).square().mean()) < 0.8 * float((problem.A.guess(problem.y) - disc).square().mean())
