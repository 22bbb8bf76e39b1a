"""Every stopper keeps the contract, and stops where its paper says."""

import pytest
import torch
from contracts.stopper import StopperContract

from il_models.fitting import Budget, FirstOf, Plateau, Stopper, VarianceMinimum

KNOWN: dict[str, Stopper] = {
    "budget": Budget(50),
    "plateau": Plateau(patience=40, drop=0.01, interval=10),
    "variance": VarianceMinimum(window=8, patience=30),
    "variance, every second": VarianceMinimum(window=8, patience=30, interval=2),
    "first of three": FirstOf((VarianceMinimum(window=8, patience=60), Plateau(40, 0.01, 10), Budget(120))),
    "first of a first": FirstOf((FirstOf((Plateau(40, 0.01, 20), Budget(100))), Budget(90))),
}


@pytest.mark.parametrize("name", KNOWN)
class TestStoppers(StopperContract):
    @pytest.fixture
    def stopper(self, name: str) -> Stopper:
        return KNOWN[name]


def test_none_is_forgotten() -> None:
    own = {kind for kind in Stopper.__subclasses__() if kind.__module__.startswith("il_models.")}
    assert own == {type(stopper) for stopper in KNOWN.values()}


def test_plateau_stops_when_the_loss_has_levelled_out() -> None:
    stopper = Plateau(patience=100, drop=0.01, interval=10)
    state, told = stopper.start(1, torch.device("cpu")), 0
    for step in range(10, 1000, 10):
        state, stop, _ = stopper.update(state, step, torch.tensor([max(1 - step / 300, 0.1)]), None)
        if stop:
            told = step
            break
    assert 300 < told < 700


def test_variance_minimum_keeps_the_estimate_of_the_minimum() -> None:
    stopper = VarianceMinimum(window=5, patience=50)
    random = torch.Generator().manual_seed(0)
    state, best_step = stopper.start(1, torch.device("cpu")), 0
    for step in range(1, 400):
        spread = abs(step - 120) / 100 + 0.02  # calmest at step 120
        x = spread * torch.randn(1, 1, 30, 30, generator=random)
        state, stop, best = stopper.update(state, step, torch.zeros(1), x)
        best_step = step if bool(best) else best_step
        if stop:
            break
    assert 110 < best_step < 135
    assert 160 < step < 190


def test_first_of_gives_the_first_reason() -> None:
    stopper = FirstOf((Budget(20), Budget(10)))
    state = stopper.start(2, torch.device("cpu"))
    state, stop, _ = stopper.update(state, 10, torch.zeros(2), None)
    assert stop.tolist() == [2, 2]
    assert stopper.reasons[1] == "budget"
    assert stopper.every == 10
