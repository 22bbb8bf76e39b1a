"""The flow as a user runs it, against a real Prefect server."""

import json
import os
import random
import signal
import time
import urllib.request
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
from contracts.bombs import packed_store
from contracts.commands import selfmend
from contracts.forked import Forked
from contracts.pipeline import restored
from contracts.trees import image_digests

from flows.options import chosen_settings

pytestmark = pytest.mark.flow
KILLS = 3
CHOICES = ["method.steps=30", "scope=tile", "tiling.tile=48", "tiling.shard=48", "control=none", "bad_tiles=1"]
WORK = ["--method", "zs_n2n", *(word for choice in CHOICES for word in ("--set", choice))]


def asked(server: dict[str, str], path: str, body: dict[str, object]) -> list[dict[str, object]]:
    """What the server answers."""
    data = json.dumps(body).encode()
    request = urllib.request.Request(f"{server['PREFECT_API_URL']}/{path}", data, {"Content-Type": "application/json"})
    return json.loads(urllib.request.urlopen(request, timeout=20).read())  # type: ignore[no-any-return]


def lots_done(out: Path) -> list[Path]:
    """The commit records of a run under way."""
    return list(out.glob("*/.work/*/lots/*.parquet"))


@pytest.fixture
def stack(tmp_path: Path) -> Path:
    """Four planes of 100 x 150 photon-limited pixels."""
    scene = 40 + 30 * np.sin(np.arange(100)[:, None] / 9) * np.cos(np.arange(150) / 7)
    image = np.random.default_rng(5).poisson(scene, (4, 100, 150)).astype(np.uint16)
    tifffile.imwrite(tmp_path / "in.ome.tif", image, metadata={"axes": "ZYX"}, photometric="minisblack")
    return tmp_path / "in.ome.tif"


@pytest.mark.dask
def test_a_run_on_a_local_cluster_is_seen_in_prefect(server: dict[str, str], stack: Path, tmp_path: Path) -> None:
    run = selfmend("restore", stack, "--out", tmp_path / "out", "--workers", 2, *WORK, environment=server)
    told, errors = run.communicate(timeout=300)
    assert run.returncode == 0, errors
    assert "1 input published" in told
    (collection,) = (tmp_path / "out").iterdir()
    table = pd.read_parquet(collection / "convergence")
    assert len(table) == 4 * 3 * 4
    assert (collection / "report.html").stat().st_size > 1000
    assert not (collection / ".work").exists()
    flows = asked(server, "flow_runs/filter", {"sort": "START_TIME_DESC", "limit": 1})
    assert flows[0]["state_type"] == "COMPLETED"
    names = {
        str(each["name"])
        for each in asked(server, "task_runs/filter", {"flow_runs": {"id": {"any_": [flows[0]["id"]]}}})
    }
    assert any(name.startswith("survey ") for name in names)
    assert any(name.startswith("restore in") for name in names)
    assert any(name.startswith("publish in") for name in names)
    kinds = {
        each["type"] for each in asked(server, "artifacts/filter", {"flow_runs": {"id": {"any_": [flows[0]["id"]]}}})
    }
    assert kinds >= {"progress", "table", "markdown"}
    assert set(flows[0]["tags"]) >= {collection.name, "zs_n2n"}  # type: ignore[call-overload]
    journal = [json.loads(line) for line in (collection / "logs" / f"{flows[0]['id']}.jsonl").read_text().splitlines()]
    assert {line["collection"] for line in journal} == {collection.name}
    assert sum(line["tiles"] for line in journal if "lot" in line and "verdicts" in line) == len(table)
    assert {line["input"] for line in journal if "bytes" in line} == {"in"}
    assert journal[-1]["state"] == "completed"
    metrics = (collection / "metrics.prom").read_text()
    assert f'selfmend_run_state{{collection="{collection.name}",state="completed"}} 1.0' in metrics
    assert f'selfmend_inputs{{collection="{collection.name}",state="published"}} 1.0' in metrics


