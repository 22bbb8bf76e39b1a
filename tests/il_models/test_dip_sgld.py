"""DIP as a posterior: which weights are shaken and how much, its samples, and their spread."""

from dataclasses import replace

import pytest
import torch
from contracts.toys import toy
from torch import Tensor

from il_models.draw import Draw
from il_models.fitting import fit
from il_models.methods.dip_sgld import SHORE, DeepImagePriorSgld
from il_models.metrics import mse
from il_models.nets import Nets, seeded_networks
from il_models.noise import Noise
from il_models.problem import Problem

TINY = DeepImagePriorSgld(widths=(8, 16), code=4, jitter=0.01, steps=150, every=5, withheld=0.0)


def nets_of(problem: Problem) -> Nets:
    return Nets.stacked(seeded_networks(lambda: TINY.network(problem), problem.seeds, torch.device("cpu")))


def test_only_convolutions_are_shaken_and_by_twice_the_rate() -> None:
    _, problem = toy(2)
    nets = nets_of(problem)
    before = {name: value.detach().clone() for name, value in nets.weights.items()}
    with torch.no_grad():
        TINY.after_step(nets, Draw(problem.seeds), 0)
    moved = {name: (nets.weights[name].detach() - value) for name, value in before.items()}
    assert {name for name, change in moved.items() if bool(change.any())} == {
        name for name, value in before.items() if value.ndim == 5
    }
    changes = torch.cat([change.flatten() for change in moved.values() if change.ndim == 5])
    assert float(changes.std()) == pytest.approx(2 * TINY.rate, rel=0.05)
    assert abs(float(changes.mean())) < 1e-3


def test_each_tile_is_shaken_by_its_own_stream() -> None:
    _, problem = toy(3)
    one = torch.tensor([2])
    whole, alone = nets_of(problem), nets_of(problem).take(one)
    with torch.no_grad():
        TINY.after_step(whole, Draw(problem.seeds), 0)
        TINY.after_step(alone, Draw(problem.seeds[one]), 0)
    for name, value in alone.weights.items():
        assert torch.equal(whole.weights[name][2], value[0])


def test_samples_begin_after_the_burn_in() -> None:
    """The paper's: every 50th of 20,000 from 7000 on."""
    average = DeepImagePriorSgld().average
    assert (average.first, average.every, average.spread, average.keep) == (7000, 50, True, None)
    assert TINY.average.first == 52  # to the nearest even number


def test_the_mean_of_the_samples_and_their_spread() -> None:
    clean, problem = toy(2, side=32)
    done = fit(problem, TINY)
    assert bool((mse(done.x, clean, problem.mask) < mse(problem.y, clean, problem.mask)).all())
    assert done.std is not None
    assert done.std.shape == done.x.shape
    assert bool((done.std > 0).all())
    assert 0.005 < float(done.std.mean()) < 0.3


def test_a_misfit_below_the_noise_is_climbed() -> None:
    """The gradient turns round at the level of the flood, and where the noise is not known there is none."""
    _, problem = toy(2, side=32)
    level = float((problem.noise.nominal(problem.y) ** 2).mean())

    def slope(flood: float, some: Problem = problem) -> tuple[float, Tensor]:
        nets, draw = nets_of(some), Draw(some.seeds)
        loss = replace(TINY, flood=flood).loss(nets, TINY.prepare(some, draw), some, draw, 0)
        loss.sum().backward()
        found = [weight.grad[0].flatten() for weight in nets.weights.values() if weight.grad is not None]
        return float(loss[0].detach()), torch.cat(found)

    misfit, plain = slope(0.0)
    at = misfit / level  # where the level would be that of the misfit
    for flood, times in ((1.05 * at, (1 / 1.05 - 1) / SHORE), (2 * at, -1.0), (0.5 * at, 1.0)):
        told, found = slope(flood)
        assert told == pytest.approx(misfit)
        assert torch.allclose(found, times * plain, atol=1e-3 * float(plain.abs().max()))
    unknown = replace(problem, noise=Noise(*(torch.zeros(2, n) for n in (1, 1, 2))))
    assert torch.equal(slope(1e6, unknown)[1], plain)


def test_samples_do_not_sink_into_the_noise() -> None:
    """Without the flood a quiet sampler does."""
    _, problem = toy(2, side=32)
    quiet = replace(TINY, noise=0.0, steps=400)
    ratio = [
        mse(fit(problem, replace(quiet, flood=flood)).x, problem.y, problem.mask)
        / (problem.noise.nominal(problem.y) ** 2).mean()
        for flood in (1.0, 0.0)
    ]
    assert bool((ratio[0] > 0.8).all())
    assert bool((ratio[1] < 0.6).all())


def test_there_is_no_network_for_a_whole_input() -> None:
    with pytest.raises(NotImplementedError, match="scope: tile"):
        replace(TINY).on_input()
