"""What every stopper promises. Runs over the stoppers in tests/il_models/test_stoppers.py."""

import pytest
import torch
from contracts.toys import toy
from torch import Tensor

from il_models.problem import Problem
from il_models.stopper import Look, State, Stopper, take

STEPS = 240
TILES = 4
SIDE = 12


def history() -> tuple[Tensor, Tensor, Problem]:
    """Losses (STEPS, TILES) that fall and level out, each tile at another pace; wandering estimates; their problem."""
    random = torch.Generator().manual_seed(3)
    clean, problem = toy(TILES, side=SIDE)
    step = torch.arange(1, STEPS + 1)[:, None]
    loss = torch.exp(-step / torch.tensor([5.0, 12.0, 30.0, 80.0])) + 0.1
    drift = 1 / step + 0.01 * (step > torch.tensor([40, 60, 90, 130])) + 1e-3
    drift = drift[..., None, None, None]
    wandering = (drift * torch.randn(STEPS, TILES, 1, SIDE, SIDE, generator=random)).cumsum(0)
    # from grey over the scene to the measurement: what a fit does that can reproduce noise
    way = (step / torch.tensor([40, 60, 90, 130]))[..., None, None, None]
    return (
        loss,
        clean.mean() * (1 - way).clamp(min=0)
        + clean * way.clamp(max=1)
        + ((way - 1).clamp(0, 1) * (problem.y - clean))
        + 0.05 * wandering,
        problem,
    )


def look_at(problem: Problem, step: int, loss: Tensor, x: Tensor | None) -> Look:
    """A look; the first two columns of pixels are unseen, and an estimate answers to a probe by half."""
    unseen = torch.zeros_like(problem.mask)
    unseen[..., :2] = True

    def again(y: Tensor) -> Tensor:
        assert x is not None
        return x + 0.5 * (y - problem.y)

    return Look(step, loss, problem, unseen, problem.y, x, again)


def run(stopper: Stopper, tiles: list[int], keep_from: int | None = None) -> list[list[tuple[int, int, bool]]]:
    """Per step and tile (step, stop, best); from step `keep_from` on the state is cut down to its tiles again."""
    losses, estimates, problem = history()
    index = torch.tensor(tiles)
    problem = problem.take(index)
    state: State = stopper.start(problem)
    told = []
    for step in range(1, STEPS + 1):
        if step % stopper.every:
            continue
        if keep_from == step:
            state = take(state, torch.arange(len(tiles)))
        x = estimates[step - 1][index] if stopper.watches_estimate else None
        state, stop, best = stopper.update(state, look_at(problem, step, losses[step - 1][index], x))
        told.append([(step, int(s), bool(b)) for s, b in zip(stop, best, strict=True)])
    return told


class StopperContract:
    """Subclasses give the fixture `stopper`."""

    def test_a_tile_does_not_see_its_mates(self, stopper: Stopper) -> None:
        together = run(stopper, [0, 1, 2, 3])
        for tile in range(TILES):
            assert [row[0] for row in run(stopper, [tile])] == [row[tile] for row in together]

    def test_retired_mates_change_nothing(self, stopper: Stopper) -> None:
        kept = run(stopper, [1, 3], keep_from=60 * stopper.every)
        assert kept == [[row[1], row[3]] for row in run(stopper, [0, 1, 2, 3])]

    def test_never_un_stops(self, stopper: Stopper) -> None:
        for tile in range(TILES):
            stops = [row[tile][1] for row in run(stopper, [0, 1, 2, 3])]
            first = next((i for i, stop in enumerate(stops) if stop), len(stops))
            assert len(set(stops[first:])) <= 1

    def test_a_later_drop_does_not_wake_a_stopped_tile(self, stopper: Stopper) -> None:
        losses, estimates, problem = history()
        one = problem.take(torch.tensor([0]))
        state = stopper.start(one)
        seen = 0
        for step in range(1, 4 * STEPS + 1):
            if step % stopper.every:
                continue
            place = min(step, STEPS) - 1
            loss = losses[place, :1] if not seen else losses[place, :1] * 1e-6
            x = estimates[place, :1] if stopper.watches_estimate else None
            state, stop, best = stopper.update(state, look_at(one, step, loss, x))
            assert not seen or int(stop) == seen
            assert not seen or not bool(best)
            seen = seen or int(stop)
        assert seen

    def test_says_why(self, stopper: Stopper) -> None:
        stops = {stop for row in run(stopper, [0, 1, 2, 3]) for _, stop, _ in row}
        assert stops <= set(range(len(stopper.reasons) + 1))
        assert all(stopper.reasons)

    def test_looks_at_estimates_only_if_it_says_so(self, stopper: Stopper) -> None:
        losses, _, problem = history()
        if stopper.watches_estimate:
            with pytest.raises(ValueError, match="estimate"):
                stopper.update(stopper.start(problem), look_at(problem, stopper.every, losses[0], None))
