"""Blind spots: spans, what fills them, and that a hidden pixel's own value goes nowhere."""

import pytest
import torch
from contracts.toys import toy
from torch import Tensor

from il_models.masking import LEVEL, WINDOW, filled, guessed, mean_guess, span, widened
from il_models.nets import Nets, seeded_networks
from il_models.networks.smooth_unet import SmoothUNet
from il_models.problem import Problem


def nets_of(problem: Problem, *, top_skip: bool = False) -> Nets:
    def make() -> SmoothUNet:
        return SmoothUNet(problem.channels, (4, 8), (4,), top_skip=top_skip)

    return Nets.stacked(seeded_networks(make, problem.seeds, torch.device("cpu")))


def test_spans_follow_the_correlation() -> None:
    correlation = torch.tensor([[0.0, 0.09], [0.12, 0.57], [-0.6, 0.78], [0.99, 0.05]])
    assert span(correlation, 4).tolist() == [[0, 0], [1, 2], [2, 3], [4, 0]]


def test_widened_is_each_tile_s_own_box() -> None:
    hidden = torch.zeros(4, 1, 9, 9, dtype=torch.bool)
    hidden[:, 0, 4, 4] = True
    found = widened(hidden, torch.tensor([[0, 0], [0, 2], [3, 0], [1, 1]]), 3)
    sides = [(int(f.any(-1).sum()), int(f.any(-2).sum()), int(f.sum())) for f in found]
    assert sides == [(1, 1, 1), (1, 5, 5), (7, 1, 7), (3, 3, 9)]


def test_hidden_pixels_become_the_mean_of_those_shown_around_them() -> None:
    y = torch.rand(1, 2, 16, 16, generator=torch.Generator().manual_seed(0))
    shown = torch.rand(1, 1, 16, 16, generator=torch.Generator().manual_seed(1)) < 0.6
    shown[0, 0, 8, 8] = False
    half = WINDOW // 2
    box = (slice(8 - half, 8 + half + 1),) * 2
    seen = shown[0, 0][box]
    expected = torch.stack([plane[box][seen].mean() for plane in y[0]]) - LEVEL
    found = filled(y, shown)
    assert torch.allclose(found[0, :, 8, 8], expected, atol=1e-6)
    assert torch.equal(found[0, 0][shown[0, 0]], y[0, 0][shown[0, 0]] - LEVEL)
    assert torch.equal(filled(y, torch.zeros_like(shown)), torch.zeros_like(y))


@pytest.mark.parametrize("top_skip", [False, True])
def test_what_is_hidden_reaches_no_guess(top_skip: bool) -> None:
    _, problem = toy(2, side=24)
    shown = torch.rand(2, 1, 24, 24, generator=torch.Generator().manual_seed(2)) < 0.5
    other = torch.where(shown, problem.y, torch.full_like(problem.y, 1e6))
    nets = nets_of(problem, top_skip=top_skip)
    assert torch.equal(guessed(nets, problem.y, shown), guessed(nets, other, shown))


def test_several_pictures_of_each_tile_go_through_its_own_network() -> None:
    _, problem = toy(4, side=16)
    shown = torch.ones_like(problem.mask)
    nets = nets_of(problem.take(torch.tensor([0, 2])))
    both = guessed(nets, problem.y, shown)
    for tile in (0, 1):
        alone = guessed(nets.take(torch.tensor([tile])), problem.y[2 * tile : 2 * tile + 2], shown[:2])
        assert torch.equal(both[2 * tile : 2 * tile + 2], alone)


def test_mean_guess_counts_targets_and_falls_back_on_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    _, problem = toy(1, side=16)
    nets, shown = nets_of(problem), torch.rand(2, 1, 1, 16, 16, generator=torch.Generator().manual_seed(3)) < 0.6
    guesses = [guessed(nets, problem.y, each) for each in shown]

    def hide(number: int) -> tuple[Tensor, Tensor]:
        return shown[number], ~shown[number]

    found = mean_guess(nets, problem.y, hide, 2, 20, 2)
    for number in (0, 1):
        only = ~shown[number] & shown[1 - number]
        assert torch.allclose(found[only], guesses[number][only])
    same = ~(shown[0] ^ shown[1])  # hidden twice, or never
    assert torch.allclose(found[same], ((guesses[0] + guesses[1]) / 2)[same])
    monkeypatch.setattr("il_models.views.STRIP", 3 * 16)
    assert torch.allclose(mean_guess(nets, problem.y, hide, 2, 20, 2), found, atol=1e-5)


@pytest.mark.parametrize("depth", [1, 2])
def test_radius_of_the_network(depth: int) -> None:
    torch.manual_seed(0)
    network = SmoothUNet(1, (3,) * (depth + 1), (3,) * depth, top_skip=True)
    side = 2 * SmoothUNet.radius(depth) + 2 * 2**depth + 1
    blank = torch.zeros(1, 1, side, side)
    for centre in range(side // 2, side // 2 + 2**depth):
        one = blank.clone()
        one[..., centre, centre] = 1
        with torch.no_grad():
            change = (network(one, blank + 1) - network(blank, blank + 1))[0, 0].abs() > 0
        assert int((change.nonzero() - centre).abs().max()) <= SmoothUNet.radius(depth)
