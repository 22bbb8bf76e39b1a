"""MASH: shares follow the noise, only flat squares are shuffled, correlated noise is not copied."""

from dataclasses import replace

import torch
from contracts.toys import SIGMA, scenes, toy
from torch.nn.functional import conv2d

from il_models.degradations import Identity
from il_models.draw import Draw
from il_models.fitting import fit
from il_models.methods.mash import MASH, shuffled, squares
from il_models.metrics import mse
from il_models.nets import Nets, seeded_networks
from il_models.noise import Noise
from il_models.problem import Problem

FAST = MASH(**MASH.presets["fast"])


def nets_of(problem: Problem) -> Nets:
    return Nets.stacked(seeded_networks(lambda: FAST.network(problem), problem.seeds, torch.device("cpu")))


def test_the_share_follows_each_tile_s_noise() -> None:
    _, problem = toy(4, side=16)
    correlation = torch.tensor([[0.05, 0.0], [0.2, 0.0], [0.0, 0.6], [-0.5, 0.1]])
    coloured = replace(problem, noise=replace(problem.noise, correlation=correlation))
    assert torch.allclose(FAST.shares(coloured).flatten(), torch.tensor([0.1, 0.5, 0.9, 0.9]))
    assert torch.allclose(replace(FAST, share=0.3).shares(coloured).flatten(), torch.full((4,), 0.3))


def test_flat_squares_are_shuffled_and_others_are_not() -> None:
    y = torch.rand(2, 2, 10, 13, generator=torch.Generator().manual_seed(0))
    flat = torch.tensor([[[True, False, False], [False, True, True]], [[False] * 3, [False] * 3]])[:, None]
    found = shuffled(y, flat, 4, Draw(torch.arange(2)))
    assert torch.equal(found[1], y[1])
    assert torch.equal(found[..., 8:, :], y[..., 8:, :])
    assert torch.equal(found[..., 12:], y[..., 12:])
    before, after = squares(y, 4), squares(found, 4)
    assert torch.equal(after.sort(-1).values, before.sort(-1).values)
    moved = (after != before).any(-1)
    assert torch.equal(moved[0, 0], flat[0, 0])
    # both channels of a pixel go to the same place
    pairs = [{tuple(p) for p in cells[0, :, 0, 0].T.tolist()} for cells in (before, after)]
    assert pairs[0] == pairs[1]


def test_flat_is_what_varies_less_than_the_noise_and_was_measured() -> None:
    _, problem = toy(1, side=16)
    clean = torch.zeros(1, 1, 16, 16)
    clean[..., 4:8, 4:8] = torch.linspace(0, 4 * SIGMA, 4)
    mask = torch.ones(1, 1, 16, 16, dtype=torch.bool)
    mask[..., 9, 9] = False
    flat = FAST.flat_squares(clean, mask, problem)[0, 0]
    assert not bool(flat[1, 1])
    assert not bool(flat[2, 2])
    assert int(flat.sum()) == 14


def test_what_was_not_measured_takes_no_part() -> None:
    _, problem = toy(2, side=32)
    mask = problem.mask.clone()
    mask[:, :, 9:20, 9:20] = False
    nets, results = nets_of(problem), []
    for fill in (0.0, 7.0):
        filled = replace(problem, mask=mask, y=torch.where(mask, problem.y, torch.full_like(problem.y, fill)))
        draw = Draw(problem.seeds)
        results.append((FAST.loss(nets, {}, filled, draw, 200), FAST.estimate(nets, {}, filled, draw)))
    assert torch.equal(results[0][0], results[1][0])
    assert torch.equal(results[0][1], results[1][1])


def test_a_pixel_s_own_value_does_not_reach_its_estimate_while_it_is_hidden() -> None:
    """With nearly all hidden in one pass, changing a hidden pixel changes no guess of it."""
    _, problem = toy(1, side=16)
    method, nets = replace(FAST, share=0.9, passes=1, regain=False), nets_of(problem)
    hidden = Draw(problem.seeds).uniform(1, 16, 16) < 0.9
    row, column = hidden[0, 0].nonzero()[40].tolist()
    y = problem.y.clone()
    y[..., row, column] += 5
    first, second = (
        method.estimate(nets, {}, replace(problem, y=each), Draw(problem.seeds)) for each in (problem.y, y)
    )
    assert torch.equal(first, second)


def test_correlated_noise_is_not_copied() -> None:
    """Noise blurred by 1 2 1 both ways: with few pixels hidden their noise is guessed from their neighbours'."""
    clean, side = scenes(1, 1, 64), 64
    blur = torch.tensor([1.0, 2.0, 1.0]) / 6**0.5
    white = Draw(torch.tensor([3])).normal(1, side + 2, side + 2)
    y = clean + SIGMA * conv2d(white, torch.outer(blur, blur)[None, None])
    noise = Noise(torch.zeros(1, 1), torch.full((1, 1), SIGMA**2), torch.full((1, 2), 2 / 3))
    problem = Problem(y, Identity(), noise, torch.ones(1, 1, side, side, dtype=torch.bool), torch.tensor([3]))
    method = replace(FAST, steps=150)
    many, few = (mse(fit(problem, each).x, clean, problem.mask) for each in (method, replace(method, share=0.1)))
    noisy = mse(y, clean, problem.mask)
    assert float(many / noisy) < 0.35, (many / noisy, few / noisy)
    assert float(many / few) < 0.7, (many / noisy, few / noisy)
