"""The command line: answers, sentences and codes. What runs a flow is in test_restore.py."""

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tifffile
from contracts.trees import digests

from flows import cli


@pytest.fixture
def image(tmp_path: Path) -> Path:
    tifffile.imwrite(tmp_path / "in.tif", np.random.default_rng(0).integers(0, 200, (60, 70)).astype(np.uint8))
    return tmp_path / "in.tif"


def call(monkeypatch: pytest.MonkeyPatch, *words: object) -> int:
    monkeypatch.setattr(sys, "argv", ["selfmend", *map(str, words)])
    return cli._guarded(cli.app)


def test_catalog_lists_and_checks(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(monkeypatch, "catalog") == cli.DONE
    assert "cells_demo" in capsys.readouterr().out
    assert call(monkeypatch, "catalog", "check", "cells_demo") == cli.DONE
    assert "y=320 x=320 uint16" in capsys.readouterr().out


def test_a_server_that_does_not_answer_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    def unreached() -> None:
        raise RuntimeError("Failed to reach API at http://127.0.0.1:9/api")

    assert cli._guarded(unreached) == cli.WRONG_REQUEST
    assert "http://127.0.0.1:9/api. Start that Prefect server, or unset PREFECT_API_URL" in capsys.readouterr().err


def test_methods_are_listed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(monkeypatch, "methods") == cli.DONE
    assert "zs_n2n" in capsys.readouterr().out


def test_plan_says_what_would_be_done_and_writes_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], image: Path
) -> None:
    code = call(
        monkeypatch, "plan", image, "--out", image.parent / "out", "--set", "method.steps=5", "--set", "tiling.tile=32"
    )
    told = " ".join(capsys.readouterr().out.split())
    assert code == cli.DONE
    assert "6 in 1 lots" in told
    assert "60×70" in told
    assert not (image.parent / "out").exists()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["restore", "cels_demo"], "Did you mean 'cells_demo'?"),
        (["restore", "no/such/*.tif"], "no/such"),
        (["restore", "IMAGE", "--recipe", "nlmm"], "Did you mean 'nlm'?"),
        (["restore", "IMAGE", "--set", "method.step=3"], "Did you mean 'steps'?"),
        (["restore", "IMAGE", "--set", "nonsense"], "key=value"),
        (["restore", "IMAGE", "--set", "method.crop=["], "--set method.crop=[ is not YAML"),
        (["restore", "IMAGE", "--recipe", "IMAGE"], "is not YAML"),
        (["restore", "IMAGE", "--method", "dip2"], "unknown method 'dip2'"),
        (["restore", "IMAGE", "--cluster", "moon"], "--cluster moon is not known"),
        (["restore", "IMAGE", "--cluster", "moon"], "neither a file nor one of local, none, "),
        (["restore", "IMAGE", "--cluster", "IMAGE"], "is not YAML"),
        (["nightly", "--cluster", "moon"], "neither a file nor one of local, none, "),
        (["compare", "IMAGE", "--cluster", "moon"], "neither a file nor one of local, none, "),
        (["restore", "IMAGE", "--limit", "0"], "--limit 0"),
        (["restore", "IMAGE", "--out", "/proc/nothing"], "/proc/nothing"),
        (["restore", "IMAGE", "--catalog", "absent.yaml"], "absent.yaml"),
        (["plan", "IMAGE", "--set", "tiling.tile=8", "--set", "scope=tile"], "tiling.tile"),
        (["status", "absent"], "absent"),
        (["report", "absent"], "absent"),
        (["verify", "absent"], "absent"),
    ],
)
def test_a_wrong_request_is_one_sentence_and_touches_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], image: Path, words: list[str], sentence: str
) -> None:
    monkeypatch.chdir(image.parent)
    monkeypatch.setitem(sys.modules, "flows.restore", None)  # nobody waits for Prefect to be refused
    monkeypatch.setitem(sys.modules, "flows.nightly", None)
    monkeypatch.setitem(sys.modules, "flows.compare", None)
    before = digests(image.parent)
    assert call(monkeypatch, *[str(image) if word == "IMAGE" else word for word in words]) == cli.WRONG_REQUEST
    told = " ".join(capsys.readouterr().err.split())
    assert sentence in told
    assert "Traceback" not in told
    assert digests(image.parent) == before
    assert [each.name for each in image.parent.iterdir()] == ["in.tif"]


def test_what_the_system_says_is_a_sentence_with_the_way_on(capsys: pytest.CaptureFixture[str]) -> None:
    def refused() -> None:
        raise PermissionError(13, "Permission denied", "/archive/in.tif")

    assert cli._guarded(refused) == cli.BAD
    told = capsys.readouterr().err
    assert "'/archive/in.tif': Permission denied. After that is put right, the same command goes on" in told


@pytest.mark.parametrize("words", [["--help"], ["catalog"], ["restore", "--help"]])
def test_light_commands_import_neither_prefect_nor_torch(words: list[str]) -> None:
    code = (
        f"import sys; sys.argv = ['selfmend', *{words!r}]\nfrom flows import cli\n"
        "code = cli._guarded(cli.app)\n"
        "heavy = {'prefect', 'torch', 'distributed', 'xarray', 'zarr', 'skimage'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy or code else 0)"
    )
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert time.monotonic() - began < 20  # a second or so on a quiet machine
