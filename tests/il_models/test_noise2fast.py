"""Noise2Fast: its half-images, its loss, its mask, and its rule of when to end."""

from dataclasses import replace

import pytest
import torch
from contracts.stopper import StopperContract, look_at
from contracts.toys import toy
from torch import Tensor

from il_models.average import Average
from il_models.draw import Draw
from il_models.fitting import Status, fit
from il_models.fitting.closest import Closest
from il_models.methods.noise2fast import Noise2Fast, colours
from il_models.nets import Nets, seeded_networks
from il_models.networks.plain import PlainStack
from il_models.problem import Problem
from il_models.stopper import Stopper

SMALL = Noise2Fast(steps=10, width=6, depth=2)


def nets_of(method: Noise2Fast, problem: Problem) -> Nets:
    return Nets.stacked(seeded_networks(lambda: method.network(problem), problem.seeds, torch.device("cpu")))


@pytest.mark.parametrize("along", [-1, -2])
def test_the_halves_are_the_colours_of_a_checkerboard(along: int) -> None:
    place = torch.arange(6 * 8).reshape(1, 1, 6, 8)
    even, odd = colours(place, along)
    assert even.shape == odd.shape == ((1, 1, 6, 4) if along == -1 else (1, 1, 3, 8))
    both = torch.cat([even.flatten(), odd.flatten()])
    assert len(both.unique()) == 48  # no pixel in both, none in neither
    for half, colour in ((even, 0), (odd, 1)):
        assert bool(((half // 8 + half % 8) % 2 == colour).all())
    apart = (even - odd).abs()
    assert bool((apart == (1 if along == -1 else 8)).all())  # neighbours, along the axis that is halved
    shift = (even - odd).float().mean((-1, -2))
    assert bool((shift == 0).all())  # as often left as right


def test_the_loss_is_a_mean_square_of_one_colour_from_the_other() -> None:
    _, problem = toy(1, side=16)
    network = seeded_networks(lambda: SMALL.network(problem), problem.seeds, torch.device("cpu"))[0]
    halves = [colours(problem.y, along) for along in (-1, -2)]
    ways = [
        {round(float(((network(a) - b) ** 2).mean().detach()), 5) for a, b in (pair, pair[::-1])} for pair in halves
    ]
    nets = Nets.stacked([network])
    for step, wanted in enumerate(ways):
        draws = (Draw(torch.tensor([seed])) for seed in range(20))
        drawn = {round(float(SMALL.loss(nets, {}, problem, draw, step).detach()), 5) for draw in draws}
        assert drawn == wanted


def test_pairs_that_were_not_measured_wholly_take_no_part() -> None:
    _, problem = toy(2, side=32)
    mask = problem.mask.clone()
    mask[:, :, 9:12, 9:12] = False
    nets = nets_of(SMALL, problem)
    silent = nets.replaced({name: torch.zeros_like(value) for name, value in nets.weights.items()})
    for step in (0, 1):
        losses = []
        for fill in (0.0, 50.0):
            filled = replace(problem, mask=mask, y=torch.where(mask, problem.y, torch.full_like(problem.y, fill)))
            losses.append(SMALL.loss(silent, {}, filled, Draw(problem.seeds), step))
        assert torch.equal(*losses)


def test_sizes_of_the_network() -> None:
    assert sum(w.numel() for w in PlainStack(1, 64, 8).parameters()) == 259_201


def test_the_rule_on_a_scripted_curve() -> None:
    """Comes closer until step 60 in one tile and 25 in the other, then wanders off; each ends 30 steps later."""
    _, problem = toy(2, side=8)
    stopper = Closest(patience=30)
    state, ended = stopper.start(problem), [0, 0]
    for step in range(1, 120):
        away = (step - torch.tensor([60.0, 25.0])).abs().clamp(max=80)[:, None, None, None] / 100
        state, stop, best = stopper.update(state, look_at(problem, step, torch.zeros(2), problem.y + away))
        ended = [before or (step if now else 0) for before, now in zip(ended, stop.tolist(), strict=True)]
        assert best.tolist() == [not before or before == step for before in ended]
    assert ended == [90, 55]


def test_the_rule_looks_at_measured_pixels_only() -> None:
    _, problem = toy(1, side=8)
    mask = problem.mask.clone()
    mask[..., 0] = False
    problem = replace(problem, mask=mask)
    stopper = Closest(patience=5)
    state = stopper.start(problem)
    for step in range(1, 7):
        x = problem.y + 1
        x[..., 0] = problem.y[..., 0] + 1 / step  # closer and closer, where nothing was measured
        state, stop, _ = stopper.update(state, look_at(problem, step, torch.zeros(1), x))
    assert int(stop) == 1


class TestClosest(StopperContract):
    @pytest.fixture(params=[Closest(patience=20), Closest(patience=40, interval=4)])
    def stopper(self, request: pytest.FixtureRequest) -> Stopper:
        found: Stopper = request.param
        return found


def test_a_fit_ends_by_itself_with_the_mean_of_its_last_images() -> None:
    _, problem = toy(2, side=32)
    method = replace(SMALL, steps=3000, rate=1e-2, patience=20)
    done = fit(problem, method)
    for record in done.records:
        assert record.status is Status.STOPPED
        assert record.reason == "closest to the measurement"
        assert 20 < record.steps < 3000
    assert done.nets is not None
    last = method.estimate(done.nets, {}, problem, Draw(problem.seeds)).detach()
    assert not torch.equal(done.x, last)
    assert float((done.x - last).abs().mean()) < 0.05


def test_the_mean_is_as_old_as_that_of_the_last_images() -> None:
    average = Noise2Fast(patience=100).average
    assert isinstance(average, Average)
    assert average.keep is not None
    assert average.keep / (1 - average.keep) == pytest.approx(49.5)
    sparse = Noise2Fast(patience=100, interval=20).average
    assert sparse is not None
    assert sparse.every == 20
    assert sparse.keep == pytest.approx(2 / 3)


def test_without_patience_it_takes_all_its_steps() -> None:
    method = replace(SMALL, patience=0)
    assert method.stopper is None
    assert method.average is None
    assert SMALL.on_input() == replace(method, crop=64, decay="cosine")
    assert SMALL.own_steps(5) == replace(method, steps=5, rate=SMALL.own_rate, decay="cosine")


def test_values_outside_the_unit_range_are_fitted() -> None:
    _, problem = toy(1, side=32)
    wide = replace(problem, y=10 * problem.y - 4)
    first, last = (fit(wide, replace(SMALL, steps=steps, rate=1e-2, patience=0)) for steps in (1, 200))

    def loss(x: Tensor) -> float:
        return float((x - wide.y).pow(2).mean())

    assert loss(last.x) < 0.3 * loss(first.x)
