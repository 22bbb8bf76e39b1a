"""Noise2Void: what it hides follows the noise, what was not measured takes no part, correlated noise is not copied."""

from dataclasses import replace

import pytest
import torch
from contracts.toys import SIGMA, scenes, toy
from torch import Tensor
from torch.nn.functional import conv2d

from il_models.degradations import Identity
from il_models.draw import Draw
from il_models.fitting import fit
from il_models.methods.noise2void import Noise2Void
from il_models.metrics import mse
from il_models.nets import Nets, seeded_networks
from il_models.noise import Noise
from il_models.problem import Problem

FAST = Noise2Void(**Noise2Void.presets["fast"])
COLOURS = torch.tensor([[0.0, 0.0], [0.0, 0.6], [0.6, 0.0], [0.6, 0.6]])


def coloured_toy(colours: Tensor, side: int = 64) -> tuple[Tensor, Problem]:
    """Scenes under noise of SIGMA, blurred by 1 2 1 along the axes on which it is to be correlated (2/3 and 1/6)."""
    b, clean = len(colours), scenes(len(colours), 1, side)
    seeds = torch.arange(b) + 3
    noise = Draw(seeds).normal(1, side + 2, side + 2)
    blur, none = torch.tensor([1.0, 2.0, 1.0]) / 6**0.5, torch.tensor([0.0, 1.0, 0.0])
    kernels = torch.stack([torch.outer(blur if y else none, blur if x else none) for y, x in colours.tolist()])
    noise = conv2d(noise.transpose(0, 1), kernels[:, None], groups=b).transpose(0, 1)
    said = Noise(torch.zeros(b, 1), torch.full((b, 1), SIGMA**2), torch.where(colours > 0, 2 / 3, 0.0))
    everywhere = torch.ones(b, 1, side, side, dtype=torch.bool)
    return clean, Problem(clean + SIGMA * noise, Identity(), said, everywhere, seeds)


def nets_of(method: Noise2Void, problem: Problem) -> Nets:
    return Nets.stacked(seeded_networks(lambda: method.network(problem), problem.seeds, torch.device("cpu")))


def of_colours(colours: Tensor) -> Problem:
    _, problem = toy(len(colours), side=24)
    return replace(problem, noise=replace(problem.noise, correlation=colours))


def test_what_is_hidden_follows_each_tile_s_noise() -> None:
    """One target per tile: a pixel, a piece of a row, a piece of a column, a square."""
    method = replace(FAST, grow=0)
    by = method.spans(of_colours(COLOURS))
    assert by.tolist() == [[0, 0], [0, 2], [2, 0], [2, 2]]
    chance = torch.ones(4, 1, 15, 15)
    chance[:, 0, 7, 7] = 0
    hidden, targets = method._hidden(by, chance)
    assert [(int(h.any(-1).sum()), int(h.any(-2).sum())) for h in hidden] == [(1, 1), (1, 5), (5, 1), (5, 5)]
    assert torch.equal(targets, chance == 0)
    longer, more = replace(method, grow=1)._hidden(by, chance)
    assert longer.flatten(1).sum(1).tolist() == [1, 7, 7, 49]
    assert more.flatten(1).sum(1).tolist() == [1, 3, 3, 9]


@pytest.mark.parametrize(
    ("mask", "expected"), [("pixels", [0, 0]), ("rows", [0, 2]), ("columns", [2, 0]), ("both", [2, 2])]
)
def test_what_is_hidden_can_be_asked_for(mask: str, expected: list[int]) -> None:
    assert replace(FAST, mask=mask).spans(of_colours(COLOURS)).tolist() == [expected] * 4


def test_nothing_within_a_target_s_span_is_shown() -> None:
    problem = of_colours(COLOURS)
    by = FAST.spans(problem)
    hidden, targets = FAST._hidden(by, Draw(problem.seeds).uniform(1, 24, 24))
    assert bool(targets.flatten(1).any(1).all())
    assert bool((~hidden).flatten(1).any(1).all())
    for tile, (down, across) in enumerate(by.tolist()):
        for row, column in targets[tile, 0].nonzero().tolist():
            rows = slice(max(0, row - down), row + down + 1)
            assert bool(hidden[tile, 0, rows, max(0, column - across) : column + across + 1].all())


def test_what_was_not_measured_takes_no_part() -> None:
    _, problem = toy(2, side=32)
    mask = problem.mask.clone()
    mask[:, :, 9:20, 9:20] = False
    nets, results = nets_of(FAST, problem), []
    for fill in (0.0, 7.0):
        filled = replace(problem, mask=mask, y=torch.where(mask, problem.y, torch.full_like(problem.y, fill)))
        draw = Draw(problem.seeds)
        results.append((FAST.loss(nets, {}, filled, draw, 0), FAST.estimate(nets, {}, filled, draw)))
    assert torch.equal(results[0][0], results[1][0])
    assert torch.equal(results[0][1], results[1][1])


def test_crops_of_a_step_are_as_many_as_asked_for() -> None:
    _, problem = toy(2, side=96)
    method = replace(FAST, crop=32, crops=3)
    draw = Draw(problem.seeds)
    loss = method.loss(nets_of(method, problem), method.prepare(problem, draw), problem, draw, 0)
    assert loss.shape == (2,)
    assert draw.calls == 2 * 3 + 1  # a row and a column each, and what is hidden


def test_correlated_noise_is_not_copied() -> None:
    """Where it is correlated both ways a network that hides single pixels guesses their noise from its neighbours."""
    clean, problem = coloured_toy(COLOURS[1:])
    noisy = mse(problem.y, clean, problem.mask)
    spans = mse(fit(problem, replace(FAST, steps=60)).x, clean, problem.mask)
    assert bool((spans < 0.35 * noisy).all()), spans / noisy
    both = torch.tensor([2])
    longer = [replace(FAST, steps=150, mask=mask) for mask in (FAST.mask, "pixels")]  # which is when it has copied
    spans, pixels = (mse(fit(problem.take(both), each).x, clean[both], problem.mask[both]) for each in longer)
    assert float(spans) < 0.95 * float(pixels), (spans / noisy[2], pixels / noisy[2])
