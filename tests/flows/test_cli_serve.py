"""`selfmend serve` and `selfmend doctor`: what is told before anything starts."""

import socket
import sys
from pathlib import Path

import pytest

from flows import cli


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> int:
    """A free port, at which PREFECT_API_URL expects the server to come."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        free: int = probe.getsockname()[1]
    monkeypatch.setenv("PREFECT_API_URL", f"http://127.0.0.1:{free}/api")
    return free


def call(monkeypatch: pytest.MonkeyPatch, *words: object) -> int:
    monkeypatch.setattr(sys, "argv", ["selfmend", *map(str, words)])
    return cli._guarded(cli.app)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--cron", "every night"], "--cron 'every night' is no schedule"),
        (["--timezone", "Mars/Olympus"], "there is no such time zone"),
        (["--collection", "cels_demo"], "Did you mean 'cells_demo'?"),
        (["--recipe", "nlmm"], "Did you mean 'nlm'?"),
        (["--cluster", "slurmm"], "neither a file nor one of local, none, "),
        (["--cluster", "slurmm"], "Did you mean 'slurm"),
        (["--cluster", "WRONG"], "there is no kind 'moon'; known: "),
        (["--file", "absent.yaml"], "'absent.yaml' cannot be read"),
        (["--host", "192.0.2.1"], "Nothing can listen at 192.0.2.1:"),
    ],
)
def test_a_service_that_cannot_be_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    port: int,
    words: list[str],
    sentence: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "WRONG").write_text("kind: moon")
    if "--host" in words:
        monkeypatch.setenv("PREFECT_API_URL", f"http://192.0.2.1:{port}/api")
    assert call(monkeypatch, "serve", "--port", port, *words) == cli.WRONG_REQUEST
    assert sentence in " ".join(capsys.readouterr().err.split())
    assert [each.name for each in tmp_path.iterdir()] == ["WRONG"]


def test_a_port_that_is_taken_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], port: int
) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))
        other.listen()
        assert call(monkeypatch, "serve", "--port", port) == cli.WRONG_REQUEST
    assert f"Nothing can listen at 127.0.0.1:{port}" in capsys.readouterr().err


def test_a_named_server_that_does_not_answer_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], port: int
) -> None:
    assert call(monkeypatch, "serve", "--port", port + 1) == cli.WRONG_REQUEST
    assert f"No Prefect server answers at http://127.0.0.1:{port}/api" in capsys.readouterr().err


def test_doctor_ends_well_or_with_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: object
) -> None:
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    assert call(monkeypatch, "doctor", "--out", tmp_path) == cli.DONE
    assert "can be written" in capsys.readouterr().out
    assert call(monkeypatch, "doctor", "--out", "/proc/nothing") == cli.BAD


def test_doctor_tells_of_all_else_where_a_library_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: object
) -> None:
    monkeypatch.setitem(sys.modules, "psutil", None)
    monkeypatch.delitem(sys.modules, "tasks.doctor.devices", raising=False)
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    assert call(monkeypatch, "doctor", "--out", tmp_path) == cli.BAD
    told = capsys.readouterr().out
    assert "cannot be checked" in told
    assert "can be written" in told
