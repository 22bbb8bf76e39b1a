"""Which lots may still begin: an executor that hands them on a few at a time, while the time and the budget last."""

import heapq
import math
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from functools import partial
from threading import Lock
from typing import Any

from tasks.limits import Limits
from tasks.lone_lots import learn_alone, restore_alone
from tasks.lot_job import LotJob
from tasks.lot_starts import learn_start
from tasks.lots import AHEAD
from tasks.restore_lot import restore_lot

RESTORES = (restore_lot, restore_alone)


class LotLeft(Exception):  # noqa: N818 - what became of it
    """A lot was not begun, for the run stops; the next run does it."""


@dataclass(order=True)
class _Call:
    """Work on a lot that waits to be handed on, first those of the lots that come first in the plan."""

    lot: str
    number: int
    work: Callable[..., Any] = field(compare=False)
    given: tuple[Any, ...] = field(compare=False)
    tiles: int = field(compare=False)
    promise: "Future[Any]" = field(compare=False, default_factory=Future)


class Paced(Executor):
    """Hands on what begins with a lot while limits allow it, and all other work at once.

    A lot begins if it can be expected to end in time, by what a tile took in this run; the first ones begin untried.
    What is not handed on ends with LotLeft. stopped: "deadline" or "hours" once that happened, else empty.
    """

    def __init__(self, pool: Executor, limits: Limits, workers: int, clock: Callable[[], float] = time.time) -> None:
        """Begin to count.

        Args:
            pool: where the work is done.
            limits: with the deadline as a moment.
            workers: that restore lots at the same time.
            clock: the time, in seconds since 1970.
        """
        moment = limits.deadline()
        self.pool, self.workers, self.stopped = pool, workers, ""
        self._ends = math.inf if moment is None else moment.timestamp()
        self._budget = math.inf if limits.hours is None else 3600 * limits.hours
        self._clock, self._looked, self._busy = clock, clock(), 0.0
        self._waiting: list[_Call] = []
        self._calls = self._under_way = self._open = self._tiles = 0
        self._lock = Lock()

    @property
    def device_seconds(self) -> float:
        """The time for which workers had a lot, summed over them."""
        with self._lock:
            return self._counted()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
        """Hand on work, now or when its turn comes."""
        if fn not in (*RESTORES, learn_start, learn_alone):
            return self.pool.submit(fn, *args, **kwargs)
        job: LotJob = args[0]
        with self._lock:
            self._calls += 1
            call = _Call(job.lot.id, self._calls, fn, args, job.lot.tiles if fn in RESTORES else 0)
            heapq.heappush(self._waiting, call)
        self._hand_on()
        return call.promise

    def _hand_on(self) -> None:
        while True:
            with self._lock:
                if not self._waiting or not self._is_decided(self._waiting[0]):
                    return
                call = heapq.heappop(self._waiting)
                begins = not self.stopped
                if begins:
                    self._counted()
                    self._under_way, self._open = self._under_way + 1, self._open + call.tiles
            if not begins:
                call.promise.set_exception(LotLeft(f"Lot {call.lot} is left for the next run ({self.stopped})."))
                continue
            try:
                self.pool.submit(call.work, *call.given).add_done_callback(partial(self._end, call))
            except Exception as error:  # noqa: BLE001 - whoever waits for the lot is told
                self._note(call, restored=False)
                call.promise.set_exception(error)

    def _end(self, call: _Call, done: "Future[Any]") -> None:
        error: BaseException | None = None
        try:
            error = done.exception()
        except BaseException as cancelled:  # noqa: BLE001 - whoever waits for the lot is told
            error = cancelled
        self._note(call, restored=error is None)
        if error is None:
            call.promise.set_result(done.result())
        else:
            call.promise.set_exception(error)
        self._hand_on()

    def _note(self, call: _Call, restored: bool) -> None:
        with self._lock:
            self._counted()
            self._under_way, self._open = self._under_way - 1, self._open - call.tiles
            self._tiles += call.tiles if restored else 0

    def _counted(self) -> float:
        now = self._clock()
        self._busy += max(0.0, now - self._looked) * min(self._under_way, self.workers)
        self._looked = now
        return self._busy

    def _is_decided(self, call: _Call) -> bool:
        """Whether it is clear now that a lot begins, or that it does not: then `stopped` says why."""
        reason = self.stopped or self._reason(call.tiles)
        if not reason:
            return self._under_way < (AHEAD if self._tiles else 1) * self.workers
        # While lots are under way a better guess may come of them; time and budget that are used up do not come back.
        if self._under_way == 0 or self._reason(0):
            self.stopped = reason
        return bool(self.stopped)

    def _reason(self, tiles: int) -> str:
        """Why so many tiles more could not be restored; empty if they could."""
        busy, now = self._counted(), self._clock()
        tile = busy / self._tiles if self._tiles and tiles else 0.0
        if busy >= self._budget or busy + tile * (self._open + tiles) > self._budget:
            return "hours"
        to_go = max(tile * tiles, tile * (self._open + tiles) / self.workers)
        return "deadline" if now + to_go >= self._ends else ""


def paced(pool: Executor, limits: Limits, workers: int) -> Executor:
    """The same executor, or one that keeps to limits of time where there are any."""
    return pool if limits.until is None and limits.hours is None else Paced(pool, limits, workers)


def stopped_by(pool: Executor) -> str:
    """Which limit keeps an executor from beginning lots; empty if none does."""
    return pool.stopped if isinstance(pool, Paced) else ""


def device_seconds(pool: Executor) -> float:
    """What an executor counted; 0 where nothing is limited."""
    return pool.device_seconds if isinstance(pool, Paced) else 0.0
