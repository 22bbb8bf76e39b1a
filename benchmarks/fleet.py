"""A cluster in time, from measured parts: lots are handed out, read, fitted, written, and inputs published."""

import heapq
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from tasks.clusters._cluster import LOTS_IN_FLIGHT
from tasks.lots import AHEAD


@dataclass(frozen=True)
class Parts:
    """Seconds of a lot, and what all workers share.

    hand_out: of the flow's process and the scheduler, one lot after the other. read, written: of a worker alone, with
    the storage to itself. published: of a worker, for each lot of the input that it publishes.
    fit: of the device, in the middle; spread: standard deviation of its logarithm. moved: bytes of a lot, read and
    written. storage: bytes per second of what all workers read from and write to.
    """

    hand_out: float
    read: float
    written: float
    published: float
    fit: float
    spread: float
    moved: int
    storage: float


@dataclass
class _Worker:
    """slots: free ones. queue: lots that are read and wait for the device."""

    slots: int = LOTS_IN_FLIGHT
    device_free: bool = True
    queue: deque[int] = field(default_factory=deque)


@dataclass(frozen=True)
class Night:
    """seconds: of all. busy: share of them in which the devices fitted. handing: in which the flow handed out."""

    seconds: float
    busy: float
    handing: float


def simulated(parts: Parts, workers: int, inputs: int, lots_each: int, seed: int = 0) -> Night:
    """A night with that many inputs, each of so many lots, in the plan's order."""
    return _Fleet(parts, workers, inputs, lots_each, seed).night()


class _Fleet:
    """Events in the order of time: (when, number, what, worker, lot). Lots beyond the last are publications."""

    def __init__(self, parts: Parts, workers: int, inputs: int, lots_each: int, seed: int) -> None:
        self.parts, self.lots_each, self.lots = parts, lots_each, inputs * lots_each
        spread = np.random.default_rng(seed).normal(0, parts.spread, self.lots)
        self.fits = parts.fit * np.exp(spread)
        self.workers = [_Worker() for _ in range(workers)]
        self.window = max(1, AHEAD * workers)
        self.open = [lots_each] * inputs
        self.events: list[tuple[float, int, str, int, int]] = []
        self.ahead, self.handed = deque(range(self.lots)), deque[int]()
        self.under_way = self.number = 0
        self.storage_free = self.flow_free = 0.0

    def night(self) -> Night:
        now = 0.0
        self._hand_out(now)
        while self.events:
            now, _, what, worker, lot = heapq.heappop(self.events)
            getattr(self, f"_{what}")(now, worker, lot)
        devices = len(self.workers) * now
        return Night(now, float(self.fits.sum()) / devices, self.parts.hand_out * self.lots / now)

    def _at(self, when: float, what: str, worker: int, lot: int) -> None:
        self.number += 1
        heapq.heappush(self.events, (when, self.number, what, worker, lot))

    def _moved(self, now: float, alone: float) -> float:
        """When half of a lot's bytes are there, through a storage that serves one after the other."""
        self.storage_free = max(now, self.storage_free) + self.parts.moved / 2 / self.parts.storage
        return max(now + alone, self.storage_free)

    def _hand_out(self, now: float) -> None:
        while self.ahead and self.under_way < self.window:
            self.flow_free = max(now, self.flow_free) + self.parts.hand_out
            self.under_way += 1
            self._at(self.flow_free, "arrived", -1, self.ahead.popleft())

    def _arrived(self, now: float, worker: int, lot: int) -> None:
        self.handed.append(lot)
        self._take(now)

    def _take(self, now: float) -> None:
        for number in self._free():
            if not self.handed:
                return
            lot = self.handed.popleft()
            self.workers[number].slots -= 1
            if lot < self.lots:
                self._at(self._moved(now, self.parts.read), "there", number, lot)
            else:
                self._at(now + self.parts.published * self.lots_each, "written", number, lot)

    def _free(self) -> Iterator[int]:
        """Workers with a free slot, the idle ones first."""
        for slots in range(LOTS_IN_FLIGHT, 0, -1):
            yield from (number for number, worker in enumerate(self.workers) if worker.slots >= slots)

    def _there(self, now: float, worker: int, lot: int) -> None:
        self.workers[worker].queue.append(lot)
        self._fit(now, worker)

    def _fit(self, now: float, worker: int) -> None:
        at = self.workers[worker]
        if at.device_free and at.queue:
            at.device_free = False
            lot = at.queue.popleft()
            self._at(now + float(self.fits[lot]), "fitted", worker, lot)

    def _fitted(self, now: float, worker: int, lot: int) -> None:
        self.workers[worker].device_free = True
        self._at(self._moved(now, self.parts.written), "written", worker, lot)
        self._fit(now, worker)

    def _written(self, now: float, worker: int, lot: int) -> None:
        self.workers[worker].slots += 1
        if lot < self.lots:
            self.under_way -= 1
            owner = lot // self.lots_each
            self.open[owner] -= 1
            if not self.open[owner]:
                self.handed.append(self.lots + owner)
            self._hand_out(now)
        self._take(now)
