"""Whoever asks a server that does not answer waits a minute for it; a run must not."""

import logging
import threading
from typing import Any

import httpx
import pytest

from flows import aside
from flows.failures import BAD, guarded


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What reached the server."""
    heard: list[float] = []
    monkeypatch.setattr(aside, "create_progress_artifact", lambda **_: "an artifact")
    monkeypatch.setattr(aside, "update_progress_artifact", lambda _, progress, **__: heard.append(progress))
    monkeypatch.setattr(aside, "get_run_logger", lambda: logging.getLogger("aside"))
    return heard


def refused(*_: Any, **__: Any) -> None:
    raise httpx.ConnectError("All connection attempts failed")


def test_what_is_said_last_is_heard(said: list[float]) -> None:
    bar = aside.ProgressBar("progress-liver", 0.0, "none")
    bar.tell(100.0, "all", last=True)
    assert said == [100.0]


def test_a_server_that_does_not_answer_keeps_nobody_waiting(said: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    answered = threading.Event()
    heard = aside.update_progress_artifact
    monkeypatch.setattr(aside, "update_progress_artifact", lambda *a, **k: answered.wait(60) and heard(*a, **k))
    monkeypatch.setattr(aside, "LAST_WORD", 0.01)
    bar = aside.ProgressBar("progress-liver", 0.0, "none")
    for share in (1.0, 2.0, 3.0):
        bar.tell(share, "some", last=share == 3.0)
    assert said == []
    answered.set()
    monkeypatch.setattr(aside, "LAST_WORD", 60)
    bar.tell(4.0, "more", last=True)
    assert said == [1.0, 4.0]


def test_a_server_that_is_gone_ends_no_run(
    said: list[float], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    bar = aside.ProgressBar("progress-liver", 0.0, "none")
    monkeypatch.setattr(aside, "update_progress_artifact", refused)
    bar.tell(1.0, "some", last=True)
    assert "cannot be updated: ConnectError" in caplog.text
    monkeypatch.setattr(aside, "create_progress_artifact", refused)
    never_made = aside.ProgressBar("progress-liver", 0.0, "none")
    never_made.tell(1.0, "some", last=True)
    assert said == []


def test_the_command_says_that_its_server_is_gone(capsys: pytest.CaptureFixture[str]) -> None:
    left: list[int] = []
    assert guarded(refused, left.append) == BAD
    assert left == [BAD]  # at once
    told = " ".join(capsys.readouterr().err.split())
    assert "The Prefect server does not answer any more (All connection attempts failed)." in told
    assert "What is done is done" in told
