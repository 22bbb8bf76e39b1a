"""What a failing disk leaves of a work area is made again, with the same bytes, and said."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from contracts.pipeline import begun, finished, pixels, restored
from contracts.trees import image_digests

from tasks import ledger
from tasks.completion import complete_input, completion_job, keep_rows
from tasks.convergence import CONVERGENCE
from tasks.limits import Limits
from tasks.preparation import give_up_stale, prepare
from tasks.restoration import Restored, restore_tiles
from tasks.restore_lot import restore_lot
from tasks.run import Run
from tasks.status import status_of
from tasks.stores.place import Place

SMALL = {
    "method": "zs_n2n",
    "scope": "tile",
    "method__steps": 3,
    "tiling__tile": 40,
    "tiling__shard": 40,
    "bad_tiles": 1,
}


@pytest.fixture
def stack(tmp_path: Path) -> str:
    image = np.random.default_rng(7).poisson(60, (90, 100)).astype(np.uint16)
    tifffile.imwrite(tmp_path / "in.tif", image)
    return str(tmp_path / "in.tif")


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 3])


def a_record(run: Run, work: Path) -> None:
    cut(work / "lots" / f"{run.plan.lots[1].id}.parquet")


def the_plan(run: Run, work: Path) -> None:
    cut(work / "plan.json")


def the_document(run: Run, work: Path) -> None:
    cut(next(work.glob("shards/*.zarr/zarr.json")))


@pytest.mark.parametrize("torn", [a_record, the_plan, the_document])
def test_what_is_torn_is_made_again(stack: str, tmp_path: Path, torn: Callable[[Run, Path], None]) -> None:
    restored(stack, tmp_path / "whole", **SMALL)
    run, _ = begun(stack, tmp_path / "out", **SMALL)
    for lot in run.plan.lots[:2]:
        restore_lot(run.job(lot))
    work = Path(run.work.uri)
    torn(run, work)
    assert status_of(Place(str(tmp_path / "out"))).collections
    again, found = begun(stack, tmp_path / "out", **SMALL)
    for lot in ledger.left(again.plan, again.work):
        restore_lot(again.job(lot))
    assert finished(again, found).published == 1
    one, other = (image_digests(tmp_path / name) for name in ("whole", "out"))
    assert one == other
    assert pixels(tmp_path / "out" / run.plan.collection, "in").shape == (90, 100)


def test_a_torn_file_of_the_table_is_made_again_while_the_records_are_there(tmp_path: Path) -> None:
    for name in "ab":
        image = np.random.default_rng(7).poisson(60, (40, 40)).astype(np.uint16)
        tifffile.imwrite(tmp_path / f"{name}.tif", image)
    run, _ = begun(str(tmp_path / "*.tif"), tmp_path / "out", **SMALL)
    first, second = run.plan.lots
    restore_lot(run.job(first))
    keep_rows(run, "some", ["a"], [first])
    complete_input(completion_job(run, "a", [first]))
    table = run.request.out / CONVERGENCE
    whole = [table.read(name) for name in table.names()]
    cut(next(Path(table.uri).glob("*.parquet")))
    (sentence,) = give_up_stale(run.request, prepare(run.request, overwrite=False).within(Limits()))
    assert sentence.endswith("could not be read, and was made again from the records of its lots.")
    assert [table.read(name) for name in table.names()] == whole
    restore_lot(run.job(second))
    run.request.work.remove("lots")
    cut(next(Path(table.uri).glob("*.parquet")))
    (sentence,) = give_up_stale(run.request, prepare(run.request, overwrite=False).within(Limits()))
    assert "the tiles of 1 published images (the first: 'a') are not in the table any more" in sentence
    assert table.names() == []


@pytest.mark.parametrize("late", [False, True])
def test_a_worker_whose_work_area_is_gone_writes_nothing(stack: str, tmp_path: Path, late: bool) -> None:
    """late: it goes while the lot is fitted."""
    run, _ = begun(stack, tmp_path / "out", **SMALL)
    area = run.request.out / ".work"

    def restore(*given: Any) -> list[Restored]:
        done = restore_tiles(*given)
        area.remove()
        return done

    if not late:
        area.remove()
    with pytest.raises(ledger.WorkGone, match=r"^Lot 0000000 is not wanted any more: .* Nothing was written\.$"):
        restore_lot(run.job(run.plan.lots[0]), restore if late else restore_tiles)
    assert not area.exists()


def test_it_is_said(stack: str, tmp_path: Path) -> None:
    run, _ = begun(stack, tmp_path / "out", **SMALL)
    restore_lot(run.job(run.plan.lots[0]))
    cut(Path(run.work.uri) / "lots" / f"{run.plan.lots[0].id}.parquet")
    (sentence,) = give_up_stale(run.request, prepare(run.request, overwrite=False).within(Limits()))
    assert sentence.startswith("The records of 1 lots could not be read")
    cut(Path(run.work.uri) / "plan.json")
    (sentence,) = give_up_stale(run.request, prepare(run.request, overwrite=False).within(Limits()))
    assert sentence.startswith("The plan in")
    assert not Path(run.work.uri).exists()
