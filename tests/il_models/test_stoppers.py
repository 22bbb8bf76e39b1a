"""Every stopper keeps the contract, and stops where its paper says."""

from dataclasses import replace
from inspect import isabstract

import pytest
import torch
from contracts.stopper import StopperContract, look_at
from contracts.toys import SIGMA, toy
from torch import Tensor

from il_models.draw import Draw
from il_models.fitting import (
    Budget,
    Discrepancy,
    FirstOf,
    HeldOut,
    MovingVariance,
    Outgrown,
    Plateau,
    RiskMinimum,
    Stopper,
    VarianceMinimum,
)
from il_models.fitting.closest import Closest
from il_models.fitting.residual import over_noise
from il_models.fitting.zero_crossing import ZeroCrossing
from il_models.noise import Noise
from il_models.problem import Problem

KNOWN: dict[str, Stopper] = {
    "budget": Budget(50),
    "plateau": Plateau(patience=40, drop=0.01, interval=10),
    "variance": VarianceMinimum(window=8, patience=30),
    "variance, every second": VarianceMinimum(window=8, patience=30, interval=2),
    "moving variance": MovingVariance(patience=30, first=5),
    "held-out": HeldOut(patience=30, interval=2),
    "risk": RiskMinimum(patience=30, interval=2),
    "closest": Closest(patience=30, interval=2),
    "discrepancy": Discrepancy(factor=0.9, interval=2),
    "discrepancy, later": Discrepancy(factor=0.9, interval=2, times=1.5),
    "outgrown": Outgrown(factor=1.1, interval=2, first=40),
    "first of three": FirstOf((VarianceMinimum(window=8, patience=60), Plateau(40, 0.01, 10), Budget(120))),
    "first of a first": FirstOf((FirstOf((Plateau(40, 0.01, 20), Budget(100))), Budget(90))),
}


@pytest.mark.parametrize("name", KNOWN)
class TestStoppers(StopperContract):
    @pytest.fixture
    def stopper(self, name: str) -> Stopper:
        return KNOWN[name]


def _kinds(kind: type) -> set[type]:
    return {kind}.union(*(_kinds(each) for each in kind.__subclasses__()))


def test_none_is_forgotten() -> None:
    own = {kind for kind in _kinds(Stopper) if kind.__module__.startswith("il_models.fitting")}
    own = {kind for kind in own if not isabstract(kind)}
    # ZeroCrossing wants a loss that falls below 0, as no loss of the contract does: see test_dip_sure.py
    assert own - {ZeroCrossing} == {type(stopper) for stopper in KNOWN.values()}


def test_plateau_stops_when_the_loss_has_levelled_out() -> None:
    stopper, problem = Plateau(patience=100, drop=0.01, interval=10), toy(1)[1]
    state, told = stopper.start(problem), 0
    for step in range(10, 1000, 10):
        loss = torch.tensor([max(1 - step / 300, 0.1)])
        state, stop, _ = stopper.update(state, look_at(problem, step, loss, None))
        if stop:
            told = step
            break
    assert 300 < told < 700


@pytest.mark.parametrize(
    "stopper", [VarianceMinimum(window=5, patience=50), MovingVariance(patience=50, first=5, share=0.3)]
)
def test_variance_minimum_keeps_the_estimate_of_the_minimum(stopper: Stopper) -> None:
    random = torch.Generator().manual_seed(0)
    problem = toy(1)[1]
    state, best_step = stopper.start(problem), 0
    for step in range(1, 400):
        spread = abs(step - 120) / 100 + 0.02  # calmest at step 120
        x = spread * torch.randn(problem.y.shape, generator=random)
        state, stop, best = stopper.update(state, look_at(problem, step, torch.zeros(1), x))
        best_step = step if bool(best) else best_step
        if stop:
            break
    assert 110 < best_step < 135
    assert 160 < step < 190


def way(step: int) -> tuple[Tensor, Tensor, float]:
    """From grey over the scene (at step 100) to the measurement (step 200): estimate, true MSE, and its slope."""
    clean, problem = toy(1, side=64)
    share = max(step - 100, 0) / 100
    x = clean.mean() + (clean - clean.mean()) * min(step / 100, 1) + share * (problem.y - clean)
    return x, ((x - clean) ** 2).mean(), share


@pytest.mark.parametrize("stopper", [HeldOut(patience=40, interval=5), RiskMinimum(patience=40, interval=5)])
def test_stops_near_the_truth_of_a_fit_that_goes_on_to_the_noise(stopper: Stopper) -> None:
    _, problem = toy(1, side=64)
    fresh = problem.y + 0
    unseen = problem.mask.clone()
    state, best_step = stopper.start(problem), 0
    for step in range(5, 200, 5):
        x, _, share = way(step)
        if isinstance(stopper, HeldOut):  # the fit does not know the pixel: what it makes of its neighbours' noise errs
            x = x - share * (problem.y - way(100)[0]) + share * torch.roll(problem.y - way(100)[0], 1, -1)
        look = look_at(problem, step, torch.zeros(1), x)
        again = lambda y, x=x, share=share: x + share * (y - fresh)  # noqa: E731
        look = type(look)(step, look.loss, problem, unseen, problem.y, x, again)
        state, stop, best = stopper.update(state, look)
        best_step = step if bool(best) else best_step
        if stop:
            break
    assert 85 <= best_step <= 120
    assert step < 195


