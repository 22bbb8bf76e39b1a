"""Two real worker processes: one is killed, one meets a tile that kills it, and nothing but that tile is lost."""

import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import tifffile
from contracts.overlapping import at_once, seeming_lot
from contracts.pipeline import begun, finished, pixels
from contracts.poison import DEADLY, FITTING, poisoned
from contracts.trees import image_digests

from tasks import ledger, roll_call
from tasks.clusters._cluster import SETTINGS
from tasks.errors import RequestError
from tasks.handful import restore_handful
from tasks.restore_lot import restore_lot
from tasks.run import Run
from tasks.workers import hired

pytestmark = pytest.mark.dask
QUICK = {
    "method": "zs_n2n",
    "method__steps": 3,
    "scope": "tile",
    "tiling__tile": 48,
    "tiling__shard": 96,
    "control": "none",
    "output__dtype": "float32",
}


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A plane of 100 x 150 photon-limited pixels, of which one, in the first tile alone, is deadly."""
    scene = 40 + 30 * np.sin(np.arange(100)[:, None] / 9) * np.cos(np.arange(150) / 7)
    noisy = np.random.default_rng(5).poisson(scene).astype(np.uint16)
    noisy[5, 5] = DEADLY
    file = tmp_path_factory.mktemp("image") / "in.tif"
    tifffile.imwrite(file, noisy)
    return file


@pytest.fixture(scope="module")
def undisturbed(image: Path) -> Path:
    """What comes of it in this very process, where nothing is poisoned."""
    whole = image.parent / "whole"
    run, found = begun(str(image), whole, **QUICK)
    for lot in run.plan.lots:
        restore_lot(run.job(lot))
    finished(run, found)
    return whole


def only(out: Path) -> Path:
    """The folder of the only collection."""
    (collection,) = (path for path in out.iterdir() if path.is_dir())
    return collection


def rows_of(run: Run) -> list[dict[str, Any]]:
    """All tiles of a run under way."""
    return [row for lot in run.plan.lots for row in ledger.record(run.work, lot.id).rows.to_pylist()]


def test_a_killed_worker_costs_nothing(image: Path, undisturbed: Path, tmp_path: Path) -> None:
    run, found = begun(str(image), tmp_path / "out", **QUICK)
    killed: list[int] = []
    with hired("local", 2) as (pool, crew):
        assert crew.workers == 2

        def kill_one(*_: object) -> None:
            if not killed:
                nannies = psutil.Process().children()
                killed.append(next(each.pid for each in nannies if "spawn_main" in " ".join(each.cmdline())))
                os.kill(killed[0], signal.SIGKILL)

        told = restore_handful(run, run.plan.lots, pool, kill_one)
    assert killed
    assert len(run.plan.lots) == 4
    assert sum(told.values()) == 12
    finished(run, found)
    assert image_digests(only(tmp_path / "out")) == image_digests(only(undisturbed))


def test_a_poisoned_tile_is_marked_failed_and_the_rest_goes_on(
    image: Path, undisturbed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, found = begun(str(image), tmp_path / "out", **QUICK)
    monkeypatch.setitem(SETTINGS, "distributed.scheduler.allowed-failures", 0)
    monkeypatch.setenv("PYTHONPATH", _path(poisoned(tmp_path / "poison", FITTING)))
    with hired("local", 2) as (pool, _):
        told = restore_handful(run, run.plan.lots, pool)
    assert sum(told.values()) == 12
    dead = [row for row in rows_of(run) if row["status"] == "killed"]
    assert [row["tile"] for row in dead] == [0]
    assert dead[0]["verdict"] == "failed"
    assert dead[0]["verdict_reason"] == "its process died at this tile 2 times, alone: it ended with code 77"
    summary = finished(run, found)
    assert summary.verdicts["failed"] == 1
    whole, spoiled = pixels(only(undisturbed), "in"), pixels(only(tmp_path / "out"), "in")
    measured = tifffile.imread(image)
    np.testing.assert_allclose(np.squeeze(spoiled)[:30, :30], measured[:30, :30], rtol=1e-5)  # its core, unblended
    differs = np.argwhere(np.squeeze(whole != spoiled))
    assert differs.max() < 64  # its core with the ramp: all other pixels are the same to the last bit


def test_a_process_owns_its_gpu_and_fits_once_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.clusters.gpus.visible_devices", lambda: ["GPU-a", "GPU-b"])
    with hired("gpus") as (pool, crew):
        assert (crew.workers, crew.device, crew.owned) == (2, "cuda", True)
        done = list(pool.map(seeming_lot, [0.1] * 12))
    assert {devices for _, devices, _, _ in done} == {"GPU-a", "GPU-b"}
    for device in ("GPU-a", "GPU-b"):
        mine = [each for each in done if each[1] == device]
        assert len({process for process, *_ in mine}) == 1
        assert at_once([held for _, _, held, _ in mine]) == 2
        assert at_once([fitting for _, _, _, fitting in mine]) == 1


def test_a_running_scheduler_is_asked_before_lots_are_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from distributed import LocalCluster

    with LocalCluster(n_workers=2, threads_per_worker=2, dashboard_address=None, memory_limit="2GB") as cluster:
        address = cluster.scheduler_address
        with hired(address) as (pool, crew):
            assert (crew.workers, crew.device, crew.memory) == (2, "cpu", 2_000_000_000)
            assert "no-workers-timeout is not set" in crew.notices[0]
            assert pool.submit(divmod, 7, 2).result() == (3, 1)
        own = roll_call.versions()
        monkeypatch.setattr(roll_call, "versions", lambda: own | {"zarr": "2.18.0"})
        with pytest.raises(RequestError, match=r"Workers and this process differ: zarr is 2\.18\.0 here and 3"):
            _entered(address)


def test_falls_back_only_if_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.clusters.scheduler.CONNECT", 1)
    file = tmp_path / "night.yaml"
    file.write_text("kind: scheduler\naddress: tcp://127.0.0.1:9\n")
    with pytest.raises(RequestError, match="No Dask scheduler answers"):
        _entered(str(file))
    file.write_text("kind: scheduler\naddress: tcp://127.0.0.1:9\nfallback: local\n")
    with hired(str(file)) as (pool, crew):
        assert pool.submit(divmod, 7, 2).result() == (3, 1)
    (notice,) = crew.notices
    assert "No Dask scheduler answers at tcp://127.0.0.1:9" in notice
    assert "This machine did the work instead." in notice


def _entered(cluster: str) -> None:
    with hired(cluster):
        pass


def _path(first: Path) -> str:
    return os.pathsep.join(filter(None, [str(first), os.environ.get("PYTHONPATH")]))
