"""What `selfmend status` says of finished, unfinished and several collections, and how little it imports for that."""

import json
import os
import re
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from contracts.finished import keep, many_rows, published, row, summarised
from contracts.publishing import grid_of, image, planned, source

from tasks import ledger, standing, status
from tasks.convergence import CONVERGENCE
from tasks.errors import RequestError
from tasks.plan import Lot, Part, Plan
from tasks.status import status_of
from tasks.stores.holders import SINCE
from tasks.stores.leases import locked
from tasks.stores.place import Place
from tasks.summary import LAST_RUN, read_summary

ROOT = Path(__file__).parents[2]


@pytest.fixture
def out(tmp_path):
    """Folder of a collection."""
    return Place(str(tmp_path / "OUT" / "liver"))


def begun(out, lots=4, done=1, key="abc"):
    """A plan of two inputs under way: one tile per lot, some of them done."""
    opened = source(image((32, 64), "uint8"), ("y", "x"))
    entries = tuple(planned(opened, grid_of(opened, tile=32, shard=32), name) for name in ("a", "b"))
    planned_lots = tuple(Lot(f"{n:07d}", (Part("ab"[n // 2], n % 2, n % 2 + 1),), 1, 1) for n in range(lots))
    plan = Plan("liver", key, {}, {}, {}, entries, planned_lots)
    work = out / ".work" / key
    work.write(standing.PLAN, plan.to_json())
    for lot in planned_lots[:done]:
        ledger.commit(work, lot, [row("a", 0, code=2)], {})
    return plan


def test_a_finished_collection(out):
    rows = published(out, "a", image((64, 64), "uint8"), ("y", "x"), codes=[1, 2, 0, 3])
    keep(out, rows)
    summary = summarised(out, {"good": 1, "suspect": 1, "failed": 1, "empty": 1}, failed={"b": "it is truncated"})
    (found,) = status_of(out).collections
    assert (found.name, found.images, found.work, found.at_work) == ("liver", 1, (), None)
    assert found.verdicts == {"good": 1, "suspect": 1, "failed": 1, "empty": 1}
    assert found.last == summary == read_summary(out)
    told = "\n".join(found.lines())
    assert "liver: 1 image published, 4 tiles: 1 good, 1 suspect, 1 failed, 1 empty" in told
    assert "66.7% of its tiles are suspect or failed, allowed are 5.0%: look at it" in told
    assert "failed: 'b': it is truncated" in told
    assert f"{out.uri}/report.html" in told


def test_many_failures_are_cut_and_it_says_so(out):
    summarised(out, {}, failed={f"plate{n:02d}": "gone" for n in range(13)})
    lines = status_of(out).lines()
    assert sum("failed: 'plate" in line for line in lines) == 10
    assert any(f"3 more failed; {out.uri}/{LAST_RUN} lists them" in line for line in lines)


def test_an_interrupted_run(out):
    begun(out, lots=4, done=1)
    (found,) = status_of(out).collections
    (work,) = found.work
    assert (work.tiles, work.tiles_done, work.lots, work.lots_done) == (4, 1, 4, 1)
    assert (work.inputs, work.inputs_published, work.verdicts) == (2, 0, {"suspect": 1})
    assert "unfinished: 1 of 4 tiles (25.0%) in 1 of 4 lots, 0 of 2 inputs published: 1 suspect" in found.lines()[1]
    assert "goes on from here" in found.lines()[1]


def test_inputs_that_are_published_already_count(out):
    plan = begun(out)
    published(out, "a", image((32, 64), "uint8"), ("y", "x"))
    begun(out)
    assert plan.inputs[0].key == "key"
    assert status_of(out).collections[0].work[0].inputs_published == 1


def test_a_run_at_work(out):
    begun(out)
    with locked(out):
        (found,) = status_of(out).collections
        assert found.at_work.startswith(f"process {os.getpid()}, since ")
        assert "under way (process" in found.lines()[1]
    assert status_of(out).collections[0].at_work is None


def test_a_run_that_plans_yet(out):
    (out / ".work").write("survey.json", b"{}")
    with locked(out):
        assert "nothing planned yet" in status_of(out).lines()[1]


def test_a_run_that_died_is_not_at_work(out):
    begun(out)
    child = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    out.write(".lock.json", b'{"pid": %d, "since": "then"}' % int(child.stdout))
    assert status_of(out).collections[0].at_work is None
    said = status_of(out).lines()[1]
    assert f"left behind by process {int(child.stdout)}, since then: there is no such process" in said
    out.write(".lock.json", b"torn")
    assert status_of(out).collections[0].at_work is None


def test_a_run_of_another_machine_is_told_with_its_age(out):
    begun(out)
    began = datetime.now(UTC) - timedelta(hours=3, minutes=12)
    out.write(".lock.json", json.dumps({"pid": 12, "host": "node3", "since": f"{began:{SINCE}}"}).encode())
    assert "under way (process 12 on node3, since" in status_of(out).lines()[1]
    assert "for 3 h 12 min, if that machine has not died): 1 of 4 tiles" in status_of(out).lines()[1]


def test_the_holder_of_a_lease_is_told_also_when_it_is_silent(monkeypatch):
    out = Place("memory://held/liver")
    begun(out)
    with locked(out):
        (found,) = status_of(out).collections
        assert re.search(r"process \d+ on .+, since .+, for [01] s, by lease 1, renewed [01] s ago", found.at_work)
        monkeypatch.setattr(Place, "modified", lambda *_: datetime.now(UTC) - timedelta(seconds=95))
        said = status_of(out).lines()[1]
        assert "by lease 1, renewed 95 s ago: a lease is renewed every 5 s" in said
        assert "watches it for 30 s and then takes the folder" in said
    assert status_of(out).collections[0].holder is None
    out.remove()


def test_a_folder_of_collections(out):
    top = Place(out.uri.rpartition("/")[0])
    for name in ("b", "a"):
        summarised(top / name, {"good": 3}, collection=name)
    (top / "others").write("notes.txt", b"")
    assert [each.name for each in status_of(top).collections] == ["a", "b"]


def test_nothing_there(tmp_path):
    with pytest.raises(RequestError, match=r"There is no '.*none'; give the --out"):
        status_of(Place(str(tmp_path / "none")))
    with pytest.raises(RequestError, match="holds no results"):
        status_of(Place(str(tmp_path)))


def test_damaged_files_are_named(out):
    out.write(LAST_RUN, b"[1, 2")
    with pytest.raises(RequestError, match=r"last_run\.json' is not the summary of a run"):
        status_of(out)
    out.remove(LAST_RUN)
    out.write(f"{CONVERGENCE}/a.parquet", b"no parquet")
    with pytest.raises(RequestError, match="is not a part of a convergence table"):
        status_of(out)


def test_a_summary_of_a_later_version_is_read(out):
    text = summarised(out, {"good": 1}).to_json().replace(b"{", b'{"something_new": 1,', 1)
    out.write(LAST_RUN, text)
    assert read_summary(out).verdicts == {"good": 1}
    out.write(LAST_RUN, b'{"collection": "liver"}')
    with pytest.raises(RequestError, match="is not the summary"):
        read_summary(out)


def test_on_an_object_store():
    out = Place("memory://status/liver")
    keep(out, [row("a", 0), row("a", 1, code=2)])
    summarised(out, {"good": 1, "suspect": 1})
    (found,) = status_of(Place("memory://status")).collections
    assert (found.name, found.verdicts) == ("liver", {"good": 1, "suspect": 1})
    out.remove()


def test_a_hundred_thousand_rows_take_a_moment(out):
    table = many_rows(100_000)
    for part in range(10):
        out.write(f"{CONVERGENCE}/{part}.parquet", ledger.joined([table.slice(part * 10_000, 10_000)]))
    plan = begun(out)
    work = out / ".work" / plan.key
    lots = tuple(replace(plan.lots[0], id=f"{n:07d}") for n in range(1000))
    work.write(standing.PLAN, replace(plan, lots=lots).to_json())
    record = work.read("lots/0000000.parquet")
    for lot in lots:
        (Path(work.uri) / "lots" / f"{lot.id}.parquet").write_bytes(record)
    began = time.monotonic()
    (found,) = status_of(out).collections
    assert time.monotonic() - began < 5  # a second or two, on a busy machine
    verdicts = np.array(table.column("verdict"))
    assert found.verdicts == {name: int((verdicts == name).sum()) for name in ("good", "suspect")}
    assert found.work[0].verdicts == {"suspect": 1000}


def test_little_is_imported():
    code = "import sys, tasks.status; print(*sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not {"torch", "prefect", "matplotlib", "xarray", "zarr", "pandas"} & set(found.stdout.split())


def test_the_name_of_the_plan_is_one():
    assert status.PLAN == standing.PLAN