def test_discrepancy_stops_when_the_residual_reaches_the_noise() -> None:
    clean, problem = toy(1, side=64)
    stopper = Discrepancy(interval=1)
    told = []
    for far in (3 * SIGMA, 0.5 * SIGMA, 0.0):
        x = clean + far
        told.append(int(stopper.update(stopper.start(problem), look_at(problem, 1, torch.zeros(1), x)).stop))
    assert told[0] == 0
    assert told[1] == 0
    x = clean + 0.2 * (problem.y - clean)
    assert int(stopper.update(stopper.start(problem), look_at(problem, 1, torch.zeros(1), x)).stop) == 1


def test_discrepancy_may_go_on_for_as_long_again() -> None:
    clean, problem = toy(2, side=64)
    stopper, near = Discrepancy(interval=1, times=2.0), clean + 0.2 * (problem.y - clean)
    state, ended = stopper.start(problem), {}
    for step in range(1, 60):
        reached = torch.tensor([step >= 10, step >= 25]).reshape(2, 1, 1, 1)  # and stays there, or not
        x = torch.where(reached & torch.tensor(step % 2 == 1 or step in (10, 25)), near, clean + 3 * SIGMA)
        state, stop, best = stopper.update(state, look_at(problem, step, torch.zeros(2), x))
        ended |= {tile: step for tile in range(2) if stop[tile] and tile not in ended}
        assert best.tolist() == [tile not in ended or ended[tile] == step for tile in range(2)]
    assert ended == {0: 20, 1: 50}
    assert stopper.reasons == ("residual reached the noise, in steps 2 times as many",)


def test_outgrown_stops_when_the_residual_is_more_than_noise_and_not_before_its_first_step() -> None:
    """From the measurement over the scene to one that has the noise the wrong way round."""
    clean, problem = toy(2, side=64)
    stopper = Outgrown(interval=1, first=5)
    state, ended = stopper.start(problem), {}
    for step in range(1, 30):
        far = torch.tensor([(step - 0.5) / 20, 1.2 if step < 9 else 0.8]).reshape(2, 1, 1, 1)  # of the noise, taken out
        state, stop, _ = stopper.update(state, look_at(problem, step, torch.zeros(2), problem.y - far * _noise(clean)))
        ended |= {tile: step for tile in range(2) if stop[tile] and tile not in ended}
    assert ended == {0: 21, 1: 5}
    assert stopper.reasons == ("residual beyond the noise",)


def test_a_large_tile_takes_longer_to_learn_by_heart() -> None:
    clean, problem = toy(2, side=64)
    half = problem.mask.clone()
    half[1, :, :32] = False
    some, stopper = replace(problem, mask=half), Outgrown(interval=10, first=20, per_pixel=0.01)
    state, ended = stopper.start(some), {}
    for step in range(10, 100, 10):
        state, stop, _ = stopper.update(state, look_at(some, step, torch.zeros(2), problem.y - 1.5 * _noise(clean)))
        ended |= {tile: step for tile in range(2) if stop[tile] and tile not in ended}
    assert ended == {0: 70, 1: 50}  # 20 + 0.01 * 4096 and 20 + 0.01 * 2048


def test_a_pixel_without_noise_decides_nothing() -> None:
    """Where there is no photon there is no noise, and a residual over it would be infinite."""
    _, problem = toy(1, side=64)
    y = problem.y.abs()
    x = 0.5 * y
    x[..., :8, :8] = 0.0
    noise = Noise(torch.full((1, 1), 0.1), torch.zeros(1, 1), torch.zeros(1, 2))
    some = replace(problem, y=y, noise=noise)
    ratio = float(over_noise(look_at(some, 1, torch.zeros(1), x)))
    assert ratio == pytest.approx(float(((y - x) ** 2).mean() / (0.1 * x).mean()), rel=1e-4)
    told = [factor for factor in (0.9, 1.1) if int(_told(Discrepancy(factor * ratio**0.5, 1), some, x))]
    assert told == [1.1]


def _noise(clean: Tensor) -> Tensor:
    signs = Draw(torch.arange(len(clean))).signs(*clean.shape[1:]).to(clean)
    return SIGMA * signs


def _told(stopper: Stopper, problem: Problem, x: Tensor) -> Tensor:
    return stopper.update(stopper.start(problem), look_at(problem, 1, torch.zeros(1), x)).stop


def test_first_of_gives_the_first_reason() -> None:
    stopper = FirstOf((Budget(20), Budget(10)))
    problem = toy(2)[1]
    _, stop, _ = stopper.update(stopper.start(problem), look_at(problem, 10, torch.zeros(2), None))
    assert stop.tolist() == [2, 2]
    assert stopper.reasons[1] == "budget"
    assert stopper.every == 10
