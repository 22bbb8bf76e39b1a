"""What becomes of lots whose worker died, without any worker: an executor that says so is enough."""

from collections.abc import Callable
from concurrent.futures import CancelledError, Executor, Future
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from contracts.pipeline import begun
from contracts.poison import DEADLY, READING, poisoned

from tasks import handful, ledger, lone_lots
from tasks.alone import Died
from tasks.catalog.facts import Facts
from tasks.catalog.inputs import InputRef
from tasks.errors import InputError
from tasks.handful import restore_handful, survey_all
from tasks.lone_lots import LotDied, restore_alone
from tasks.lot_done import LotDone
from tasks.lot_job import LotJob
from tasks.run import LotsFailed, Run

IDENTITY = {"method": "identity", "tiling__tile": 64, "tiling__shard": 64}


class KilledWorker(Exception):  # noqa: N818 - as Dask's
    """What Dask says of all that was in a worker when it died."""


class NoWorkerError(Exception):
    """What Dask says of all that waits when no worker was there for too long."""


class Dying(Executor):
    """Does what is submitted at once, and says of some calls what a cluster would."""

    def __init__(self, ending: Callable[[str, Any], BaseException | None]) -> None:
        self.ending, self.calls = ending, list[tuple[str, Any]]()

    def submit(self, work: Callable[..., Any], /, *given: Any, **more: Any) -> Future[Any]:  # type: ignore[override]
        self.calls.append((work.__name__, given))
        future: Future[Any] = Future()
        error = self.ending(work.__name__, given)
        if isinstance(error, CancelledError):
            future.cancel()
            future.set_running_or_notify_cancel()
        elif error is not None:
            future.set_exception(error)
        else:
            try:
                future.set_result(work(*given, **more))
            except Exception as raised:  # noqa: BLE001 - as a pool does
                future.set_exception(raised)
        return future


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Four lots of one tile, none of them done; a pixel in the first is deadly to those who are poisoned."""
    image = np.arange(128 * 128, dtype=np.uint16).reshape(128, 128)
    image[3, 3] = DEADLY
    tifffile.imwrite(tmp_path / "in.tif", image)
    made, _ = begun(str(tmp_path / "in.tif"), tmp_path / "out", **IDENTITY)
    assert len(made.plan.lots) == 4
    return made


@pytest.fixture
def told_alone(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The lots that were done alone; here in this process, for speed."""
    told: list[str] = []

    def restore_alone(job: LotJob) -> LotDone:
        told.append(job.lot.id)
        return handful.restore_lot(job)

    monkeypatch.setattr(handful, "restore_alone", restore_alone)
    return told


def test_those_that_a_dead_worker_held_are_done_alone_after_all_others(run: Run, told_alone: list[str]) -> None:
    blamed = {run.plan.lots[0].id, run.plan.lots[2].id}

    def ending(name: str, given: Any) -> BaseException | None:
        return KilledWorker() if name == "restore_lot" and given[0].lot.id in blamed else None

    pool, done = Dying(ending), list[str]()
    told = restore_handful(run, run.plan.lots, pool, lambda lot, _: done.append(lot.id))
    assert sum(told.values()) == 4
    assert sorted(told_alone) == sorted(blamed)
    assert done[2:] == told_alone
    assert ledger.left(run.plan, run.work) == []


def test_a_lost_cluster_and_an_unreadable_input_are_told(run: Run) -> None:
    def lost(name: str, given: Any) -> BaseException | None:
        return CancelledError() if name == "restore_lot" else None

    with pytest.raises(LotsFailed, match="the cluster was lost") as failed:
        restore_handful(run, run.plan.lots, Dying(lost))
    assert not failed.value.lasting

    def deserted(name: str, given: Any) -> BaseException | None:
        return NoWorkerError() if name == "restore_lot" else None

    with pytest.raises(LotsFailed, match="had no worker for it any more; the same command goes on") as failed:
        restore_handful(run, run.plan.lots, Dying(deserted))
    assert not failed.value.lasting

    def unreadable(name: str, given: Any) -> BaseException | None:
        return InputError("'in' cannot be read.") if name == "restore_lot" else None

    with pytest.raises(LotsFailed, match="cannot be read") as failed:
        restore_handful(run, run.plan.lots, Dying(unreadable))
    assert failed.value.lasting


def test_what_was_begun_again_and_again_is_trusted_with_nobodys_process(run: Run, told_alone: list[str]) -> None:
    suspect = run.plan.lots[1].id
    for _ in range(lone_lots.BEGUN_OFTEN):
        ledger.begin(run.work, suspect)
    restore_handful(run, run.plan.lots, Dying(lambda name, given: None))
    assert told_alone == [suspect]


def test_what_dies_outside_of_any_tile_is_left_alone_at_last(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(poisoned(tmp_path / "poison", READING)))
    job = run.job(run.plan.lots[0])
    with pytest.raises(LotDied, match=r"Lot 0000000 \(in\) ends its process while it is read .*code 78"):
        restore_alone(job)
    assert len(ledger.deaths(job.work, job.lot.id)) == 1
    ledger.note_death(job.work, job.lot.id, "it was killed by SIGKILL")

    def forbidden(*given: Any) -> None:
        raise AssertionError("tried again")

    monkeypatch.setattr(lone_lots, "alone", forbidden)
    with pytest.raises(LotDied, match=r"killed by SIGKILL\).*remove .*/attempts/0000000\.\*"):
        restore_alone(job)
    with pytest.raises(AssertionError, match="tried again"):
        restore_alone(run.job(run.plan.lots[1]))


def test_a_file_that_ends_whoever_surveys_it_is_told_as_unreadable(monkeypatch: pytest.MonkeyPatch) -> None:
    def alone(work: Callable[..., Any], collection: str, facts: Facts, refs: list[InputRef]) -> list[Any]:
        if refs[0].name == "b":
            raise Died("it was killed by SIGSEGV")
        return [refs[0].name]

    monkeypatch.setattr(handful, "alone", alone)
    refs = [InputRef(name, f"/in/{name}.tif", "f") for name in "abc"]
    facts = Facts(title="t", source="/in/*.tif")
    pool = Dying(lambda name, given: KilledWorker() if name == "survey_refs" else None)
    first, second, third = survey_all("collection", facts, refs, pool)
    assert (first, third) == ("a", "c")
    assert "'/in/b.tif' ends the process that reads it (it was killed by SIGSEGV)" in str(second.reason)
