"""What every restoration method promises. Runs over known_methods() in tests/il_models/test_methods.py."""

import pickle
from dataclasses import FrozenInstanceError, fields, replace

import pytest
import torch
from contracts.toys import blurred, doubled, gapped, small, toy
from torch import Tensor

from il_models.degradations import Blur, Identity, Mask
from il_models.draw import Draw
from il_models.fitting import Budget, FitRecord, Status, Stopper, fit
from il_models.method import Direct, Fitted, Method
from il_models.metrics import mse
from il_models.nets import Nets, seeded_networks
from il_models.problem import Problem
from il_models.stopper import Decision, Look, State
from tasks.adaptation import begun_at
from tasks.registry.suited import BUNDLED, start_for


def side_of(kind: type[Method]) -> int:
    """A small tile that the method accepts."""
    return -(-32 // kind.multiple) * kind.multiple


def nets_of(method: Fitted, problem: Problem) -> Nets:
    """Fresh networks in the precision of the problem."""
    made = seeded_networks(lambda: method.network(problem), problem.seeds, problem.y.device)
    return Nets.stacked([network.to(problem.y.dtype) for network in made])


def learned(method: Method, problem: Problem) -> Nets | None:
    """The networks that ship, for a method that needs them."""
    if not isinstance(method, Fitted) or not method.needs_start:
        return None
    return begun_at(start_for(method, BUNDLED), method, problem)


def outcome(record: FitRecord) -> tuple[object, ...]:
    """A record without its seconds."""
    return tuple(getattr(record, field.name) for field in fields(record) if field.name != "seconds")


class StopsByTile(Stopper):
    """Stops each tile at the step that the tile's number of the loop's state says; a test double."""

    def __init__(self, steps: list[int]) -> None:
        self.steps = steps

    @property
    def reasons(self) -> tuple[str, ...]:
        return ("told to",)

    @property
    def every(self) -> int:
        return 1

    def start(self, problem: Problem) -> State:
        return {"last": torch.tensor(self.steps[: problem.b], device=problem.y.device)}

    def decide(self, state: State, look: Look) -> Decision:
        stop = (state["last"] <= look.step).long()
        return Decision(state, stop, torch.ones_like(stop, dtype=torch.bool))


class MethodContract:
    """Subclasses give the fixture `kind`."""

    @pytest.fixture
    def method(self, kind: type[Method]) -> Method:
        return small(kind)

    @pytest.fixture
    def fitted(self, method: Method) -> Fitted:
        if not isinstance(method, Fitted):
            pytest.skip("fits nothing")
        return method

    @pytest.fixture
    def problem(self, kind: type[Method]) -> Problem:
        return toy(3, side=side_of(kind))[1]

    def test_says_what_it_is(self, kind: type[Method], method: Method) -> None:
        assert kind.__module__ == f"il_models.methods.{kind.name}"
        assert kind.summary
        assert kind.source
        assert issubclass(kind, Direct) != issubclass(kind, Fitted)
        assert method.reach is None or method.reach >= 0
        assert 0 < method.work(64 * 64, 1) < method.work(128 * 128, 1) <= method.work(128 * 128, 3)

    def test_is_a_frozen_value(self, method: Method) -> None:
        assert pickle.loads(pickle.dumps(method)) == method
        name = fields(method)[0].name if fields(method) else "summary"
        with pytest.raises(FrozenInstanceError):
            setattr(method, name, None)

    @pytest.mark.parametrize("channels", [1, 3])
    def test_shapes(self, kind: type[Method], method: Method, channels: int) -> None:
        _, problem = toy(2, channels, side_of(kind))
        done = fit(problem, method)
        assert done.x.shape == problem.fallback().shape
        assert done.x.dtype == problem.y.dtype
        assert bool(done.x.isfinite().all())
        assert len(done.records) == 2
        assert not done.x.requires_grad

    def test_is_better_than_the_measurement(self, kind: type[Method]) -> None:
        if kind.name == "identity" or Identity not in kind.serves:
            pytest.skip("returns the measurement")
        clean, problem = toy(1, side=2 * side_of(kind))
        method = small(kind, steps=160) if issubclass(kind, Fitted) and not kind.needs_start else kind()
        done = fit(problem, method, start=learned(method, problem))
        assert bool((mse(done.x, clean, problem.mask) < 0.5 * mse(problem.fallback(), clean, problem.mask)).all())

    def test_sharpens_what_was_blurred(self, kind: type[Method]) -> None:
        if Blur not in kind.serves or (issubclass(kind, Fitted) and not kind.needs_start):
            pytest.skip("does not invert a blur, or takes its time: see its own test")
        clean, problem = blurred(2, side=2 * side_of(kind) - 4)
        method = kind()
        done = fit(problem, method, start=learned(method, problem))
        assert done.x.shape == clean.shape
        within = torch.zeros_like(clean[:, :1], dtype=torch.bool)
        within[..., 4:-4, 4:-4] = True
        assert bool((mse(done.x, clean, within) < 0.8 * mse(problem.fallback(), clean, within)).all())

    def test_fills_gaps(self, kind: type[Method]) -> None:
        if Mask not in kind.serves or (issubclass(kind, Fitted) and not kind.needs_start):
            pytest.skip("does not fill gaps, or takes its time: see its own test")
        clean, problem = gapped(2, side=48)
        method = kind()
        done = fit(problem, method, start=learned(method, problem))
        assert bool((mse(done.x, clean, ~problem.mask) < 0.5 * mse(problem.y, clean, ~problem.mask)).all())

    def test_same_seed_same_result_and_the_global_random_state_is_left_alone(
        self, method: Method, problem: Problem
    ) -> None:
        before = torch.get_rng_state()
        first, second = fit(problem, method), fit(problem, method)
        assert torch.equal(torch.get_rng_state(), before)
        assert torch.equal(first.x, second.x)
        assert [outcome(record) for record in first.records] == [outcome(record) for record in second.records]

    def test_batch_mates_do_not_matter(self, method: Method, problem: Problem) -> None:
        together = fit(problem, method)
        for tile in range(problem.b):
            alone = fit(problem.take(torch.tensor([tile])), method)
            assert torch.equal(alone.x[0], together.x[tile])

    def test_batch_mates_do_not_matter_in_double_precision(self, method: Method, problem: Problem) -> None:
        problem = doubled(problem)
        nets = nets_of(method, problem) if isinstance(method, Fitted) else None
        together = fit(problem, method, start=nets)
        for tile in range(problem.b):
            index = torch.tensor([tile])
            alone = fit(problem.take(index), method, start=nets and nets.take(index))
            assert float((alone.x[0] - together.x[tile]).abs().max()) < 1e-9

    def test_a_loss_moves_only_the_weights_of_its_own_tile(self, fitted: Fitted, problem: Problem) -> None:
        nets, draw = nets_of(fitted, problem), Draw(problem.seeds)
        loss = fitted.loss(nets, fitted.prepare(problem, draw), problem, draw, 0)
        assert loss.shape == (problem.b,)
        for tile in range(problem.b):
            grads = torch.autograd.grad(loss[tile], list(nets.weights.values()), retain_graph=True, allow_unused=True)
            moved = torch.stack([g.reshape(len(g), -1).abs().amax(1) for g in grads if g is not None]).amax(0)
            assert bool(moved.isfinite().all())
            assert float(moved[tile]) > 0
            assert float(moved.sum() - moved[tile]) == 0

    def test_prepared_inputs_begin_with_the_tile_axis(self, fitted: Fitted, problem: Problem) -> None:
        inputs = fitted.prepare(problem, Draw(problem.seeds))
        assert all(len(leaf) == problem.b for leaf in inputs.values())

    def test_reach(self, kind: type[Method], method: Method) -> None:
        if method.reach is None or method.reach > 60:
            pytest.skip("global")
        side = -(-(2 * method.reach + 9) // kind.multiple) * kind.multiple
        _, problem = toy(1, side=side)
        far = problem.y.clone()
        far[..., 0, 0] += 1
        nets = nets_of(method, problem) if isinstance(method, Fitted) else None
        change = (estimate(method, nets, replace(problem, y=far)) - estimate(method, nets, problem)).abs()
        reach = method.reach + 1
        assert float(change[..., reach:, :].max()) < 1e-5
        assert float(change[..., :, reach:].max()) < 1e-5

    @pytest.mark.parametrize("sides", [(1, 1), (17, 3), (1, 40)])
    def test_tiny_tiles(self, kind: type[Method], method: Method, sides: tuple[int, int]) -> None:
        height, width = (-(-side // kind.multiple) * kind.multiple for side in sides)
        _, problem = toy(2, side=48)
        cut = replace(problem, y=problem.y[..., :height, :width], mask=problem.mask[..., :height, :width])
        done = fit(cut, method)
        assert done.x.shape == cut.y.shape
        assert bool(done.x.isfinite().all())

    def test_a_tile_of_which_nothing_was_measured_stays_finite(self, method: Method, problem: Problem) -> None:
        mask = problem.mask.clone()
        mask[1] = False
        assert bool(fit(replace(problem, mask=mask), method).x.isfinite().all())

    def test_a_start_with_no_steps_is_inference(self, fitted: Fitted, problem: Problem) -> None:
        nets = nets_of(fitted, problem)
        done = fit(problem, replace(fitted, steps=0), start=nets)
        assert torch.equal(done.x, estimate(fitted, nets, problem))
        assert {record.steps for record in done.records} == {0}

    def test_own_steps(self, fitted: Fitted, problem: Problem) -> None:
        try:
            own = fitted.own_steps(3)
        except NotImplementedError:
            pytest.skip("needs scope: tile")
        assert own.steps == 3
        assert fit(problem, own, start=nets_of(fitted, problem)).records[0].steps == 3

    def test_a_tile_that_stops_early_equals_the_tile_alone(self, fitted: Fitted, problem: Problem) -> None:
        last = [5, 2, 3]
        together = fit(problem, fitted, stopper=StopsByTile(last))
        assert [record.steps for record in together.records] == last
        for tile in range(problem.b):
            alone = fit(problem.take(torch.tensor([tile])), fitted, stopper=StopsByTile([last[tile]]))
            assert torch.equal(alone.x[0], together.x[tile])
            assert outcome(alone.records[0]) == outcome(together.records[tile])

    def test_a_tile_that_overflows_falls_back_and_leaves_the_others_alone(
        self, fitted: Fitted, problem: Problem
    ) -> None:
        y = problem.y.clone()
        y[1] *= 1e30  # not a constant, which a method may well be able to make
        broken = fit(replace(problem, y=y), fitted, stopper=Budget(fitted.steps))
        sound = fit(problem, fitted, stopper=Budget(fitted.steps))
        assert broken.records[1].status is Status.DIVERGED
        assert torch.equal(broken.x[1], y[1])
        assert torch.equal(broken.x[[0, 2]], sound.x[[0, 2]])


def estimate(method: Method, nets: Nets | None, problem: Problem) -> Tensor:
    """The method's estimate by given networks."""
    if isinstance(method, Fitted):
        assert nets is not None
        draw = Draw(problem.seeds)
        with torch.no_grad():
            return method.estimate(nets, method.prepare(problem, draw), problem, draw)
    assert isinstance(method, Direct)
    return method.estimate(problem)
