"""Tidying up takes old work areas, and nothing else."""

import os
import time
from pathlib import Path

import numpy as np
import pytest
import tifffile
from contracts.pipeline import begun, restored
from contracts.trees import digests

from tasks.errors import RequestError
from tasks.retention import old_work, remove_work
from tasks.stores.leases import locked
from tasks.stores.place import Place


def aged(area: Path, days: float) -> None:
    """Let a work area look as if nothing had been written there for so long."""
    for at, _, names in os.walk(area):
        for each in (at, *(os.path.join(at, name) for name in names)):
            os.utime(each, (time.time() - days * 86400,) * 2)


def test_old_work_goes_but_the_newest_and_all_results_stay(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.random.default_rng(0).integers(0, 99, (30, 40)).astype(np.uint8))
    source, out = str(tmp_path / "a.tif"), tmp_path / "out"
    restored(source, out, method="identity")
    (collection,) = out.iterdir()
    results = digests(collection)
    begun(source, out, overwrite=True, method="identity", seed=1)
    (first,) = (collection / ".work").iterdir()
    first.rename(tmp_path / "kept")
    begun(source, out, overwrite=True, method="identity", seed=2)
    (newest,) = (collection / ".work").iterdir()
    (tmp_path / "kept").rename(first)
    aged(first, 40)
    aged(newest, 35)

    assert old_work(Place(str(out)), days=45) == []
    assert old_work(Place(str(collection)), days=30, keep=2) == []
    (old,) = old_work(Place(str(out)), days=30)
    assert old.place.uri == str(first)
    assert 39 < old.days < 41
    with locked(Place(str(collection))), pytest.raises(RequestError):
        remove_work(old)
    remove_work(old)
    assert not first.exists()
    assert newest.exists()
    assert {name: value for name, value in digests(collection).items() if not name.startswith(".")} == results


def test_an_object_store_and_a_folder_without_results_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="holds no results"):
        old_work(Place(str(tmp_path)), days=1)
    with pytest.raises(RequestError, match="object stores"):
        old_work(Place("memory://out"), days=1)
