"""What a run counts, and how a monitor and a journal tell it."""

import json
import logging
import threading
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest
from prefect.utilities.engine import collect_task_run_inputs_sync
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from prometheus_client.parser import text_string_to_metric_families as older_families

from tasks.convergence import SCHEMA
from tasks.journal import detail, journal, note_failed_lot, note_lot, note_published
from tasks.lot_done import HEARD, NAMED, BadTile, LotDone, heard, lot_done
from tasks.metrics import FOLDER, METRICS, STATES, last_success, write_metrics
from tasks.plan import Lot, Part
from tasks.stores.place import Place
from tasks.tally import Tally


class Clock:
    """Time that goes on when it is told to."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def done(number: int, tiles: int = 10, bad: tuple[BadTile, ...] = ()) -> LotDone:
    """A lot that took five seconds."""
    verdicts = {"good": tiles - len(bad)} | ({"suspect": len(bad)} if bad else {})
    return LotDone(f"{number:07d}", tiles, verdicts, {"stopped": tiles}, 4.0, 5.0, "node:1", 1, bad)


def lot(number: int, name: str = "plate/B07") -> Lot:
    return Lot(f"{number:07d}", (Part(name, 3, 5),), 10, 4)


@pytest.fixture
def run(tmp_path: Path) -> Any:
    """As much of a run as is told, of a collection whose name a file system would not like."""
    recipe = SimpleNamespace(method=SimpleNamespace(name="dip"), bad_tiles=0.05)
    request = SimpleNamespace(out=Place(str(tmp_path / "out")), recipe=recipe)
    plan = SimpleNamespace(collection="plate/3 «b»", versions={"selfmend": "0.1.0"}, rejected={})
    clock = Clock()
    tally = Tally(tiles=100, lots=10, inputs=4, clock=clock)
    return SimpleNamespace(
        id="r-1", request=request, plan=plan, tally=tally, crew=SimpleNamespace(device="cpu", workers=2), clock=clock
    )


def lines(run: Any) -> list[dict[str, Any]]:
    """The journal as it was read back."""
    text = run.request.out.read(f"logs/{run.id}.jsonl").decode()
    return [json.loads(line) for line in text.splitlines()]


def test_a_lot_done_twice_is_counted_once_and_what_was_done_before_is_not_speed() -> None:
    clock = Clock()
    tally = Tally(tiles=100, lots=10, clock=clock)
    tally.begin(before=Counter(good=39, suspect=1), lots_before=4)
    clock.now = 10.0
    tally.restored(done(4))
    tally.restored(done(4))
    assert (tally.tiles_done, tally.tiles_restored, tally.lots_done) == (50, 10, 5)
    assert tally.speed() == pytest.approx(1.0)
    assert tally.seconds_to_go() == pytest.approx(50.0)
    assert tally.all_verdicts == {"good": 49, "suspect": 1}
    assert tally.device_seconds == 4.0


def test_prefect_may_look_through_the_parameters_of_a_task_run_while_threads_count() -> None:
    tally, ended = Tally(), threading.Event()

    def count() -> None:
        number = 0
        while not ended.is_set():
            number += 1
            tally.restored(done(number))
            tally.shown(str(number), 1)

    thread = threading.Thread(target=count)
    thread.start()
    try:
        for _ in range(300):
            assert collect_task_run_inputs_sync(tally) == set()
    finally:
        ended.set()
        thread.join()


def test_the_recent_speed_forgets_a_slow_beginning_but_needs_a_few_lots() -> None:
    clock = Clock()
    tally = Tally(tiles=10_000, lots=1000, clock=clock)
    tally.begin(before=Counter(), lots_before=0)
    assert tally.seconds_to_go() is None
    clock.now = 1000.0
    tally.restored(done(0))
    assert tally.recent_speed() == pytest.approx(0.01)
    for number in range(1, 101):
        clock.now += 1.0
        tally.restored(done(number))
    assert tally.recent_speed() == pytest.approx(10.0, rel=0.05)
    assert tally.speed() < 1.0


@pytest.mark.parametrize("bad", [0, 1, NAMED + 3])
def test_a_lot_is_told_from_its_record(bad: int) -> None:
    verdicts = ["suspect"] * bad + ["good", "empty"]
    rows = [
        {"input": "a", "shard": 2, "tile": n, "verdict": word, "verdict_reason": "dim" if word == "suspect" else None}
        | {"status": "stopped", "seconds": None if word == "empty" else 0.5, "attempts": 2}
        for n, word in enumerate(verdicts)
    ]
    told = lot_done("0000007", pa.Table.from_pylist(rows, schema=SCHEMA), 3.0, ["tifffile: odd tag"])
    assert (told.tiles, told.attempts, told.seconds) == (bad + 2, 2, 3.0)
    assert told.device_seconds == pytest.approx(0.5 * (bad + 1))
    assert told.verdicts.get("suspect", 0) == bad
    assert told.bad == tuple(BadTile("a", 2, n, "suspect", "dim") for n in range(min(bad, NAMED)))
    assert told.said == ("tifffile: odd tag",)


@pytest.mark.parametrize("state", STATES)
def test_metrics_are_valid_in_both_formats_and_remember_the_last_success(
    run: Any, state: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "collector").mkdir()
    monkeypatch.setenv(FOLDER, str(tmp_path / "collector"))
    run.tally.restored(done(1))
    run.tally.shown("a", 1000)
    run.tally.shown("a", 1000)
    write_metrics(run, "completed", 5.0)
    success = last_success(run.request.out)
    write_metrics(run, state, 5.0)
    text = run.request.out.read(METRICS).decode()
    assert text.endswith("# EOF\n")
    assert [each.read_text() for each in (tmp_path / "collector").iterdir()] == [text]
    told = {}
    for parse in (text_string_to_metric_families, older_families):
        families = list(parse(text))
        assert all(family.type == "gauge" for family in families)
        samples = [sample for family in families for sample in family.samples]
        assert {sample.labels["collection"] for sample in samples} == {"plate/3 «b»"}
        told = {(s.name, s.labels.get("verdict") or s.labels.get("state") or ""): s.value for s in samples}
        assert told["selfmend_tiles", "good"] == 10
        assert told["selfmend_lots", "left"] == 9
        assert told["selfmend_inputs", "published"] == 1
        assert told["selfmend_published_bytes", ""] == 1000
        assert [name for name in STATES if told["selfmend_run_state", name]] == [state]
    assert success is not None
    assert (told["selfmend_last_success_timestamp_seconds", ""] == success) == (state != "completed")


def test_metrics_that_are_torn_say_nothing_of_a_success(run: Any) -> None:
    assert last_success(run.request.out) is None
    run.request.out.write(METRICS, b"selfmend_last_success_timestamp_seconds{colle")
    assert last_success(run.request.out) is None


def test_the_journal_has_the_facts_of_its_run_alone(run: Any) -> None:
    log = logging.LoggerAdapter(logging.getLogger("prefect.task_runs"), {"flow_run_id": "r-1", "task_run_name": "x"})
    other = logging.LoggerAdapter(logging.getLogger("prefect.task_runs"), {"flow_run_id": "r-2"})
    log.logger.setLevel(logging.INFO)
    with journal(run):
        bad = BadTile("plate/B07", 3, 17, "suspect", "residual is coloured")
        note_lot(_merging(log), run, lot(1), done(1, bad=(bad,)))
        note_failed_lot(_merging(log), lot(2), OSError("disk gone"))
        note_published(run, "plate/B07", 1234, {"0": 0, "1": 3})
        other.warning("of another collection")
    log.warning("after its end")
    told = lines(run)
    assert all(line["run"] == "r-1" and line["collection"] == "plate/3 «b»" and line["time"] for line in told)
    first, tile, failed, published = told
    assert (first["lot"], first["input"], first["shards"], first["tiles"]) == ("0000001", "plate/B07", [3, 4], 10)
    assert (first["worker"], first["attempt"], first["seconds"], first["task"]) == ("node:1", 1, 5.0, "x")
    assert (tile["shard"], tile["tile"], tile["reason"], tile["level"]) == (3, 17, "residual is coloured", "WARNING")
    assert "residual is coloured" in tile["message"]
    assert (failed["lot"], failed["error"], failed["level"]) == ("0000002", "OSError", "ERROR")
    assert (published["input"], published["bytes"], published["clipped"]) == ("plate/B07", 1234, {"1": 3})
    with journal(run):
        detail.info("the end", extra={"run": "r-1"})
    assert [line["message"] for line in lines(run)][-1] == "the end"
    assert len(lines(run)) == 5


def test_the_journal_goes_to_an_object_store_too(run: Any) -> None:
    run.request.out = Place("memory://journal/out")
    for word in ("one", "two"):
        with journal(run):
            detail.info(word, extra={"run": "r-1"})
    assert [line["message"] for line in lines(run)] == ["one", "two"]


def test_what_libraries_warn_of_is_heard_in_their_thread_and_never_without_bound() -> None:
    with heard() as said:
        for number in range(HEARD + 5):
            logging.getLogger("tifffile").warning("tag %d", number)
        logging.getLogger("tifffile").info("quiet")
    logging.getLogger("tifffile").warning("too late")
    assert len(said) == HEARD
    assert said[0] == "tifffile: tag 0"


def _merging(log: "logging.LoggerAdapter[Any]") -> "logging.LoggerAdapter[Any]":
    """An adapter that keeps the facts of both, as Prefect's does."""

    class Merging(logging.LoggerAdapter):  # type: ignore[type-arg]
        def process(self, msg: Any, kwargs: Any) -> Any:
            return msg, {**kwargs, "extra": {**(self.extra or {}), **kwargs.get("extra", {})}}

    return Merging(log.logger, log.extra)
