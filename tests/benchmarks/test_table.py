"""Tables of benchmarks say where they come from, and never on whose computer."""

import platform
import re
from pathlib import Path

import pytest

from benchmarks import table


def test_a_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(table, "RESULTS", tmp_path / "results")
    table.write_table("some", "A title", [("What it shows.", ("a", "b"), [("x", 1.234), ("y", 2)])])
    text = (tmp_path / "results" / "some.md").read_text()
    assert text == capsys.readouterr().out
    assert text.startswith("# A title\n")
    assert "| a | b |\n| --- | --- |\n| x | 1.23 |\n| y | 2 |" in text


def test_a_quick_look_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "RESULTS", tmp_path / "results")
    table.write_table("", "A title", [])
    assert not (tmp_path / "results").exists()


def test_provenance() -> None:
    line = table.provenance()
    assert re.match(r"\d{4}-\d\d-\d\d, commit \w+", line)
    assert "cores" in line
    assert platform.node() not in line
