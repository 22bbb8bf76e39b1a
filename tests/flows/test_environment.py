"""What is made ready before Prefect is imported."""

import os
from pathlib import Path

import pytest

from flows.environment import SETTINGS, settle
from tasks.errors import RequestError


@pytest.fixture(autouse=True)
def untouched(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is set here is gone after the test."""
    monkeypatch.setattr(os, "environ", dict(os.environ))


def test_the_settings_of_a_user_win(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DO_NOT_TRACK", "0")
    monkeypatch.delenv("PREFECT_FLOWS_HEARTBEAT_FREQUENCY", raising=False)
    settle()
    assert os.environ["DO_NOT_TRACK"] == "0"
    assert os.environ["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"] == SETTINGS["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"]


def test_the_folder_that_prefect_is_told_is_made(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Its server would wait for minutes for a database that it cannot open."""
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "var" / "prefect"))
    settle()
    assert (tmp_path / "var" / "prefect").is_dir()


def test_a_folder_that_cannot_be_made_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "file" / "prefect"))
    with pytest.raises(RequestError, match=r"PREFECT_HOME is .* cannot be made \(Not a directory\)"):
        settle()
