"""What an adaptation came to is kept small, and taken again by whoever adapts alike."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
from contracts.pipeline import pixels, restored

import tasks.lot_starts
from tasks.adapted import adaptations
from tasks.registry.artifact import make_start, save_start
from tasks.registry.loading import load_start
from tasks.starts import Start
from tasks.stores.place import Place

CLEAN = 60 + 40 * np.sin(np.arange(128)[:, None] / 7) * np.cos(np.arange(128) / 9)
CHOSEN = {"ladder": [{"name": "noise_tuning", "steps": 20, "rate": 0.1}], "control": "dct"}


@pytest.fixture
def source(tmp_path: Path) -> str:
    noisy = CLEAN + np.random.default_rng(5).normal(0, 12, CLEAN.shape)
    tifffile.imwrite(tmp_path / "in.tif", noisy.astype(np.float32))
    return str(tmp_path / "in.tif")


def misled(folder: Path) -> str:
    """The start that ships, told a third of the noise: its factor alone mends it."""
    good = load_start("grey")
    weights = {**good.weights, "level": good.weights["level"] - 1.1}
    return save_start(make_start(good.card, weights), Place(str(folder)), "misled")


def collection(out: Path) -> Path:
    (found,) = [each for each in out.iterdir() if each.is_dir()]
    return found


def test_a_later_run_takes_the_adaptation_of_an_earlier_one(
    tmp_path: Path, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    start, out = misled(tmp_path), tmp_path / "out"
    restored(source, out, method="pretrained", start=start, **CHOSEN)
    first = pixels(collection(out), "in")
    (kept,) = adaptations(Place(str(collection(out))) / "adapted", load_start(start).card.id)
    assert list(kept.weights) == ["level"]
    assert kept.told["rung"] == "noise_tuning"
    assert kept.told["input"] == "in"

    def never(*_: object) -> Start:
        raise AssertionError("adapted again")

    monkeypatch.setattr(tasks.lot_starts, "input_start", never)
    restored(source, out, method="pretrained", start=start, overwrite=True, output__dtype="float32", **CHOSEN)
    np.testing.assert_array_equal(pixels(collection(out), "in"), first)
    with pytest.raises(AssertionError, match="adapted again"):
        restored(source, out, method="pretrained", start=start, overwrite=True, seed=3, **CHOSEN)


def test_a_broken_file_is_written_anew(tmp_path: Path, source: str) -> None:
    start, out = misled(tmp_path), tmp_path / "out"
    restored(source, out, method="pretrained", start=start, **CHOSEN)
    (file,) = (collection(out) / "adapted").iterdir()
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    assert not list(adaptations(Place(str(file.parent)), load_start(start).card.id))
    restored(source, out, method="pretrained", start=start, overwrite=True, output__dtype="float32", **CHOSEN)
    (kept,) = adaptations(Place(str(file.parent)), load_start(start).card.id)
    assert kept.told["rung"] == "noise_tuning"


def test_a_start_that_is_left_as_it_is_leaves_nothing(tmp_path: Path, source: str) -> None:
    restored(source, tmp_path / "out", method="pretrained", **CHOSEN)
    assert not (collection(tmp_path / "out") / "adapted").exists()
