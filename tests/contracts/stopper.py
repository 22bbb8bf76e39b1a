"""What every stopper promises. Runs over the stoppers in tests/il_models/test_stoppers.py."""

import pytest
import torch
from torch import Tensor

from il_models.fitting.stoppers import State, Stopper, take

STEPS = 240
TILES = 4


def history() -> tuple[Tensor, Tensor]:
    """Losses (STEPS, TILES) that fall and level out, each tile at another pace, and wandering estimates of 5 pixels."""
    random = torch.Generator().manual_seed(3)
    step = torch.arange(1, STEPS + 1)[:, None]
    loss = torch.exp(-step / torch.tensor([5.0, 12.0, 30.0, 80.0])) + 0.1
    drift = 1 / step + 0.01 * (step > torch.tensor([40, 60, 90, 130])) + 1e-3
    return loss, (drift[..., None] * torch.randn(STEPS, TILES, 5, generator=random)).cumsum(0)


def run(stopper: Stopper, tiles: list[int], keep_from: int | None = None) -> list[list[tuple[int, int, bool]]]:
    """Per step and tile (step, stop, best); from step `keep_from` on the state is cut down to its tiles again."""
    losses, estimates = history()
    index = torch.tensor(tiles)
    state: State = stopper.start(len(tiles), losses.device)
    told = []
    for step in range(1, STEPS + 1):
        if step % stopper.every:
            continue
        if keep_from == step:
            state = take(state, torch.arange(len(tiles)))
        x = estimates[step - 1][index] if stopper.watches_estimate else None
        state, stop, best = stopper.update(state, step, losses[step - 1][index], x)
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
        losses, estimates = history()
        state = stopper.start(1, losses.device)
        seen = 0
        for step in range(1, 4 * STEPS + 1):
            if step % stopper.every:
                continue
            place = min(step, STEPS) - 1
            loss = losses[place, :1] if not seen else losses[place, :1] * 1e-6
            state, stop, best = stopper.update(state, step, loss, estimates[place, :1])
            assert not seen or int(stop) == seen
            assert not seen or not bool(best)
            seen = seen or int(stop)
        assert seen

    def test_says_why(self, stopper: Stopper) -> None:
        stops = {stop for row in run(stopper, [0, 1, 2, 3]) for _, stop, _ in row}
        assert stops <= set(range(len(stopper.reasons) + 1))
        assert all(stopper.reasons)

    def test_looks_at_estimates_only_if_it_says_so(self, stopper: Stopper) -> None:
        losses, _ = history()
        if stopper.watches_estimate:
            with pytest.raises(ValueError, match="estimate"):
                stopper.update(stopper.start(TILES, losses.device), stopper.every, losses[0], None)
