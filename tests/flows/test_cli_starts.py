"""`selfmend starts` and `selfmend learn` as a user runs them."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from contracts.commands import selfmend
from contracts.starts import card, weights

from flows import cli
from tasks.registry.artifact import make_start, save_start
from tasks.registry.card import Evidence, Shown
from tasks.registry.loading import FOLDER, find_start, known_starts, registry_place


@pytest.fixture(autouse=True)
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(FOLDER, str(tmp_path / "starts"))
    return tmp_path / "starts"


def call(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["selfmend", "starts", *words])
    return cli._guarded(cli.app)


def learned(gain: float, name: str = "cells") -> str:
    """A candidate that is so many dB better than its referee on each of five images; its id."""
    rows = tuple(Shown(f"image {i}", 25.0, 9.0, 10 ** (gain / 10), 1.0) for i in range(5))
    start = make_start(card(name=name, evidence=Evidence("nlm", rows)), weights())
    save_start(start, registry_place())
    return start.card.id


def test_a_start_is_listed_shown_promoted_and_quarantined(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    id_ = learned(0.7)
    assert call(monkeypatch, "list") == cli.DONE
    assert f"cells {id_} candidate: SharedDenoiser lite, made 2026-01-02" in capsys.readouterr().out
    assert call(monkeypatch, "promote", "cells") == cli.DONE
    assert f"cells {id_} is active: gate: benefit: +0.70 dB against nlm" in capsys.readouterr().out
    assert find_start("cells").id == id_
    assert call(monkeypatch, "quarantine", "cells", "--why", "falls back on plate 3") == cli.DONE
    assert call(monkeypatch, "show", id_) == cli.DONE
    told = capsys.readouterr().out
    assert f"cells {id_} quarantined" in told
    assert "PSNR in dB at noise 25 after 10 steps: 20.00" in told
    assert "gate passed: benefit: +0.70 dB against nlm" in told
    assert "falls back on plate 3" in told


def test_the_gate_refuses_and_a_reason_forces_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    id_ = learned(-0.3)
    assert call(monkeypatch, "promote", id_) == cli.WRONG_REQUEST
    told = " ".join(capsys.readouterr().err.split())
    assert f"The start {id_} is not promoted: benefit: -0.30 dB against nlm in the median of 5 images" in told
    assert find_start(id_).state == "candidate"
    assert call(monkeypatch, "promote", id_, "--force", "the only one for this camera") == cli.DONE
    assert "forced: the only one for this camera (gate: benefit: -0.30 dB" in capsys.readouterr().out
    assert find_start(id_).state == "active"


def test_what_cannot_be_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], registry: Path
) -> None:
    id_ = learned(1.0)
    assert call(monkeypatch, "retire", id_, "--why", "old") == cli.DONE
    assert call(monkeypatch, "promote", id_) == cli.WRONG_REQUEST
    assert "is retired and cannot become active" in " ".join(capsys.readouterr().err.split())
    assert call(monkeypatch, "show", "cels") == cli.WRONG_REQUEST
    assert "Did you mean 'cells'?" in " ".join(capsys.readouterr().err.split())
    (registry / f"{id_}.safetensors").write_bytes(b"broken")
    assert call(monkeypatch, "promote", id_) == cli.WRONG_REQUEST
    assert "was changed or is broken" in " ".join(capsys.readouterr().err.split())


def test_listing_imports_neither_prefect_nor_torch() -> None:
    learned(1.0)
    code = (
        "import sys; sys.argv = ['selfmend', 'starts', 'list']\nfrom flows import cli\n"
        "code = cli._guarded(cli.app)\n"
        "heavy = {'prefect', 'torch', 'distributed', 'xarray', 'zarr', 'skimage'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy or code else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "candidate" in done.stdout


@pytest.mark.flow
def test_a_start_is_learned_from_noisy_inputs(server: dict[str, str], tmp_path: Path, registry: Path) -> None:
    random = np.random.default_rng(0)
    for i in range(2):
        waves = 1000 + 300 * np.sin(np.add.outer(np.arange(128) / (5 + i), np.arange(128) / 9))
        tifffile.imwrite(tmp_path / f"in{i}.tif", (waves + 60 * random.standard_normal((128, 128))).astype(np.float32))
    words = [str(tmp_path / "in*.tif"), "--name", "waves", "--steps", 20, "--size", "lite"]
    run = selfmend("learn", *words, environment={**server, FOLDER: str(registry)})
    told, errors = run.communicate(timeout=300)
    assert run.returncode == 0, errors
    assert "Learned 'waves'" in told
    assert "Traceback" not in errors
    known = [each for each in known_starts() if each.name == "waves"]
    assert [each.state for each in known] == ["candidate"]
    assert known[0].id in told


def test_a_wrong_lesson_is_one_sentence(registry: Path) -> None:
    run = selfmend("learn", "cells_dmo", "--name", "cells")
    _, errors = run.communicate(timeout=120)
    assert run.returncode == 2
    assert "Did you mean 'cells_demo'?" in " ".join(errors.split())
    assert "Traceback" not in errors
    assert not registry.exists()
