"""A night restores what is new or changed, and nothing else; what is not ready waits for the next one."""

import os
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
from contracts.pipeline import begun, finished, pixels, restored

from tasks import ledger
from tasks.lateness import excused, put_off
from tasks.limits import Limits
from tasks.preparation import going_on_without
from tasks.restore_lot import restore_lot

CHOSEN = {"method": "identity"}
INPUTS = 12  # two in a lot


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    for number in range(INPUTS):
        draw(tmp_path, number, seed=number)
    return tmp_path


def draw(folder: Path, number: int, seed: int) -> None:
    """Write an input, as long ago as nobody asks."""
    file = folder / "in" / f"{number:02d}.tif"
    tifffile.imwrite(file, np.random.default_rng(seed).integers(0, 99, (30, 40 + seed % 7)).astype(np.uint8))
    os.utime(file, (time.time() - 9000 + seed, time.time() - 9000 + seed))


def check(folder: Path, names: set[int]) -> None:
    """Images are those of the inputs, bit for bit, and each tile is in the table once."""
    (collection,) = (each for each in (folder / "out").iterdir() if each.is_dir())
    for number in names:
        expected = tifffile.imread(folder / "in" / f"{number:02d}.tif")
        np.testing.assert_array_equal(pixels(collection, f"{number:02d}"), expected)
    table = pd.read_parquet(collection / "convergence")
    assert sorted(table["input"]) == sorted(f"{number:02d}" for number in names)


def test_a_changed_input_alone_is_restored_again(folder: Path) -> None:
    restored(str(folder / "in"), folder / "out", **CHOSEN)
    draw(folder, 5, seed=105)
    summary = restored(str(folder / "in"), folder / "out", **CHOSEN)
    assert (summary.published, summary.done_before, summary.tiles) == (1, INPUTS - 1, 1)
    check(folder, set(range(INPUTS)))


@pytest.mark.parametrize("done", [0, 3, 6])
def test_in_an_interrupted_run_a_changed_input_re_opens_its_own_tiles_alone(folder: Path, done: int) -> None:
    run, _ = begun(str(folder / "in"), folder / "out", **CHOSEN)
    for lot in run.plan.lots[:done]:
        restore_lot(run.job(lot))
    draw(folder, 1, seed=101)
    draw(folder, 11, seed=111)
    again, found = begun(str(folder / "in"), folder / "out", **CHOSEN)
    assert found.changed == ("01", "11")
    left = ledger.left(again.plan, again.work)
    old = sum(lot.tiles for lot in left if lot.id in {each.id for each in run.plan.lots})
    assert old == INPUTS - 2 * done - (2 if done == 0 else 1 if done == 3 else 0)
    assert sum(lot.tiles for lot in left) == old + 2
    assert len({lot.id for lot in again.plan.lots}) == len(again.plan.lots)
    for lot in left:
        restore_lot(again.job(lot))
    summary = finished(again, found)
    assert (summary.published, summary.tiles, summary.verdicts) == (INPUTS, INPUTS, {"good": INPUTS})
    check(folder, set(range(INPUTS)))


def test_what_vanished_in_an_interrupted_run_is_left_and_its_neighbours_are_restored(folder: Path) -> None:
    begun(str(folder / "in"), folder / "out", **CHOSEN)
    (folder / "in" / "04.tif").unlink()
    run, found = begun(str(folder / "in"), folder / "out", **CHOSEN)
    assert "is gone" in found.late["04"]
    for lot in ledger.left(run.plan, run.work):
        restore_lot(run.job(lot))
    summary = finished(run, found)
    assert (summary.published, list(summary.late), summary.is_good) == (INPUTS - 1, ["04"], True)
    check(folder, set(range(INPUTS)) - {4})


def test_an_input_that_goes_away_during_the_run_is_excused_and_taken_out_of_its_lot(folder: Path) -> None:
    run, found = begun(str(folder / "in"), folder / "out", **CHOSEN)
    (folder / "in" / "04.tif").unlink()
    draw(folder, 7, seed=107)
    late = excused(found.left, ["04", "05", "07"])
    assert sorted(late) == ["04", "07"]
    assert "went away" in late["04"]
    assert "was written to" in late["07"]
    run = going_on_without(run, set(late))
    assert sum(lot.tiles for lot in run.plan.lots) == INPUTS - 2
    for lot in run.plan.lots:
        restore_lot(run.job(lot))
    assert finished(run, replace(found, late=late)).published == INPUTS - 2


def test_what_was_written_a_moment_ago_waits(folder: Path) -> None:
    os.utime(folder / "in" / "03.tif")
    os.utime(folder / "in" / "08.tif", (time.time() + 900, time.time() + 900))  # a clock that is ahead
    _, found = begun(str(folder / "in"), folder / "out", **CHOSEN)
    waiting = put_off(found, 60)
    assert list(waiting.late) == ["03"]
    assert "60 s are asked for" in waiting.late["03"]
    assert len(waiting.left) == INPUTS - 1
    assert put_off(found, 0) == found


def test_so_many_inputs_that_are_not_done_those_that_were_begun_first(folder: Path) -> None:
    _, found = begun(str(folder / "in"), folder / "out", **CHOSEN)
    assert found.begun is None
    draw(folder, 0, seed=200)
    _, found = begun(str(folder / "in"), folder / "out", **CHOSEN)
    taken = found.within(Limits(inputs=3))
    assert [ref.name for ref in taken.left] == ["01", "02", "03"]
    assert len(taken.waiting) == INPUTS - 3
    assert taken.within(Limits()).left == tuple(sorted(taken.left + taken.waiting, key=lambda ref: ref.name == "00"))
