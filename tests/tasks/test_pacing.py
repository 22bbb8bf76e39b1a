"""An executor that stops in time: what it began ends, what it did not begin is left."""

from concurrent.futures import Executor, Future
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from tasks.limits import Limits
from tasks.pacing import AHEAD, LotLeft, Paced, paced, stopped_by
from tasks.restore_lot import restore_lot

MIDNIGHT = datetime(2026, 11, 27, tzinfo=UTC).timestamp()


class Desk(Executor):
    """Keeps what was handed on until the test says that it has ended."""

    def __init__(self) -> None:
        self.begun: list[tuple[str, Future[Any]]] = []
        self.now = MIDNIGHT

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> "Future[Any]":
        future: Future[Any] = Future()
        self.begun.append((args[0].lot.id, future))
        return future

    def end(self, seconds: float) -> None:
        """The first lot under way ends after so many seconds."""
        self.now += seconds
        self.begun.pop(0)[1].set_result("done")


def lot(number: int, tiles: int = 10) -> Any:
    return SimpleNamespace(lot=SimpleNamespace(id=f"{number:07d}", tiles=tiles))


def asked(desk: Desk, lots: int, workers: int = 1, **limits: Any) -> tuple[Paced, list["Future[Any]"]]:
    pool = Paced(desk, Limits(**limits), workers, clock=lambda: desk.now)
    return pool, [pool.submit(restore_lot, lot(number)) for number in range(lots)]


def test_lots_that_cannot_end_in_time_are_left_and_those_begun_end() -> None:
    desk = Desk()
    pool, futures = asked(desk, 9, until="2026-11-27T00:10:00+00:00")
    assert len(desk.begun) == 1  # nothing is known yet of what a tile takes
    while desk.begun:
        desk.end(120)
    assert [future.exception() is None for future in futures] == [True] * 4 + [False] * 5
    assert isinstance(futures[-1].exception(), LotLeft)
    assert pool.stopped == "deadline"
    assert desk.now - MIDNIGHT <= 600
    assert isinstance(pool.submit(restore_lot, lot(9)).exception(), LotLeft)


def test_device_hours_count_busy_workers_and_are_not_exceeded() -> None:
    desk = Desk()
    pool, futures = asked(desk, 40, workers=2, hours=1)
    most = 0
    while desk.begun:
        most = max(most, len(desk.begun))
        desk.end(150)  # two workers: a lot takes 300 s of one
    assert pool.stopped == "hours"
    assert most == 2 * AHEAD
    assert 3000 <= pool.device_seconds <= 3600
    assert sum(future.exception() is None for future in futures) == pytest.approx(11, abs=1)


def test_the_first_lot_of_a_night_begins_however_long_it_may_take() -> None:
    desk = Desk()
    _, futures = asked(desk, 2, until="2026-11-27T00:00:05+00:00")
    desk.end(3600)
    assert futures[0].result() == "done"
    assert isinstance(futures[1].exception(), LotLeft)


def test_a_lot_that_fails_is_told_and_the_next_begins_in_the_order_of_the_plan() -> None:
    desk = Desk()
    pool = Paced(desk, Limits(hours=1), 1, clock=lambda: desk.now)
    futures = {number: pool.submit(restore_lot, lot(number)) for number in (3, 2, 1)}
    desk.begun.pop(0)[1].set_exception(OSError("disk"))
    assert isinstance(futures[3].exception(), OSError)
    assert [name for name, _ in desk.begun] == ["0000001"]


def test_without_limits_nothing_stands_between() -> None:
    desk = Desk()
    assert paced(desk, Limits(inputs=3), 1) is desk
    assert stopped_by(desk) == ""
