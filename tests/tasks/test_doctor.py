"""`selfmend doctor`: what is well, what is told, and that a wrong version is found."""

import time
from importlib import metadata
from pathlib import Path

import pytest

from tasks.doctor import storage
from tasks.doctor.devices import device_findings
from tasks.doctor.settings import settings_findings
from tasks.doctor.storage import storage_findings
from tasks.doctor.versions import version_findings
from tasks.stores.place import Place

QUIET = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
}


def test_what_the_tests_run_with_is_as_required() -> None:
    assert [each for each in version_findings() if each.level != "ok"] == []


@pytest.mark.parametrize(
    ("library", "version", "told"),
    [
        ("sqlalchemy", "2.1.9", "no night would ever begin"),
        ("fastapi", "0.165.0", "server does not start"),
        ("pydantic", "2.14.0", "pip install 'pydantic"),
        ("zarr", "2.18.0", "pip install 'zarr"),
    ],
)
def test_a_wrong_version_is_in_the_way(monkeypatch: pytest.MonkeyPatch, library: str, version: str, told: str) -> None:
    true = metadata.version
    monkeypatch.setattr(metadata, "version", lambda name: version if name == library else true(name))
    (wrong,) = (each for each in version_findings() if each.level == "fail")
    assert (wrong.what, wrong.found) == (library, version)
    assert told in wrong.advice


def test_what_is_not_installed_is_told() -> None:
    (finding,) = version_findings("selfmend-of-tomorrow")
    assert finding.level == "warn"


def test_devices_are_counted() -> None:
    assert [each.what for each in device_findings()] == ["cores", "memory", "GPU"]
    assert all(each.found for each in device_findings())


def test_storage_leaves_nothing_behind(tmp_path: Path) -> None:
    findings = storage_findings(str(tmp_path / "not" / "yet"))
    assert {each.what for each in findings} == {"output", "room", "file times"}
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_written_is_in_the_way() -> None:
    (finding,) = storage_findings("/proc/nothing")
    assert finding.level == "fail"
    assert "'/proc/nothing' cannot be written" in finding.advice


def test_a_file_where_the_folder_should_be_is_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "out").write_bytes(b"")
    (finding,) = storage_findings(str(tmp_path / "out" / "cells"))
    assert (finding.level, finding.what) == ("fail", "output")


def test_an_object_store_is_asked_whether_two_runs_can_be_kept_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    findings = {each.what: each for each in storage_findings("memory://doctor/out")}
    assert findings["conditional writes"].level == "ok"
    assert Place("memory://doctor").names() == []

    def careless(place: Place, name: str, data: bytes) -> bool:
        place.write(name, data)
        return True

    monkeypatch.setattr(Place, "write_new", careless)
    findings = {each.what: each for each in storage_findings("memory://doctor/out")}
    assert findings["conditional writes"].level == "warn"
    assert "one schedule per collection" in findings["conditional writes"].advice
    assert Place("memory://doctor").names() == []


@pytest.mark.parametrize(("free", "level"), [(2**40, "ok"), (5 * 2**30, "warn"), (2**20, "fail")])
def test_room_is_judged(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, free: int, level: str) -> None:
    monkeypatch.setattr(Place, "free_bytes", lambda place: free)
    assert [each.level for each in storage_findings(str(tmp_path)) if each.what == "room"] == [level]


def test_a_clock_that_differs_from_the_disk_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    true = time.time
    monkeypatch.setattr(storage.time, "time", lambda: true() - 30)
    (finding,) = (each for each in storage_findings(str(tmp_path)) if each.what == "file times")
    assert finding.level == "warn"
    assert finding.found.startswith("+30.")


@pytest.mark.parametrize(
    ("changed", "wrong"),
    [
        ({}, []),
        ({"DO_NOT_TRACK": "0"}, ["telemetry"]),
        ({"PREFECT_SERVER_ANALYTICS_ENABLED": "True"}, ["telemetry"]),
        ({"PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "120"}, ["heartbeats"]),
    ],
)
def test_settings_are_judged(changed: dict[str, str], wrong: list[str]) -> None:
    assert [each.what for each in settings_findings(QUIET | changed) if each.level != "ok"] == wrong
