"""Deep Decoder: its network, its width, its mask, and what it reaches on a scene."""

from dataclasses import replace

import pytest
import torch
from contracts.toys import toy
from torch import Tensor

from il_models.draw import Draw
from il_models.fitting import fit
from il_models.methods.deep_decoder import DeepDecoder
from il_models.metrics import mse
from il_models.nets import Nets, seeded_networks
from il_models.networks import deep_decoder
from il_models.problem import Problem


def nets_of(method: DeepDecoder, problem: Problem) -> Nets:
    return Nets.stacked(seeded_networks(lambda: method.network(problem), problem.seeds, torch.device("cpu")))


def loss_of(method: DeepDecoder, problem: Problem) -> Tensor:
    draw = Draw(problem.seeds)
    return method.loss(nets_of(method, problem), method.prepare(problem, draw), problem, draw, 0).detach()


@pytest.mark.parametrize(("width", "outputs", "weights"), [(64, 1, 25_408), (128, 1, 99_968), (128, 3, 100_224)])
def test_sizes_of_the_network(width: int, outputs: int, weights: int) -> None:
    network = deep_decoder.DeepDecoder(width, outputs)
    assert sum(w.numel() for w in network.parameters()) == weights
    assert deep_decoder.weights_of(width, outputs) == weights


def test_ten_measured_values_to_a_weight() -> None:
    """About 32 channels for a grey tile of 256 px and 64 for one of 512 px; never none, never more than 128."""
    method = DeepDecoder()
    assert [method.width_for(side**2, 1) for side in (32, 128, 256, 512, 4096)] == [4, 15, 31, 65, 128]
    assert method.width_for(256**2, 3) > method.width_for(256**2, 1)
    assert DeepDecoder(width=50).width_for(32**2, 1) == 50


@pytest.mark.parametrize(("side", "code"), [(32, 4), (64, 4), (128, 4), (256, 8)])
def test_the_code_has_four_pixels_a_side_at_least(side: int, code: int) -> None:
    _, problem = toy(1, side=side)
    method = DeepDecoder(width=4)
    inputs = method.prepare(problem, Draw(problem.seeds))
    assert inputs["code"].shape == (1, 1, 4, code, code)
    assert method.estimate(nets_of(method, problem), inputs, problem, Draw(problem.seeds)).shape == problem.y.shape


def test_sides_that_are_no_multiple() -> None:
    _, problem = toy(1, side=45)
    method = DeepDecoder(width=4)
    inputs = method.prepare(problem, Draw(problem.seeds))
    assert method.estimate(nets_of(method, problem), inputs, problem, Draw(problem.seeds)).shape == problem.y.shape


def test_all_networks_in_the_same_kernels_are_the_networks_in_turn() -> None:
    _, problem = toy(3)
    method = DeepDecoder(width=8)
    nets, x = nets_of(method, problem), torch.rand(3, 1, 8, 4, 4)
    assert torch.allclose(nets.together(x), nets.in_turn(x), atol=1e-5)


def test_pixels_that_were_not_measured_take_no_part() -> None:
    _, problem = toy(2)
    mask = problem.mask.clone()
    mask[..., 9:20, 9:12] = False
    fills = [torch.where(mask, problem.y, torch.full_like(problem.y, fill)) for fill in (0.0, 9.0)]
    losses = [loss_of(DeepDecoder(width=8), replace(problem, y=y, mask=mask)) for y in fills]
    assert torch.equal(*losses)


def test_a_long_fit_does_not_reproduce_the_noise() -> None:
    """By the rule the network is too small for it: the loss stays near the variance of the noise."""
    clean, problem = toy(1, side=64)
    done = fit(problem, DeepDecoder(steps=400))
    assert bool((mse(done.x, clean, problem.mask) < 0.4 * mse(problem.y, clean, problem.mask)).all())
    assert float(mse(done.x, problem.y, problem.mask)) > 0.8 * 0.1**2
