"""One run at a time on an object store: who is alive turns others away, who is gone is overtaken, and notices."""

import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
from contracts.pipeline import begun

from tasks import ledger
from tasks.errors import RequestError
from tasks.handful import restore_handful
from tasks.restore_lot import restore_lot
from tasks.run import LotsFailed
from tasks.stores.leases import FOLDER, Lease, Overtaken, Pace, locked
from tasks.stores.place import Place

STILL = 1e6  # seconds until a renewal: the holder is as good as dead


class Clock:
    """A clock that goes on only while somebody waits. on_wait: what happens meanwhile."""

    def __init__(self, on_wait: Callable[[], object] = lambda: None) -> None:
        self.now, self.on_wait = 0.0, on_wait

    def pace(self, renew: float = STILL) -> Pace:
        return Pace(renew, gone=30, look=1, clock=lambda: self.now, wait=self.wait)

    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.on_wait()


@pytest.fixture
def place() -> Place:
    return Place(f"memory://{uuid.uuid4().hex}")


def test_who_has_ended_holds_nobody_back(place: Place) -> None:
    clock = Clock()
    for number in (1, 2, 3):
        with locked(place, clock.pace()) as lease:
            assert lease is not None
            assert lease.number == number
            lease.require()
    assert clock.now == 0
    assert len((place / FOLDER).names()) == 1


def test_who_is_alive_turns_others_away(place: Place) -> None:
    with (
        locked(place, Pace(renew=0.002)) as lease,
        pytest.raises(RequestError, match=r"Another run \(process \d+ on .*, s"),
    ):
        locked(place, Pace(look=0.01)).__enter__()
    assert lease is not None
    with locked(place, Clock().pace()) as other:
        assert other is not None
        assert other.number == lease.number + 1


def test_who_is_silent_is_overtaken_by_the_clock_of_whoever_waits_and_stops(place: Place) -> None:
    clock = Clock()
    with locked(place, clock.pace()) as lease, locked(place, clock.pace()) as other:
        assert lease is not None
        assert other is not None
        assert clock.now == 30
        assert other.number == lease.number + 1
        other.require()
        with pytest.raises(Overtaken, match=r"Another run took over 'memory://.*'.* it stops here"):
            lease.require()


def test_the_end_of_who_was_overtaken_takes_nothing_from_the_other(place: Place) -> None:
    clock = Clock()
    first = locked(place, clock.pace())
    first.__enter__()
    with locked(place, clock.pace()) as other:
        first.__exit__(None, None, None)
        assert other is not None
        other.require()


def test_of_two_who_wait_one_gets_it(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other finds the number taken, and looks again."""

    write_new = Place.write_new

    def slower(at: Place, name: str, data: bytes) -> bool:
        monkeypatch.setattr(Place, "write_new", write_new)
        at.write(name, b'{"token": "of a third"}')
        return write_new(at, name, data)

    clock = Clock()
    with locked(place, Clock().pace()):
        monkeypatch.setattr(Place, "write_new", slower)
        with locked(place, clock.pace()) as other:
            assert other is not None
            assert other.number == 3
    assert clock.now >= 60


def test_a_lease_that_says_nothing_readable_expires_as_well(place: Place) -> None:
    (place / FOLDER).write("0000000007.json", b'["torn')
    clock = Clock()
    with locked(place, clock.pace()) as lease:
        assert lease is not None
        assert (lease.number, clock.now) == (8, 30)


def test_nothing_is_written_where_another_run_took_over(place: Place, tmp_path: Path) -> None:
    image = np.random.default_rng(7).poisson(60, (40, 70)).astype(np.uint16)
    tifffile.imwrite(tmp_path / "in.tif", image)
    run, _ = begun(str(tmp_path / "in.tif"), tmp_path / "out", method="identity", tiling__tile=32, tiling__shard=32)
    (place / FOLDER).write("0000000002.json", b"{}")
    run = replace(run, lease=Lease(place / FOLDER, 1))
    work = Path(run.work.uri)
    before = sorted(work.rglob("*"))
    with pytest.raises(Overtaken):
        restore_lot(run.job(run.plan.lots[0]))
    with ThreadPoolExecutor(1) as pool, pytest.raises(LotsFailed, match="took over") as caught:
        restore_handful(run, run.plan.lots, pool)
    assert caught.value.lasting
    assert sorted(work.rglob("*")) == before
    assert ledger.left(run.plan, run.work) == list(run.plan.lots)
