"""The one loop: steps, retirement, bad numbers, memory, records."""

from dataclasses import dataclass, replace
from typing import ClassVar

import pytest
import torch
from contracts.method import StopsByTile, outcome
from contracts.toys import toy
from torch import Tensor, nn

from il_models.draw import Draw
from il_models.fitting import Budget, FitRecord, Status, VarianceMinimum, fit
from il_models.fitting.record import CURVE_POINTS, joined, thinned
from il_models.method import Direct, Fitted, Method
from il_models.nets import Nets
from il_models.problem import Problem


class Bias(nn.Module):
    """One weight."""

    def __init__(self) -> None:
        super().__init__()
        self.level = nn.Parameter(torch.rand(1))

    def forward(self, x: Tensor) -> Tensor:
        return x * 0 + self.level


@dataclass(frozen=True, kw_only=True)
class Level(Fitted):
    """Fits a constant to each tile; a test double that can break."""

    name: ClassVar[str] = "level"
    summary: ClassVar[str] = "a constant"
    source: ClassVar[str] = "none"
    steps: int = 300
    rate: float = 0.02
    most: int = 99  # tiles that fit into memory
    bad_seed: int = -1
    bad_step: int = 10
    shared: bool = False
    rough_from: int = 10**9  # from this step on the fit wanders

    @property
    def reach(self) -> None:
        return None

    def work(self, pixels: int, channels: int) -> float:
        return float(pixels * channels * self.steps)

    def network(self, problem: Problem) -> nn.Module:
        return Bias()

    def rate_at(self, step: int) -> float:
        return self.rate if step < self.rough_from else 50 * self.rate

    def loss(self, nets: Nets, inputs: dict[str, Tensor], problem: Problem, draw: Draw, step: int) -> Tensor:
        if problem.b > self.most:
            raise torch.OutOfMemoryError("pretended")
        loss = ((nets(problem.y[:, None])[:, 0] - problem.y) ** 2).flatten(1).mean(1)
        loss = loss + 0 * draw.normal(1)[:, 0]
        if step >= self.bad_step:
            loss = loss * torch.where(problem.seeds == self.bad_seed, torch.nan, 1.0)
        return loss.mean() if self.shared else loss

    def estimate(self, nets: Nets, inputs: dict[str, Tensor], problem: Problem, draw: Draw) -> Tensor:
        return nets(problem.y[:, None])[:, 0]


@dataclass(frozen=True, kw_only=True)
class Broken(Direct):
    """Divides by zero in every second tile."""

    name: ClassVar[str] = "broken"
    summary: ClassVar[str] = "broken"
    source: ClassVar[str] = "none"

    @property
    def reach(self) -> int:
        return 0

    def work(self, pixels: int, channels: int) -> float:
        return 1.0

    def estimate(self, problem: Problem) -> Tensor:
        odd = torch.arange(problem.b) % 2 == 1
        return torch.where(odd[:, None, None, None], torch.inf, problem.y)


def means(problem: Problem) -> Tensor:
    return problem.y.flatten(1).mean(1)


def test_each_tile_is_fitted() -> None:
    _, problem = toy(3)
    done = fit(problem, Level())
    assert torch.allclose(done.x[:, 0, 0, 0], means(problem), atol=1e-3)
    for record in done.records:
        assert record.status is Status.BUDGET
        assert record.reason == "budget"
        assert record.steps == record.best_step == 300
        assert record.seconds > 0
        assert len(record.curve) <= CURVE_POINTS
        assert record.curve[0][0] == 1
        assert record.curve[-1][0] == 300
        assert record.best_loss <= record.first_loss
    assert done.nets is not None
    assert torch.allclose(done.nets.weights["level"][:, 0], means(problem), atol=1e-3)


def test_retired_tiles_keep_what_they_had_and_the_others_go_on() -> None:
    _, problem = toy(4)
    done = fit(problem, Level(), stopper=StopsByTile([40, 300, 90, 200]))
    assert [record.steps for record in done.records] == [40, 300, 90, 200]
    assert [record.status for record in done.records] == [Status.STOPPED] * 4
    for tile, steps in enumerate([40, 300, 90, 200]):
        alone = fit(problem.take(torch.tensor([tile])), Level(), stopper=Budget(steps))
        assert torch.equal(alone.x[0], done.x[tile])
        assert alone.nets is not None
        assert done.nets is not None
        assert torch.equal(alone.nets.weights["level"][0], done.nets.weights["level"][tile])


def test_a_stopper_that_watches_gives_its_best_estimate() -> None:
    _, problem = toy(2)
    done = fit(problem, Level(rough_from=150), stopper=VarianceMinimum(window=5, patience=20))
    for record in done.records:
        assert record.status is Status.STOPPED
        assert record.reason == "variance minimum"
        assert record.best_step == record.steps - 20 <= 155
    assert torch.allclose(done.x[:, 0, 0, 0], means(problem), atol=0.1)


