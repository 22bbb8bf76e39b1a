"""`selfmend compare` as a user runs it, against a real Prefect server."""

import json
import urllib.request
from pathlib import Path

import pandas as pd
import pytest
from contracts.commands import selfmend


def asked(server: dict[str, str], path: str, body: dict[str, object]) -> list[dict[str, object]]:
    """What the server answers."""
    data = json.dumps(body).encode()
    request = urllib.request.Request(f"{server['PREFECT_API_URL']}/{path}", data, {"Content-Type": "application/json"})
    return json.loads(urllib.request.urlopen(request, timeout=20).read())  # type: ignore[no-any-return]


@pytest.mark.flow
def test_a_comparison_is_ranked_and_seen_in_prefect(server: dict[str, str], tmp_path: Path) -> None:
    suite = tmp_path / "mine.yaml"
    suite.write_text("- nlm\n- {name: quick, method: {name: zs_n2n, steps: 10}}\n")
    words = ["--suite", suite, "--tiles", 2, "--limit", 1, "--set", "tiling.tile=64", "--cluster", "none"]
    run = selfmend("compare", "cells_demo", *words, "--out", tmp_path / "out", environment=server)
    told, errors = run.communicate(timeout=300)
    assert run.returncode == 0, errors
    assert "Best on cells_demo: nlm" in told or "Best on cells_demo: quick with control" in told
    folder = tmp_path / "out" / "compare" / "cells_demo"
    assert {file.name for file in folder.iterdir()} >= {
        "trials.parquet", "trials.csv", "ranking.csv", "quality_and_time.png", "sheet.png", "compare.html",
    }  # fmt: skip
    table = pd.read_parquet(folder / "trials.parquet")
    assert sorted(zip(table["recipe"], table["part"], strict=True)) == sorted(
        [("nlm", "alone"), ("quick", "alone"), ("quick", "mixed")] * 2
    )
    flows = asked(server, "flow_runs/filter", {"sort": "START_TIME_DESC", "limit": 1})
    assert flows[0]["state_type"] == "COMPLETED"
    id = {"flow_runs": {"id": {"any_": [flows[0]["id"]]}}}
    names = {str(each["name"]) for each in asked(server, "task_runs/filter", id)}
    assert {"look at cells_demo", "nlm on cell", "quick on cell"} <= names
    assert {each["type"] for each in asked(server, "artifacts/filter", id)} >= {"progress", "markdown"}


def test_a_wrong_comparison_is_one_sentence(tmp_path: Path) -> None:
    run = selfmend("compare", "cells_demo", "--degrade", "fog:2", "--out", tmp_path / "out")
    _, errors = run.communicate(timeout=120)
    assert run.returncode == 2
    assert "--degrade fog:2" in " ".join(errors.split())
    assert "Traceback" not in errors
    assert not (tmp_path / "out").exists()
