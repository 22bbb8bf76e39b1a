"""Noise that is told is held against what the input shows: less of it there is a reason to doubt every tile."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tifffile
import yaml
from contracts.pipeline import restored
from numpy.typing import NDArray

from tasks.noise_seen import noise_shown
from tasks.plan import ChannelNoise, Speckle

SIDE = 96
ROWS, COLUMNS = np.arange(SIDE)[:, None], np.arange(SIDE)
SCENE = 60 + 30 * np.sin(ROWS / 9) * np.cos(COLUMNS / 7)


def measured(kind: str) -> NDArray[np.float32]:
    random = np.random.default_rng(2)
    made = {
        "gaussian": random.normal(SCENE, 6),
        "camera": 2 * random.poisson(SCENE) + 100 + random.normal(0, 3, SCENE.shape),
        "speckle": SCENE * random.gamma(4, 1 / 4, SCENE.shape),
    }
    return made[kind].astype(np.float32)


TOLD: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {  # right, and half as much again or more
    "gaussian": ({"sigma": 6}, {"sigma": 9}),
    "camera": ({"gain": 2, "offset": 100, "read_noise": 3}, {"gain": 4.5, "offset": 100, "read_noise": 4}),
    "speckle": ({"looks": 4}, {"looks": 1.8}),
}


@pytest.mark.parametrize("kind", TOLD)
@pytest.mark.parametrize("wrong", [False, True])
def test_more_noise_than_is_there_makes_every_tile_suspect(tmp_path: Path, kind: str, wrong: bool) -> None:
    tifffile.imwrite(tmp_path / "in.tif", measured(kind))
    facts = {"title": "x", "source": "in.tif", "noise": {"kind": kind, **TOLD[kind][wrong]}}
    (tmp_path / "catalog.yaml").write_text(yaml.safe_dump({"collections": {"cells": facts}}))
    restored(
        "cells", tmp_path / "out", catalog=tmp_path / "catalog.yaml", method="nlm", bad_tiles=1, tiling__tile=SIDE // 2
    )
    rows = pd.read_parquet(tmp_path / "out" / "cells" / "convergence")
    doubted = rows["verdict_reason"].str.contains("of the noise that was told")
    assert len(rows) == 4
    assert doubted.tolist() == [wrong] * 4
    assert set(rows["verdict"][doubted]) <= {"suspect"}
    assert rows["noise_shown"].between(*((0.5, 0.78) if wrong else (0.9, 1.15))).all()


def test_what_is_found_is_held_against_nothing(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "in.tif", measured("gaussian"))
    restored(str(tmp_path / "in.tif"), tmp_path / "out", method="nlm", bad_tiles=1, tiling__tile=SIDE)
    (out,) = (tmp_path / "out").iterdir()
    assert pd.read_parquet(out / "convergence")["noise_shown"].isna().all()


def test_nothing_is_said_of_few_pixels_little_light_or_no_noise() -> None:
    y = measured("gaussian")[None]
    seen = np.ones(y.shape, bool)
    few = seen & (ROWS < 20)
    assert noise_shown(y, few, ChannelNoise(0.0, 36.0)) is None
    assert noise_shown(y, seen, ChannelNoise(0.0, 0.0)) is None
    dark = np.random.default_rng(0).poisson(np.full(y.shape, 0.4)).astype(np.float32)
    assert noise_shown(dark, seen, ChannelNoise(1.0, 0.0)) is None
    assert noise_shown(y, seen, ChannelNoise(0.0, 36.0)) == pytest.approx(1, abs=0.1)


def test_texture_is_no_reason_for_doubt() -> None:
    texture = 60 + 40 * np.random.default_rng(1).random((1, SIDE, SIDE), np.float32)
    shown = noise_shown(texture, np.ones(texture.shape, bool), ChannelNoise(0.0, 1.0))
    assert shown is not None
    assert shown > 5


def test_one_input_with_fewer_photons_than_the_others_of_its_sensor(tmp_path: Path) -> None:
    for number in range(6):
        random = np.random.default_rng(number)
        gain = 0.3 if number == 3 else 1.0  # as if the file had been scaled down
        tifffile.imwrite(tmp_path / f"{number}.tif", (gain * random.poisson(SCENE)).astype(np.float32))
    facts = {"title": "x", "source": "*.tif", "noise": "pooled"}
    (tmp_path / "catalog.yaml").write_text(yaml.safe_dump({"collections": {"cells": facts}}))
    restored("cells", tmp_path / "out", catalog=tmp_path / "catalog.yaml", method="nlm", bad_tiles=1)
    rows = pd.read_parquet(tmp_path / "out" / "cells" / "convergence").sort_values("input")
    doubted = rows["verdict_reason"].str.contains("of the noise that was told")
    assert doubted.tolist() == [False] * 3 + [True] + [False] * 2
    assert rows["verdict"].iloc[3] == "suspect"


def test_the_looks_that_are_told_too_few() -> None:
    y = measured("speckle")[None]
    seen = np.ones(y.shape, bool)
    assert noise_shown(y, seen, ChannelNoise(0.0, 0.0, (0.0, 0.0), Speckle(1.0, 1e-3))) == pytest.approx(0.5, abs=0.06)
