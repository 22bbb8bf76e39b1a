"""b networks as one callable."""

import pytest
import torch
from torch import nn

from il_models.nets import Nets, seeded_networks
from il_models.networks.three_layers import ThreeLayers

SEEDS = torch.tensor([5, -6, 7])


def nets() -> Nets:
    return Nets.stacked(seeded_networks(lambda: ThreeLayers(2, 8), SEEDS, torch.device("cpu")))


def images() -> torch.Tensor:
    return torch.randn(3, 4, 2, 9, 7, generator=torch.Generator().manual_seed(0))


def test_each_network_sees_its_own_images() -> None:
    x = images()
    together = nets()(x)
    for tile, network in enumerate(seeded_networks(lambda: ThreeLayers(2, 8), SEEDS, torch.device("cpu"))):
        assert torch.allclose(together[tile], network(x[tile]), atol=1e-6)


def test_together_and_in_turn_agree() -> None:
    """The way of a GPU and the way of a CPU, values and gradients."""
    b, x = nets(), images()
    gradients = []
    for way in (b.together, b.in_turn):
        out = way(x)
        gradients.append((out, *torch.autograd.grad((out**2).sum(), list(b.weights.values()))))
    for left, right in zip(*gradients, strict=True):
        assert torch.allclose(left, right, rtol=1e-4, atol=1e-4)


def test_weights_come_from_the_seed_alone() -> None:
    before = torch.get_rng_state()
    first, second = nets(), nets()
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(first.weights[name], second.weights[name]) for name in first.weights)
    alone = seeded_networks(lambda: ThreeLayers(2, 8), SEEDS[1:2], torch.device("cpu"))[0]
    assert torch.equal(first.weights["layers.0.weight"][1], alone.layers[0].weight)


def test_take_and_joined() -> None:
    b = nets()
    again = Nets.joined([b.take(torch.tensor([0])), b.take(torch.tensor([False, True, True]))])
    assert again.b == b.b == 3
    assert torch.equal(again(images()), b(images()))
    assert all(weight.is_leaf and weight.requires_grad for weight in again.weights.values())


def test_replaced_weights_are_copies() -> None:
    b = nets()
    other = b.replaced(b.weights)
    with torch.no_grad():
        next(iter(other.weights.values())).zero_()
    assert float(next(iter(b.weights.values())).detach().abs().sum()) > 0


def test_buffers_are_refused() -> None:
    with pytest.raises(ValueError, match="track_running_stats=False"):
        Nets.stacked([nn.BatchNorm2d(2)])
