"""The one loop: steps, retirement, bad numbers, memory, records."""

from dataclasses import dataclass, replace
from typing import ClassVar

import pytest
import torch
from contracts.method import StopsByTile, outcome
from contracts.toys import toy
from torch import Tensor, nn

from il_models.average import Average
from il_models.draw import Draw
from il_models.fitting import (
    Budget,
    Discrepancy,
    FitRecord,
    HeldOut,
    RiskMinimum,
    Status,
    Stopper,
    VarianceMinimum,
    fit,
)
from il_models.fitting.record import CURVE_POINTS, joined, thinned
from il_models.fitting.withholding import without
from il_models.method import Direct, Fitted, Method
from il_models.nets import Nets
from il_models.problem import Problem
from il_models.stopper import Decision, Look, State


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


@dataclass(frozen=True, kw_only=True)
class Walk(Level):
    """A constant that jumps after every step, of which the average is wanted."""

    name: ClassVar[str] = "walk"
    reads_measurement: ClassVar[bool] = False
    averaged: Average | None = None
    own_stopper: Stopper | None = None
    share: float = 0.0
    jump: float = 0.0
    keep: float = 0.0

    @property
    def weight_average(self) -> float:
        return self.keep

    @property
    def average(self) -> Average | None:
        return self.averaged

    @property
    def stopper(self) -> Stopper | None:
        return self.own_stopper

    @property
    def withheld(self) -> float:
        return self.share

    def after_step(self, nets: Nets, draw: Draw, step: int) -> None:
        nets.weights["level"].add_(self.jump * draw.normal(1))


def test_the_average_of_all_estimates_and_their_spread() -> None:
    _, problem = toy(2)
    wanted = Average(every=5, first=60, spread=True)
    done = fit(problem, Walk(steps=100, jump=0.05, averaged=wanted))
    lone = [fit(problem, Walk(steps=k, jump=0.05)).x for k in range(60, 101, 5)]
    assert torch.allclose(done.x, torch.stack(lone).mean(0), atol=1e-5)
    assert done.std is not None
    assert torch.allclose(done.std, torch.stack(lone).std(0, correction=0), atol=1e-5)
    assert float(done.std.mean()) > 0.01


def test_an_exponential_average_forgets() -> None:
    _, problem = toy(1)
    done = fit(problem, Walk(steps=40, averaged=Average(every=10, keep=0.5)))
    a, b, c, d = (fit(problem, Walk(steps=k)).x for k in (10, 20, 30, 40))
    assert torch.allclose(done.x, 0.125 * a + 0.125 * b + 0.25 * c + 0.5 * d, atol=1e-5)
    assert done.std is None


def test_an_average_is_that_of_the_best_step() -> None:
    _, problem = toy(1)
    stopper = Discrepancy(factor=100.0, interval=30)  # at its first look
    done = fit(problem, Walk(steps=90, averaged=Average(every=10)), stopper=stopper)
    assert done.records[0].best_step == 30
    assert torch.allclose(done.x, torch.stack([fit(problem, Walk(steps=k)).x for k in (10, 20, 30)]).mean(0), atol=1e-6)


def test_the_mean_of_the_weights_makes_the_estimate() -> None:
    """At first of the last tenth of the steps, later as long as is kept; and so do the networks that are returned."""
    _, problem = toy(2)
    mean, steps = torch.empty(0), 30
    for step in range(1, steps + 1):
        level = fit(problem, Walk(steps=step, jump=0.05)).x
        share = 1 - min(0.7, step / (step + 10))
        mean = level.lerp(level, 0) if not len(mean) else mean.lerp(level, share)
        if step == 1:  # begins at the weights before the first step
            mean = fit(problem, Walk(steps=1, rate=1e-30)).x.lerp(level, share)
    done = fit(problem, Walk(steps=steps, jump=0.05, keep=0.7))
    assert torch.allclose(done.x, mean, atol=1e-6)
    assert done.nets is not None
    assert torch.allclose(done.nets.weights["level"][:, 0], done.x[:, 0, 0, 0], atol=1e-6)
    assert not torch.allclose(done.x, fit(problem, Walk(steps=steps, jump=0.05)).x, atol=1e-3)