def test_a_tile_whose_loss_is_not_finite_gets_the_fallback() -> None:
    _, problem = toy(3)
    method = Level(bad_seed=int(problem.seeds[1]))
    done, sound = fit(problem, method), fit(problem, Level())
    assert [record.status for record in done.records] == [Status.BUDGET, Status.DIVERGED, Status.BUDGET]
    assert "not finite" in done.records[1].reason
    assert done.records[1].steps < 50
    assert torch.equal(done.x[1], problem.y[1])
    assert torch.equal(done.x[[0, 2]], sound.x[[0, 2]])
    assert outcome(done.records[0]) == outcome(sound.records[0])


def test_a_diverged_tile_does_not_return_an_estimate_that_was_watched() -> None:
    _, problem = toy(2)
    method = Level(bad_seed=int(problem.seeds[0]), bad_step=60)
    done = fit(problem, method, stopper=VarianceMinimum(window=5, patience=1000))
    assert done.records[0].status is Status.DIVERGED
    assert torch.equal(done.x[0], problem.y[0])


def test_a_batch_that_does_not_fit_is_halved() -> None:
    _, problem = toy(5)
    done, whole = fit(problem, Level(most=2)), fit(problem, Level())
    assert torch.equal(done.x, whole.x)
    assert [record.splits for record in done.records] == [2, 1 + 1, 1, 1, 1] or max(r.splits for r in done.records) <= 3
    assert min(record.splits for record in done.records) >= 1
    assert done.nets is not None
    assert done.nets.b == 5


def test_a_tile_that_does_not_fit_alone_gets_the_fallback() -> None:
    _, problem = toy(2)
    done = fit(problem, Level(most=0))
    assert torch.equal(done.x, problem.y)
    assert {record.status for record in done.records} == {Status.OUT_OF_MEMORY}


def test_other_errors_are_not_swallowed() -> None:
    class Wrong(Level):
        def loss(self, *args: object) -> Tensor:  # type: ignore[override]
            raise RuntimeError("shape mismatch")

    with pytest.raises(RuntimeError, match="shape mismatch"):
        fit(toy(2)[1], Wrong())


def test_a_loss_over_all_tiles_is_refused() -> None:
    class Loose(Level):
        def loss(self, *args: object) -> Tensor:  # type: ignore[override]
            return torch.zeros(1, requires_grad=True).sum()

    with pytest.raises(ValueError, match="one number per tile"):
        fit(toy(2)[1], Loose())


def test_only_methods_are_fitted() -> None:
    class Neither(Method):
        name = "neither"
        reach = 0

        def work(self, pixels: int, channels: int) -> float:
            return 1.0

    with pytest.raises(TypeError, match="neither a Direct nor a Fitted"):
        fit(toy(1)[1], Neither())


def test_a_direct_method_that_breaks_falls_back_per_tile() -> None:
    _, problem = toy(4)
    done = fit(problem, Broken())
    assert torch.equal(done.x, problem.y)
    assert [record.status for record in done.records] == [Status.DIRECT, Status.DIVERGED] * 2
    assert done.nets is None


def test_a_start_is_not_changed_by_the_fit() -> None:
    _, problem = toy(2)
    first = fit(problem, Level(steps=20))
    assert first.nets is not None
    kept = first.nets.weights["level"].clone()
    further = fit(problem, Level(steps=20), start=first.nets)
    assert torch.equal(first.nets.weights["level"], kept)
    assert further.records[0].first_loss < first.records[0].first_loss


def test_gradients_are_not_left_behind() -> None:
    done = fit(toy(2)[1], Level(steps=3))
    assert not done.x.requires_grad
    assert done.nets is not None
    assert all(weight.grad is None for weight in done.nets.weights.values())


def test_curves_are_thinned_to_their_first_and_last() -> None:
    curve = [(step, 1 / step) for step in range(1, 1001)]
    thin = thinned(curve)
    assert len(thin) == CURVE_POINTS
    assert thin[0] == curve[0]
    assert thin[-1] == curve[-1]
    assert thinned(curve[:5]) == tuple(curve[:5])


def test_records_join() -> None:
    one = FitRecord(Status.BUDGET, "budget", 1, 1, (), 0.0)
    assert joined([[one], [replace(one, steps=2), one]])[1].steps == 2


def test_problem_take_and_to() -> None:
    _, problem = toy(3, channels=2)
    some = problem.take(torch.tensor([True, False, True]))
    assert some.b == 2
    assert some.channels == 2
    assert torch.equal(some.seeds, problem.seeds[[0, 2]])
    assert torch.equal(problem.to(torch.device("cpu")).y, problem.y)
