"""`selfmend serve` as a user runs it: a server of its own, a run asked for over it, a clean end, and a second time."""

import os
import signal
import socket
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from contracts.commands import selfmend
from contracts.prefect_server import asked, awaited

pytestmark = [pytest.mark.flow, pytest.mark.slow]
ENDS = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")


@pytest.fixture
def place(tmp_path: Path) -> dict[str, str]:
    """An environment of its own, where PREFECT_API_URL names the server to come."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    home = str(tmp_path / "prefect")
    return {**os.environ, "PREFECT_HOME": home, "PREFECT_API_URL": f"http://127.0.0.1:{port}/api", "PORT": str(port)}


def test_a_served_machine_runs_what_is_asked_and_ends_cleanly(place: dict[str, str], tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 200, (60, 70)).astype(np.uint8)
    tifffile.imwrite(tmp_path / "in.tif", image)
    words = ("serve", "--port", place["PORT"], "--out", tmp_path / "out", "--cluster", "none")

    first = selfmend(*words, environment=place)
    restore = awaited(lambda: _registered(place), 120, "serving")
    assert restore["parameters"]["out"] == str(tmp_path / "out")
    second = selfmend(*words, environment=place)
    _, errors = second.communicate(timeout=60)
    assert second.returncode == 2
    assert "a Prefect server is there already" in errors
    choices = {"source": str(tmp_path / "in.tif"), "recipe": {"method": {"name": "identity"}, "control": "none"}}
    run = asked(place, f"deployments/{restore['id']}/create_flow_run", {"parameters": choices})
    assert awaited(lambda: _end(place, run["id"]), 120, "the end of the run") == "COMPLETED"
    (collection,) = (tmp_path / "out").iterdir()
    assert (collection / "in.zarr" / "zarr.json").exists()
    _ended(first, place, signal.SIGINT)

    again = selfmend(*words, environment=place)  # its schedule was paused, and is on again
    awaited(lambda: _registered(place), 120, "serving again")
    _ended(again, place, signal.SIGTERM)


def _registered(place: dict[str, str]) -> Any:
    """The deployment `restore`, once all is registered and the night's schedule is on."""
    try:
        known = {each["name"]: each for each in asked(place, "deployments/filter")}
    except OSError:
        return None
    return known["restore"] if "report" in known and not any(each["paused"] for each in known.values()) else None


def _end(place: dict[str, str], run: str) -> str | None:
    """How a run ended, if it did."""
    state = asked(place, f"flow_runs/{run}", method="GET")["state_type"]
    return state if state in ENDS else None


def _ended(served: subprocess.Popen, place: dict[str, str], by: signal.Signals) -> None:  # type: ignore[type-arg]
    """A service that was told to end does so without a fuss, and takes its server along."""
    served.send_signal(by)
    _, errors = served.communicate(timeout=60)
    assert served.returncode == 0, errors
    assert "Traceback" not in errors
    with pytest.raises(OSError, match="refused"):
        asked(place, "deployments/filter")
