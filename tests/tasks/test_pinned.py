"""A plan is restored with the very start that it names, whatever becomes of the name or of the registry."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
from contracts.pipeline import begun, finished, restored
from contracts.starts import card, weights
from contracts.trees import digests

from tasks import ledger
from tasks.errors import InputError, RequestError
from tasks.registry.artifact import LearnedStart, make_start, save_start
from tasks.registry.loading import FOLDER, registry_place
from tasks.registry.pinned import FOLDER as LEARNED
from tasks.registry.pinned import pinned_start
from tasks.registry.states import change_state
from tasks.restore_lot import restore_lot
from tasks.stores.place import Place

CHOSEN = {"method__size": "lite", "start": "cells", "tiling__tile": 64, "control": "dct", "ladder": ()}


@pytest.fixture(autouse=True)
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv(FOLDER, str(tmp_path / "starts"))
    clean = 60 + 40 * np.sin(np.arange(96)[:, None] / 7) * np.cos(np.arange(96) / 9)
    tifffile.imwrite(tmp_path / "in.tif", np.random.default_rng(5).poisson(clean).astype(np.uint16))
    promoted(0, "2026-01-02")
    return str(tmp_path / "in.tif")


def promoted(seed: int, made: str) -> LearnedStart:
    """An active start of the name `cells`: that which was made last is meant by it."""
    start = make_start(replace(card(), made=made), weights(seed))
    save_start(start, registry_place())
    change_state(registry_place(), start.card.id, "active", "for a test", "candidate")
    return start


def test_a_promotion_in_the_middle_changes_no_weight(source: str, tmp_path: Path) -> None:
    restored(source, tmp_path / "quiet", **CHOSEN)
    run, found = begun(source, tmp_path / "out", **CHOSEN)
    promoted(1, "2026-02-03")
    list(map(restore_lot, [run.job(lot) for lot in ledger.left(run.plan, run.work)]))
    finished(run, found)
    (quiet,), (out,) = ([*(tmp_path / name).iterdir()] for name in ("quiet", "out"))
    assert digests(quiet / "in.zarr") == digests(out / "in.zarr")
    assert set(pd.read_parquet(out / "convergence")["start"]) == {f"cells:{run.plan.start}"}


def test_a_worker_needs_no_registry(source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run, _ = begun(source, tmp_path / "out", **CHOSEN)
    monkeypatch.setenv(FOLDER, str(tmp_path / "elsewhere"))
    (lot,) = run.plan.lots
    assert restore_lot(run.job(lot)).tiles == 4


def test_an_interrupted_run_goes_on_with_its_start(source: str, tmp_path: Path) -> None:
    run, _ = begun(source, tmp_path / "out", **CHOSEN)
    other = promoted(1, "2026-02-03")
    again, found = begun(source, tmp_path / "out", **CHOSEN)
    assert found.begun == run.plan == again.plan
    assert again.request.start_id == run.plan.start != other.card.id
    with pytest.raises(RequestError, match="interrupted run with another recipe"):
        begun(source, tmp_path / "out", **{**CHOSEN, "start": other.card.id})


def test_an_interrupted_run_whose_start_is_gone_is_told(source: str, tmp_path: Path) -> None:
    run, _ = begun(source, tmp_path / "out", **CHOSEN)
    promoted(1, "2026-02-03")
    (run.work / LEARNED).remove()
    begun(source, tmp_path / "out", **CHOSEN)  # the registry still has it, and it is laid down again
    assert (run.work / LEARNED).names() == [f"{run.plan.start}.json", f"{run.plan.start}.safetensors"]
    (run.work / LEARNED).remove()
    pinned_start.cache_clear()  # as in another process
    registry_place().remove(f"{run.plan.start}.safetensors")
    with pytest.raises(RequestError, match=rf"began with the start {run.plan.start}, of which neither.*put them back"):
        begun(source, tmp_path / "out", **CHOSEN)


def test_another_start_under_the_name_of_the_plans_is_refused(source: str, tmp_path: Path) -> None:
    run, _ = begun(source, tmp_path / "out", **CHOSEN)
    (run.work / LEARNED).remove()
    other = make_start(card(), weights(7))
    save_start(other, Place(f"{run.work.uri}/{LEARNED}"), run.plan.start)
    pinned_start.cache_clear()
    with pytest.raises(InputError, match=rf"names the start {run.plan.start}, .* holds {other.card.id}"):
        restore_lot(run.job(run.plan.lots[0]))


def test_what_was_published_with_another_start_is_told(source: str, tmp_path: Path) -> None:
    restored(source, tmp_path / "out", **CHOSEN)
    other = promoted(1, "2026-02-03")
    with pytest.raises(RequestError, match=rf"made with the start \w+, and 'cells' is now {other.card.id}"):
        begun(source, tmp_path / "out", **CHOSEN)
