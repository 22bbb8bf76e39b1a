"""Speckle from the catalogue to the published image."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tifffile
import yaml
import zarr
from contracts.pipeline import pixels, restored
from numpy.typing import NDArray

from tasks.catalog.facts import Facts
from tasks.readers import open_input
from tasks.survey import survey_input

SIDE = 160
CLEAN = 50 * np.exp(1.2 * np.sin(np.arange(SIDE)[:, None] / 17) * np.cos(np.arange(SIDE) / 23))


def measured(looks: float) -> NDArray[np.float32]:
    return (CLEAN * np.random.default_rng(3).gamma(looks, 1 / looks, CLEAN.shape)).astype(np.float32)


def result(folder: Path, y: NDArray[Any], noise: Any, **chosen: Any) -> tuple[NDArray[Any], pd.DataFrame, dict]:
    """Pixels, rows of the convergence table, and what the store says of the noise."""
    tifffile.imwrite(folder / "scene.tif", y)
    tifffile.imwrite(folder / "clean.tif", CLEAN.astype(np.float32))
    facts = {
        "title": "speckled",
        "source": str(folder / "scene.tif"),
        "noise": noise,
        "nodata": -1,
        "reference": {"source": str(folder / "clean.tif")},
    }
    (folder / "catalog.yaml").write_text(yaml.safe_dump({"collections": {"sar": facts}}))
    restored("sar", folder / "out", catalog=folder / "catalog.yaml", bad_tiles=1.0, **chosen)
    attributes = dict(zarr.open_group(folder / "out" / "sar" / "scene.zarr", mode="r").attrs)
    rows = pd.read_parquet(folder / "out" / "sar" / "convergence")
    return pixels(folder / "out" / "sar", "scene"), rows, attributes


@pytest.mark.parametrize("looks", [1, 4])
def test_a_scene_keeps_its_level_and_loses_its_speckle(tmp_path: Path, looks: int) -> None:
    y = measured(looks)
    y[0, :5] = 0  # measured, and without a logarithm
    y[40:50, 60:80] = -1
    x, rows, attributes = result(tmp_path, y, {"kind": "speckle", "looks": looks}, method="nlm", tiling__tile=80)
    seen = y != -1
    assert np.array_equal(x[~seen], y[~seen])
    assert float(x[seen].mean()) == pytest.approx(float(y[seen].mean()), rel=0.01)
    assert float(((x / CLEAN - 1)[seen] ** 2).mean()) < 0.1 / looks
    assert (
        np.abs(x[:5, :5] / CLEAN[:5, :5] - 1).max() < 2.2
    )  # a bright pixel beside lost ones, 3.14 times as bright, may stay
    told = attributes["selfmend"]["noise"][0]
    assert told["speckle"]["looks"] == looks
    assert 0 < told["speckle"]["floor"] < np.quantile(y[y > 0], 1e-3)
    assert attributes["selfmend"]["stabilised"]
    sigma = np.array([(y[r : r + 80, c : c + 80]).mean() for r in (0, 80) for c in (0, 80)]) / looks**0.5
    assert rows["noise_sigma"].to_numpy() == pytest.approx(sigma, rel=0.2)
    assert rows["residual_ratio"].to_numpy() == pytest.approx(1, abs=0.15)
    assert (rows["psnr"] > rows["psnr_noisy"] + 8).all()


def test_it_is_nearer_than_without_the_logarithm(tmp_path: Path) -> None:
    """Stripes that are as deep in the dark as in the bright: one level of noise for both smooths them away here."""
    stripes = 1 + 0.6 * np.sin(np.arange(SIDE) * 0.6)
    y = (measured(4) * stripes).astype(np.float32)
    error = {}
    for stabilise in ("auto", "never"):
        (tmp_path / stabilise).mkdir()
        chosen = {"method": "nlm", "stabilise": stabilise}
        x, _, _ = result(tmp_path / stabilise, y, {"kind": "speckle", "looks": 4}, **chosen)
        error[stabilise] = float(((x / CLEAN / stripes - 1) ** 2).mean())
    assert error["auto"] < 0.7 * error["never"]


def test_identity_is_bit_exact(tmp_path: Path) -> None:
    y = measured(1)
    x, _, _ = result(tmp_path, y, {"kind": "speckle"}, method="identity")
    np.testing.assert_array_equal(x, y)


def test_a_fitted_method(tmp_path: Path) -> None:
    chosen = {"method": "zs_n2n", "method__steps": 150, "scope": "tile"}
    x, rows, _ = result(tmp_path, measured(4), {"kind": "speckle", "looks": 4}, **chosen)
    assert float(x.mean()) == pytest.approx(float(measured(4).mean()), rel=0.01)
    assert (rows["psnr"] > rows["psnr_noisy"] + 5).all()


@pytest.mark.parametrize(("looks", "most"), [(1, 0.12), (4, 0.12)])
def test_looks_are_estimated_on_demand(tmp_path: Path, looks: int, most: float) -> None:
    tifffile.imwrite(tmp_path / "scene.tif", measured(looks))
    facts = Facts(title="x", source=str(tmp_path / "scene.tif"), noise={"kind": "speckle"})
    found = survey_input(open_input(str(tmp_path / "scene.tif"), facts), facts, seed=0)
    assert found.noise_source == "estimate"
    assert found.noise[0].speckle is not None
    assert found.noise[0].speckle.looks == pytest.approx(looks, rel=most)
    assert max(map(abs, found.noise[0].correlation)) < 0.1
    assert found.noise[0].variance_at(10.0) == pytest.approx(100 / looks, rel=most)


@pytest.mark.parametrize("y", [np.zeros((40, 40), np.float32), -np.ones((9, 3), np.float32)])
def test_nothing_positive(tmp_path: Path, y: NDArray[np.float32]) -> None:
    tifffile.imwrite(tmp_path / "scene.tif", y)
    facts = Facts(title="x", source=str(tmp_path / "scene.tif"), noise={"kind": "speckle"})
    found = survey_input(open_input(str(tmp_path / "scene.tif"), facts), facts, seed=0)
    assert found.noise[0].speckle is not None
    assert found.noise[0].speckle.floor > 0
