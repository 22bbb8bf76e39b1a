"""A night as a user runs it: what is new is restored, what fails stops nobody, and somebody is told."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from contracts.commands import selfmend
from contracts.prefect_server import asked
from contracts.secrets import SECRETS, told_below, told_in

pytestmark = pytest.mark.flow
BLOCKS = """
import sys
from prefect.blocks.notifications import CustomWebhookNotificationBlock as Hook
body = {"body": "{{body}}", "subject": "{{subject}}"}
Hook(name="heard", url=sys.argv[1], json_data=body).save("heard", overwrite=True)
Hook(name="deaf", url="http://127.0.0.1:9/secret-address", json_data=body).save("deaf", overwrite=True)
"""


@pytest.fixture
def webhook() -> Iterator[tuple[str, list[dict[str, str]]]]:
    """Address of a web hook, and what it was told."""
    told: list[dict[str, str]] = []

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Hook) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/", told
        server.shutdown()


def test_one_collection_that_fails_stops_no_other_and_the_summary_goes_out(
    server: dict[str, str], tmp_path: Path, webhook: tuple[str, list[dict[str, str]]]
) -> None:
    address, told = webhook
    for number in range(4):
        pixels = np.random.default_rng(number).integers(0, 99, (40, 50)).astype(np.uint8)
        tifffile.imwrite(tmp_path / f"{'ab'[number % 2]}{number}.tif", pixels)
    sources = {"alpha": "a*.tif", "broken": "absent/*.tif", "beta": "b*.tif"}
    collections = {name: {"title": name, "source": source} for name, source in sources.items()}
    (tmp_path / "catalog.yaml").write_text(json.dumps({"collections": collections}))
    words = ["nightly", "--catalog", tmp_path / "catalog.yaml", "--out", tmp_path / "out", "--cluster", "none"]
    words += ["--set", "method.name=identity", "--set", "control=none", "--quiet", 0]
    subprocess.run([sys.executable, "-c", BLOCKS, address], env=server, check=True)

    wrong = selfmend(*words, "--notify", "custom-webhook/herd", environment=server)
    _, errors = wrong.communicate(timeout=120)
    assert wrong.returncode == 2
    assert "Did you mean 'custom-webhook/heard'?" in errors
    assert not (tmp_path / "out").exists()

    short = selfmend(*words, "--limit", 1, environment=server)
    out, errors = short.communicate(timeout=120)
    assert short.returncode == 0, errors
    assert "not begun" in out
    (night,) = _latest(server)
    assert (night["state_type"], night["state_name"]) == ("COMPLETED", "StoppedAtBudget")

    hooks = ["--notify", "custom-webhook/deaf", "--notify", "custom-webhook/heard"]
    bad = selfmend(*words, *hooks, environment=server | SECRETS)
    out, errors = bad.communicate(timeout=120)
    assert bad.returncode == 1, errors
    _no_secret_is_told(server, tmp_path / "out", out + errors)
    assert "Failed: broken." in out
    (night,) = _latest(server)
    assert night["state_type"] == "FAILED"
    assert "broken" in night["state"]["message"]
    assert (len(told), "1 of 3 collections failed" in told[0]["subject"], "beta" in told[0]["body"]) == (1, True, True)
    kept = json.loads((tmp_path / "out" / "last_night.json").read_text())
    assert [(row["collection"], row["inputs"], row["tiles"]) for row in kept["rows"]] == [
        ("alpha", 1, 1), ("broken", 0, 0), ("beta", 2, 2),
    ]  # fmt: skip
    assert "| beta | 2 |" in (tmp_path / "out" / "last_night.md").read_text()
    runs = {"flow_runs": {"id": {"any_": [night["id"]]}}}
    assert {"night", "night-collections"} <= {each["key"] for each in asked(server, "artifacts/filter", runs)}
    logs = asked(server, "logs/filter", {"logs": {"flow_run_id": {"any_": [night["id"]]}}})
    assert any("did not reach 'custom-webhook/deaf'" in each["message"] for each in logs)
    assert not any("secret-address" in each["message"] for each in logs)


def _no_secret_is_told(server: dict[str, str], out: Path, said: str) -> None:
    """Of a night with secrets in its environment and a webhook that fails: nowhere in what it wrote or said."""
    kinds = {file.name if file.suffix != ".parquet" else "table" for file in out.rglob("*") if file.is_file()}
    assert kinds >= {"report.html", "zarr.json", "table", "last_run.json", "metrics.prom", "last_night.json"}
    assert told_below(out, "secret-address") == {}
    status = selfmend("status", out, environment=server | SECRETS)
    printed, errors = status.communicate(timeout=60)
    assert "alpha" in printed
    assert told_in(said + printed + errors, "secret-address") == []
    for what in ("logs", "artifacts", "flow_runs", "task_runs"):
        kept = json.dumps(asked(server, f"{what}/filter", {"limit": 200}))
        assert len(kept) > 1000
        assert told_in(kept, "secret-address") == []


def _latest(server: dict[str, str]) -> Any:
    wanted = {"flows": {"name": {"any_": ["nightly"]}}, "sort": "START_TIME_DESC", "limit": 1}
    return asked(server, "flow_runs/filter", wanted)
