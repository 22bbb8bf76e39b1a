"""Noise2Detail: its two networks, its smooth images, what is kept between the phases, and what it reaches."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from contracts.toys import toy
from PIL import Image

from il_models.degradations import Identity
from il_models.diagonals import diagonals
from il_models.draw import Draw
from il_models.fitting import fit
from il_models.methods import n2d
from il_models.methods.n2d import Noise2Detail
from il_models.methods.zs_n2n import ZeroShotNoise2Noise
from il_models.metrics import psnr
from il_models.nets import Nets, seeded_networks
from il_models.noise import Noise
from il_models.problem import Problem

FAST = Noise2Detail(**Noise2Detail.presets["fast"])


def nets_of(problem: Problem) -> Nets:
    made = seeded_networks(lambda: FAST.network(problem), problem.seeds, torch.device("cpu"))
    return Nets.stacked(made)


def test_one_network_after_the_other() -> None:
    _, problem = toy(2, side=32)
    method, nets = replace(FAST, steps=10, crop=16), nets_of(problem)
    moved = []
    for step in (0, 4, 5, 9):
        draw = Draw(problem.seeds)
        loss = method.loss(nets, method.prepare(problem, draw), problem, draw, step)
        grads = torch.autograd.grad(loss.sum(), list(nets.weights.values()), allow_unused=True)
        moved.append({name.split(".")[0] for name, grad in zip(nets.weights, grads, strict=True) if grad is not None})
    assert moved == [{"first"}, {"first"}, {"second"}, {"second"}]


def test_before_its_second_network_has_learned_it_is_the_first() -> None:
    _, problem = toy(2, 2, side=32)
    nets = nets_of(problem)
    with torch.no_grad():
        expected = problem.y - nets(problem.y[:, None])[:, 0]
        assert torch.allclose(
            replace(FAST, views=1).estimate(nets, {}, problem, Draw(problem.seeds)), expected, atol=1e-6
        )


def test_planes_are_the_first_network_on_every_pixel_then_every_second_then_every_fourth() -> None:
    _, problem = toy(2, 2, side=16)
    nets = nets_of(problem)
    planes = n2d._planes(nets, problem.y).unflatten(1, (4, 2)).detach()
    assert torch.equal(planes[:, 0], problem.y)
    for plane, stride in ((1, 1), (2, 2), (3, 4)):
        for row in range(stride):
            for column in range(stride):
                part = planes[:, plane - 1, :, row::stride, column::stride]
                clean = part - nets(part[:, None])[:, 0]
                assert torch.allclose(planes[:, plane, :, row::stride, column::stride], clean, atol=1e-6)


def test_smooth_images_are_made_once_and_of_each_half_by_itself() -> None:
    _, problem = toy(2, side=32)
    method, nets, draw = replace(FAST, steps=10, crop=16), nets_of(problem), Draw(problem.seeds)
    inputs = method.prepare(problem, draw)
    method.loss(nets, inputs, problem, draw, 4)
    assert set(inputs) == {"measured"}
    method.loss(nets, inputs, problem, draw, 5)
    kept = inputs["whole"]
    assert torch.equal(inputs["halves"].unflatten(1, (2, 4))[:, :, :1], diagonals(problem.y))
    method.loss(nets, inputs, problem, draw, 6)
    assert inputs["whole"] is kept
    assert not kept.requires_grad


def test_crops_of_halves_lie_where_those_of_the_whole_do() -> None:
    """Of a ramp both diagonals are alike, so a network that changes nothing loses nothing unless planes are shifted."""
    _, problem = toy(2, side=32)
    nets, seeds = nets_of(problem), problem.seeds
    inputs = FAST.prepare(problem, Draw(seeds)) | FAST._smoothed(nets, problem.y)
    place = torch.arange(32.0 * 32).reshape(1, 1, 32, 32).expand(2, 1, 32, 32)
    numbered = replace(problem, y=place)
    inputs["whole"] = torch.cat([place] * 4, 1)
    inputs["halves"] = torch.cat([half for half in diagonals(place).unbind(1) for _ in range(4)], 1)
    method = replace(FAST, crop=8, share=0.0)
    inputs["measured"] = method.prepare(problem, Draw(seeds))["measured"]
    assert torch.allclose(method.loss(nets, inputs, numbered, Draw(seeds), 0), torch.zeros(2), atol=1e-3)


def test_schedule_begins_anew() -> None:
    paper = Noise2Detail()
    assert [paper.rate_at(step) / paper.rate for step in (0, 999, 1000, 1999, 2000, 3000)] == [1, 1, 0.5, 0.5, 1, 0.5]
    assert FAST.rate_at(0) == FAST.rate_at(1500) == FAST.rate
    assert FAST.rate_at(1499) == FAST.rate_at(2999) == pytest.approx(FAST.last_rate)
    assert Noise2Detail(steps=1).rate_at(0) > 0
    own = FAST.own_steps(50)
    assert own.rate_at(0) == FAST.own_rate
    assert own._first == 0  # type: ignore[attr-defined]


def test_strips_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    _, problem = toy(2, side=64)
    nets = nets_of(problem)
    weights = {name: 0.1 * torch.randn_like(value) for name, value in nets.weights.items()}
    nets, one = nets.replaced(weights), replace(FAST, views=1)
    whole = one.estimate(nets, {}, problem, Draw(problem.seeds)).detach()
    monkeypatch.setattr("il_models.views.STRIP", 8 * 64)
    assert torch.allclose(one.estimate(nets, {}, problem, Draw(problem.seeds)), whole, atol=1e-4)


@pytest.mark.data
def test_it_refines_a_very_noisy_picture(shared_data: Path) -> None:
    """Better than its first network with as many steps."""
    x = torch.from_numpy(np.asarray(Image.open(shared_data / "classic/set12/04.png"), np.float32) / 255)
    x = x[None, None, 64:192, 64:192]
    y = x + 50 / 255 * torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
    noise = Noise(torch.zeros(1, 1), torch.full((1, 1), (50 / 255) ** 2), torch.zeros(1, 2))
    problem = Problem(y, Identity(), noise, torch.ones_like(y, dtype=torch.bool), torch.arange(1))
    levels = [
        float(psnr(fit(problem, method).x.clamp(0, 1), x, 1.0, problem.mask))
        for method in (replace(FAST, steps=1400), ZeroShotNoise2Noise(steps=1400))
    ]
    assert levels[0] > levels[1]