@pytest.mark.slow
def test_killed_at_random_points_and_resumed_the_bytes_are_the_same(server: dict[str, str], tmp_path: Path) -> None:
    """A few kills of the whole command line; benchmarks/faults.py has the many, and every other fault.

    Held against a run that Prefect never saw. Each resume is the next one to be killed.
    """
    image = np.random.default_rng(5).poisson(40 + 30 * np.sin(np.arange(150) / 9), (4, 140, 150)).astype(np.uint16)
    stack = tmp_path / "in.ome.tif"
    tifffile.imwrite(stack, image, metadata={"axes": "ZYX"}, photometric="minisblack")
    undisturbed = {name.replace(".", "__"): value for name, value in chosen_settings(CHOICES).items()}
    restored(str(stack), tmp_path / "whole", method="zs_n2n", **undisturbed)
    words = ["restore", stack, "--out", tmp_path / "cut", "--cluster", "none", *WORK]
    draw, said = random.Random(11), tmp_path / "said"
    with Forked(server) as forked:
        for _ in range(KILLS):
            run = forked.selfmend(*words, said=said)
            enough = max(1, len(lots_done(tmp_path / "cut")) + draw.choice([0, 1, 2]))
            while len(lots_done(tmp_path / "cut")) < enough:
                assert forked.ended(run, wait=False) is None, said.read_text()
                time.sleep(0.01)
            time.sleep(draw.uniform(0, 0.2))
            os.killpg(run, signal.SIGKILL)
            assert forked.ended(run) == -signal.SIGKILL
        assert forked.ended(forked.selfmend(*words, said=said)) == 0, said.read_text()
    one, other = image_digests(tmp_path / "whole"), image_digests(tmp_path / "cut")
    assert {name.split("/", 1)[1]: value for name, value in one.items()} == {
        name.split("/", 1)[1]: value for name, value in other.items()
    }
    rows = pd.concat([pd.read_parquet(folder) for folder in (tmp_path / "cut").glob("*/convergence")])
    assert not rows.duplicated(["input", "tile"]).any()
    assert len(rows) == 4 * 3 * 4
    assert rows["attempts"].sum() - len(rows) <= 4 * KILLS  # one lot of four tiles was in flight at each kill


def test_ctrl_c_ends_with_130_and_loses_nothing(server: dict[str, str], stack: Path, tmp_path: Path) -> None:
    slow = [word if word != "method.steps=30" else "method.steps=400" for word in WORK]
    run = selfmend("restore", stack, "--out", tmp_path / "out", "--cluster", "none", *slow, environment=server)
    while not lots_done(tmp_path / "out"):
        assert run.poll() is None
        time.sleep(0.1)
    run.send_signal(signal.SIGINT)
    _, errors = run.communicate(timeout=120)
    assert run.returncode == 130, errors
    assert "Nothing is lost" in errors
    assert "Traceback" not in errors
    assert lots_done(tmp_path / "out")
    (metrics,) = (tmp_path / "out").glob("*/metrics.prom")
    assert 'state="stopped"} 1.0' in metrics.read_text()


def test_a_second_run_on_one_output_is_told(server: dict[str, str], stack: Path, tmp_path: Path) -> None:
    slow = [word if word != "method.steps=30" else "method.steps=4000" for word in WORK]
    first = selfmend("restore", stack, "--out", tmp_path / "out", "--cluster", "none", *slow, environment=server)
    while not list((tmp_path / "out").glob("*/.work/*/plan.json")):
        assert first.poll() is None
        time.sleep(0.1)
    second = selfmend("restore", stack, "--out", tmp_path / "out", "--cluster", "none", *slow, environment=server)
    _, errors = second.communicate(timeout=120)
    os.killpg(first.pid, signal.SIGKILL)
    first.communicate()
    assert second.returncode == 2
    assert str(first.pid) in errors
    third = selfmend(
        "restore", stack, "--out", tmp_path / "out", "--cluster", "none", *WORK, "--overwrite", environment=server
    )
    assert third.wait(300) == 0


def test_one_bad_input_stops_nobody(server: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    random_image = np.random.default_rng(0).integers(0, 99, (40, 40)).astype(np.uint8)
    tifffile.imwrite(tmp_path / "in" / "good.tif", random_image)
    (tmp_path / "in" / "cut.tif").write_bytes((tmp_path / "in" / "good.tif").read_bytes()[:700])
    packed_store(tmp_path / "in" / "bomb.zarr", "zstd")
    run = selfmend(
        "restore",
        tmp_path / "in",
        "--out",
        tmp_path / "out",
        "--cluster",
        "none",
        "--method",
        "identity",
        environment=server,
    )
    _, errors = run.communicate(timeout=120)
    assert run.returncode == 1
    assert "cut" in errors
    assert "bomb" in errors
    assert "Traceback" not in errors
    (collection,) = (tmp_path / "out").iterdir()
    assert (collection / "good.zarr" / "zarr.json").exists()
    assert "cut" in (collection / "report.html").read_text()
    assert "grow beyond the" in (collection / "report.html").read_text()
