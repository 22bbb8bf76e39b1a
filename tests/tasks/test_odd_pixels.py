"""Pixels that no fit likes: NaN, inf, nodata, constants, one pixel. They come out as they went in."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tifffile
from contracts.pipeline import pixels, restored
from numpy.typing import NDArray

QUICK = {"method__steps": 4, "tiling__tile": 32, "tiling__shard": 64, "bad_tiles": 1.0}
METHODS: list[dict[str, Any]] = [
    {"method": "zs_n2n", "scope": "input", **QUICK},
    {"method": "zs_n2n", "scope": "tile", **QUICK},
    {"method": "nlm", "tiling__tile": 32, "tiling__shard": 64},
]


def run(
    image: NDArray[Any], folder: Path, chosen: dict[str, Any], **metadata: Any
) -> tuple[NDArray[Any], pd.DataFrame]:
    tifffile.imwrite(folder / "in.tif", image, photometric="minisblack", **metadata)
    restored(str(folder / "in.tif"), folder / "out", **chosen)
    (collection,) = [each for each in (folder / "out").iterdir() if each.is_dir()]
    return pixels(collection, "in"), pd.read_parquet(collection / "convergence")


def noisy(*shape: int) -> NDArray[np.float32]:
    random = np.random.default_rng(0)
    return (100 + random.normal(0, 5, shape)).astype(np.float32)


@pytest.mark.parametrize("chosen", METHODS, ids=["input", "tile", "nlm"])
def test_nan_and_inf_stay_what_they_are(tmp_path: Path, chosen: dict[str, Any]) -> None:
    image = noisy(70, 90)
    image[5:40, 3:37] = np.nan
    image[50, 60], image[51, 61] = np.inf, -np.inf
    back, rows = run(image, tmp_path, {**chosen, **({"method__steps": 80} if "method__steps" in chosen else {})})
    odd = ~np.isfinite(image)
    np.testing.assert_array_equal(back[odd], image[odd])
    assert np.isfinite(back[~odd]).all()
    assert back[~odd].std() < image[~odd].std()
    assert rows["valid"].min() < 0.3


@pytest.mark.parametrize("chosen", METHODS, ids=["input", "tile", "nlm"])
@pytest.mark.parametrize("value", [np.nan, 0.0, 7.0])
def test_nothing_to_restore_is_copied(tmp_path: Path, chosen: dict[str, Any], value: float) -> None:
    image = np.full((40, 50), value, np.float32)
    back, rows = run(image, tmp_path, chosen)
    np.testing.assert_allclose(back, image, rtol=1e-6)
    assert set(rows["verdict"]) == {"empty"}


@pytest.mark.parametrize("chosen", METHODS, ids=["input", "tile", "nlm"])
@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (17, 3), (2, 2)])
def test_tiny_images(tmp_path: Path, chosen: dict[str, Any], shape: tuple[int, int]) -> None:
    image = np.random.default_rng(3).integers(90, 110, shape).astype(np.uint16)
    back, rows = run(image, tmp_path, chosen)
    assert back.shape == shape
    assert back.dtype == np.uint16
    assert abs(float(back.mean()) - float(image.mean())) < 10
    assert len(rows) == 1


def test_nodata_takes_no_part_and_is_copied(tmp_path: Path) -> None:
    image = noisy(64, 96).round().astype(np.int16)
    image[:, :30] = -999
    back, rows = run(image, tmp_path, METHODS[1], extratags=[(42113, "s", 0, "-999", True)])
    np.testing.assert_array_equal(back.squeeze()[:, :30], -999)
    assert 90 < back.squeeze()[:, 30:].mean() < 110
    assert "empty" not in set(rows.loc[rows["valid"] > 0, "verdict"])


def test_a_hot_pixel_does_not_set_the_scale(tmp_path: Path) -> None:
    image = np.clip(noisy(96, 96), 0, None).astype(np.uint16)
    image[40, 40] = 60000
    back, _ = run(image, tmp_path, METHODS[2])
    far = np.ones(image.shape, bool)
    far[30:50, 30:50] = False
    assert back[far].std() < 0.7 * image[far].std()
    assert abs(float(back[far].mean()) - float(image[far].mean())) < 1