def test_retired_mates_do_not_disturb_a_mean_of_weights() -> None:
    _, problem = toy(3)
    method = Walk(steps=50, jump=0.05, keep=0.9)
    together = fit(problem, method, stopper=StopsByTile([50, 10, 30]))
    for tile, steps in enumerate((50, 10, 30)):
        alone = fit(problem.take(torch.tensor([tile])), method, stopper=StopsByTile([steps]))
        assert torch.equal(alone.x[0], together.x[tile])


def test_retired_mates_do_not_disturb_an_average() -> None:
    _, problem = toy(3)
    method = Walk(steps=50, jump=0.05, averaged=Average(every=5, keep=0.9))
    together = fit(problem, method, stopper=StopsByTile([50, 10, 30]))
    for tile, steps in enumerate((50, 10, 30)):
        alone = fit(problem.take(torch.tensor([tile])), method, stopper=StopsByTile([steps]))
        assert torch.equal(alone.x[0], together.x[tile])


def test_withheld_pixels_are_not_in_the_fit_and_are_told() -> None:
    _, problem = toy(2, side=64)
    done = fit(problem, Walk(steps=5, share=0.1))
    assert done.unseen is not None
    assert 0.07 < float(done.unseen.float().mean()) < 0.13
    assert fit(problem, Walk(steps=5)).unseen is None
    y = torch.where(done.unseen, 100.0, problem.y)
    seen = without(replace(problem, y=y), 0.1)[0]
    assert not bool((seen.mask & done.unseen).any())
    assert float(seen.y.abs().max()) < 10


def test_a_tile_that_overflows_keeps_its_withheld_pixels() -> None:
    _, problem = toy(2)
    done = fit(problem, Walk(steps=20, share=0.2, bad_seed=int(problem.seeds[1])))
    assert done.records[1].status is Status.DIVERGED
    assert torch.equal(done.x[1], problem.y[1])


def test_the_methods_own_stopper_gives_way_to_a_given_one() -> None:
    _, problem = toy(1)
    method = Walk(steps=50, own_stopper=Budget(20))
    assert fit(problem, method).records[0].steps == 20
    assert fit(problem, method, stopper=Budget(30)).records[0].steps == 30


def test_a_stopper_that_probes_refuses_networks_that_do_not_read_the_measurement() -> None:
    with pytest.raises(ValueError, match="held-out"):
        fit(toy(1)[1], Walk(), stopper=RiskMinimum())


def test_held_out_pixels_are_compared_with_what_was_measured_there() -> None:
    """In the problem that is fitted a guess from the neighbours stands there, which a smooth estimate would please."""
    _, problem = toy(2, side=48)
    seen: list[tuple[Tensor, Tensor, Tensor]] = []

    class Spy(HeldOut):
        def decide(self, state: State, look: Look) -> Decision:
            seen.append((look.y, look.problem.y, look.unseen))
            return HeldOut.decide(self, state, look)

    done = fit(problem, Walk(steps=20), stopper=Spy(share=0.2, interval=10))
    (y, guessed, unseen), *_ = seen
    assert torch.equal(y, problem.y)
    assert done.unseen is not None
    assert torch.equal(unseen, done.unseen)
    assert torch.equal(guessed != y, unseen)


def test_another_image_may_be_shown_by_the_same_networks() -> None:
    """Also where the batch is halved and tiles end at different steps; the networks learn from their own tiles."""
    _, problem = toy(3, side=32)
    _, part = toy(3, side=16)
    for method, stopper in ((Level(steps=30), StopsByTile([5, 20, 30])), (Level(steps=30, most=2), None)):
        whole = fit(problem, method, stopper=stopper)
        shown = fit(problem, method, stopper=stopper, shown=part)
        assert shown.x.shape == part.y.shape
        assert whole.nets is not None
        assert shown.nets is not None
        assert torch.equal(whole.nets.weights["level"], shown.nets.weights["level"])
        assert torch.equal(shown.x[..., 0, 0], whole.x[..., 0, 0])


def test_nothing_else_is_shown_where_images_are_watched() -> None:
    _, problem = toy(1, side=32)
    with pytest.raises(ValueError, match=r"no other can be shown; leave `shown` out"):
        fit(problem, Level(steps=5), stopper=VarianceMinimum(2, 1), shown=problem)
