"""A lot with a clock in it: when it was read, when it had the device, when it was written. Runs in workers."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from tasks.lot_done import LotDone
from tasks.lot_job import LotJob
from tasks.measured import Pixels
from tasks.restoration import Restored, restore_tiles
from tasks.restore_lot import restore_lot
from tasks.starts import Start
from tasks.tiles import Tile
from tasks.treatment import Treatment


@dataclass(frozen=True)
class Timed:
    """Moments of a lot, in seconds of a clock that all processes of a machine share."""

    begun: float
    got: float  # the device
    gave: float  # it back
    ended: float

    @property
    def read(self) -> float:
        """Seconds before it had the device, waiting for it among them."""
        return self.got - self.begun

    @property
    def fit(self) -> float:
        """Seconds for which it had the device."""
        return self.gave - self.got

    @property
    def written(self) -> float:
        """Seconds after that."""
        return self.ended - self.gave


def timed_lot(job: LotJob, seconds: float | None, clock: Callable[[], float] = time.monotonic) -> Timed:
    """Restore a lot.

    Args:
        job: the lot.
        seconds: of a device that would take so long for each tile, meanwhile leaving the CPU alone as a GPU does; None:
            fit them, on what this machine has.
        clock: what its moments are taken from.
    """
    moments: list[float] = []
    began = clock()

    def restore(
        tiles: list[Tile], starts: dict[str, Start], treatment: Treatment, references: dict[int, Pixels]
    ) -> list[Restored]:
        moments.append(clock())
        work: Callable[..., list[Restored]] = restore_tiles if seconds is None else partial(_device, seconds)
        restored = work(tiles, starts, treatment, references)
        moments.append(clock())
        return restored

    restore_lot(job, restore)
    got, gave = moments
    return Timed(began, got, gave, clock())


def no_lot(job: LotJob) -> LotDone:
    """What a lot costs that needs nothing."""
    return LotDone(job.lot.id, job.lot.tiles, {"good": job.lot.tiles}, {}, 0.0, 0.0, "", 1)


def _device(seconds: float, tiles: list[Tile], *given: object) -> list[Restored]:
    del given
    time.sleep(seconds * len(tiles))
    row = {"status": "budget", "stop_reason": "stand-in", "steps": 0, "best_step": 0, "valid": 1.0, "start": "random"}
    return [Restored(tile, tile.window.raw, row | {"seconds": seconds}) for tile in tiles]
