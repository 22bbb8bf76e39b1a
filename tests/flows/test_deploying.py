"""A real server: what is deployed is scheduled, a dead run is found, and what cannot be is told."""

import os
import re
import signal
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
import tifffile
from contracts.commands import selfmend
from contracts.prefect_server import asked, awaited

pytestmark = pytest.mark.flow
POOL = "night-owls"


def deploy(server: dict[str, str], *words: object) -> tuple[int, str, str]:
    run = selfmend("deploy", *words, environment=server)
    told, errors = run.communicate(timeout=180)
    return run.returncode, told, errors


@pytest.fixture(scope="module")
def deployed(server: dict[str, str]) -> Iterator[dict[str, str]]:
    """A server on which everything is deployed, twice, as after an update."""
    for _ in range(2):
        words = ("--pool", POOL, "--create", "process", "--cron", "17 3 * * *", "--timezone", "Asia/Tokyo")
        code, told, errors = deploy(server, *words, "--collection", "moon_demo", "--out", "s3://bucket/restored")
        assert code == 0, errors
        assert f"Registered on the process pool '{POOL}'; 0 workers serve it." in told
        assert f"prefect worker start --pool {POOL} --type process" in told
    yield server
    for each in asked(server, "deployments/filter"):
        asked(server, f"deployments/{each['id']}", method="DELETE")


def test_a_night_gets_scheduled(deployed: dict[str, str]) -> None:
    # With SQLAlchemy 2.1 everything above works, and this list stays empty for ever.
    runs = awaited(
        lambda: asked(deployed, "flow_runs/filter", {"deployments": {"name": {"any_": ["nightly"]}}}),
        60,
        "scheduling",
    )
    assert {run["state_type"] for run in runs} == {"SCHEDULED"}
    assert {run["expected_start_time"][11:16] for run in runs} == {"18:17"}  # 03:17 in Tokyo
    assert all(run["parameters"]["collections"] == ["moon_demo"] for run in runs)
    assert all(run["parameters"]["out"] == "s3://bucket/restored" for run in runs)


def test_deploying_twice_leaves_one_of_each(deployed: dict[str, str]) -> None:
    known = asked(deployed, "deployments/filter")
    assert sorted(each["name"] for each in known) == ["compare", "learn-start", "nightly", "report", "restore"]
    (night,) = (each for each in known if each["name"] == "nightly")
    assert night["entrypoint"] == "flows.nightly.nightly"
    assert night["pull_steps"] in (None, [])
    assert night["concurrency_options"]["collision_strategy"] == "CANCEL_NEW"
    assert night["global_concurrency_limit"]["limit"] == 1
    assert len(night["schedules"]) == 1
    assert night["job_variables"]["env"]["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"] == "30"
    (automation,) = asked(deployed, "automations/filter")
    assert automation["enabled"]
    assert automation["trigger"]["posture"] == "Proactive"
    assert automation["trigger"]["within"] == 90
    assert automation["actions"][0]["state"] == "CRASHED"
    assert automation["created"][:19] == automation["updated"][:19]  # an update would forget whom it waits for


def test_doctor_knows_what_a_server_lacks(deployed: dict[str, str], tmp_path: Path) -> None:
    run = selfmend("doctor", "--out", tmp_path, environment={**deployed, "COLUMNS": "200"})
    told, errors = run.communicate(timeout=120)
    assert run.returncode == 0, errors
    assert re.search(r"ok .* nights .* the next begins \d{4}-\d\d-\d\d 18:17 UTC", told)
    assert re.search(rf"warn .* work pool .* {POOL} \(process\): 0 workers", told)
    assert re.search(r"ok .* dead runs .* are marked Crashed", told)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--pool", "night-owl"], f"no work pool 'night-owl'; it has {POOL}. Did you mean '{POOL}'?"),
        (["--pool", POOL, "--create", "docker"], "there already, and of kind process"),
        (["--pool", "new", "--create", "dockr"], "Did you mean 'docker'?"),
        (["--pool", POOL, "--cron", "nightly"], "is no schedule"),
        (["--pool", POOL, "--collection", "mon_demo"], "Did you mean 'moon_demo'?"),
    ],
)
def test_what_cannot_be_deployed_is_told(deployed: dict[str, str], words: list[str], sentence: str) -> None:
    code, _, errors = deploy(deployed, *words)
    assert code == 2
    assert sentence in errors
    assert "Traceback" not in errors


def test_a_server_that_does_not_answer_is_told(server: dict[str, str]) -> None:
    code, _, errors = deploy({**server, "PREFECT_API_URL": "http://127.0.0.1:9/api"}, "--pool", POOL)
    assert code == 2
    assert "No Prefect server answers at http://127.0.0.1:9/api" in errors


@pytest.mark.slow
def test_a_run_whose_process_was_killed_becomes_crashed(server: dict[str, str], tmp_path: Path) -> None:
    from flows.automations import crash_automation

    quick = crash_automation(timedelta(seconds=12)).model_copy(update={"name": "quick"})  # not 90, to save a minute
    made = asked(server, "automations/", quick.model_dump(mode="json"))
    tifffile.imwrite(tmp_path / "in.tif", np.random.default_rng(0).integers(0, 200, (90, 90)).astype(np.uint8))
    settings = ("method.steps=100000", "scope=tile", "control=none")
    words = [word for setting in settings for word in ("--set", setting)]
    run = selfmend(
        "restore", tmp_path / "in.tif", "--out", tmp_path / "out", "--cluster", "none", "--method", "zs_n2n", *words,
        environment=server,
    )  # fmt: skip
    try:
        awaited(lambda: list((tmp_path / "out").glob("*/.work/*/plan.json")), 60, "the plan")
        alive = {"event": {"name": ["prefect.flow-run.heartbeat"]}}
        awaited(lambda: asked(server, "events/filter", {"filter": alive})["events"], 60, "a heartbeat")
        os.killpg(run.pid, signal.SIGKILL)
        run.communicate()
        ours = {"flow_runs": {"name": {"like_": f"restore {tmp_path}"}}}
        (state,) = awaited(
            lambda: [
                each["state"] for each in asked(server, "flow_runs/filter", ours) if each["state_type"] == "CRASHED"
            ],
            90,
            "the crash",
        )
        assert "No heartbeat for 12 s" in state["message"]
    finally:
        asked(server, f"automations/{made['id']}", method="DELETE")
        if run.poll() is None:
            os.killpg(run.pid, signal.SIGKILL)
