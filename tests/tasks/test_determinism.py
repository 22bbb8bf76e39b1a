"""Bytes do not depend on worker count, order or resume."""

import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import tifffile
from contracts.pipeline import begun, finished, restored
from contracts.trees import image_digests

from tasks import ledger
from tasks.restore_lot import restore_lot

QUICK = {
    "method": "zs_n2n",
    "method__steps": 3,
    "scope": "tile",
    "tiling__tile": 48,
    "tiling__shard": 96,
    "control": "none",
}


@pytest.fixture
def stack(tmp_path: Path) -> Path:
    """Three planes of 120 x 150 photon-limited pixels."""
    random = np.random.default_rng(5)
    scene = 40 + 30 * np.sin(np.arange(120)[:, None] / 9) * np.cos(np.arange(150) / 7)
    tifffile.imwrite(
        tmp_path / "in.tif", random.poisson(scene, (3, 120, 150)).astype(np.uint16), metadata={"axes": "ZYX"}
    )
    return tmp_path / "in.tif"


@pytest.fixture(scope="module")
def pool() -> Iterator[ProcessPoolExecutor]:
    """Four workers that share nothing with this process."""
    with ProcessPoolExecutor(4, mp_context=multiprocessing.get_context("spawn")) as workers:
        yield workers


@pytest.mark.parametrize("scope", ["tile", "input"])
def test_workers_and_order_do_not_matter(stack: Path, tmp_path: Path, pool: ProcessPoolExecutor, scope: str) -> None:
    chosen = {**QUICK, "scope": scope, "own_steps": 2}
    restored(str(stack), tmp_path / "one", **chosen)
    restored(str(stack), tmp_path / "four", pool, shuffle=7, **chosen)
    one, four = image_digests(tmp_path / "one"), image_digests(tmp_path / "four")
    assert one
    assert one == four


def test_a_resumed_run_recomputes_only_what_was_in_flight(stack: Path, tmp_path: Path) -> None:
    restored(str(stack), tmp_path / "whole", **QUICK)
    run, _ = begun(str(stack), tmp_path / "cut", **QUICK)
    some = run.plan.lots[:2]
    assert len(run.plan.lots) > 3
    for lot in some:
        restore_lot(run.job(lot))
    before = {lot.id: (run.work.local / "lots" / f"{lot.id}.parquet").stat().st_mtime_ns for lot in some}  # type: ignore[operator]
    again, found = begun(str(stack), tmp_path / "cut", **QUICK)
    assert [lot.id for lot in ledger.left(again.plan, again.work)] == [lot.id for lot in run.plan.lots[2:]]
    for lot in ledger.left(again.plan, again.work):
        restore_lot(again.job(lot))
    after = {lot.id: (run.work.local / "lots" / f"{lot.id}.parquet").stat().st_mtime_ns for lot in some}  # type: ignore[operator]
    finished(again, found)
    assert before == after
    assert image_digests(tmp_path / "whole") == image_digests(tmp_path / "cut")
