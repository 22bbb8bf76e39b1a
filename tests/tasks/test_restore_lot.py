"""The house's own contract: the identity method through the whole pipeline returns the input."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
from contracts.pipeline import pixels, restored

SMALL = {"tiling__tile": 40, "tiling__shard": 80, "output__chunk": 32}


def _only(out: Path) -> tuple[Path, str]:
    (collection,) = [folder for folder in out.iterdir() if folder.is_dir()]
    (store,) = collection.glob("*.zarr")
    return collection, store.stem


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32"])
@pytest.mark.parametrize(
    ("axes", "shape"), [("YX", (101, 77)), ("ZYX", (5, 61, 45)), ("CYX", (3, 50, 90)), ("TCYX", (2, 2, 41, 43))]
)
def test_identity_returns_the_input(tmp_path: Path, dtype: str, axes: str, shape: tuple[int, ...]) -> None:
    random = np.random.default_rng(1)
    limits = (0, 1) if dtype == "float32" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    image = random.uniform(*limits, shape).astype(dtype)
    tifffile.imwrite(tmp_path / "in.ome.tif", image, metadata={"axes": axes}, photometric="minisblack")
    summary = restored(str(tmp_path / "in.ome.tif"), tmp_path / "out", method="identity", **SMALL)
    back = pixels(*_only(tmp_path / "out"))
    assert summary.published == 1
    assert back.dtype == image.dtype
    if dtype == "float32":
        np.testing.assert_allclose(back, image, rtol=1e-6)
    else:
        np.testing.assert_array_equal(back, image)


@pytest.mark.parametrize("shape", [(1, 1), (17, 3), (3, 17), (40, 41)])
def test_identity_of_tiny_images(tmp_path: Path, shape: tuple[int, int]) -> None:
    image = np.random.default_rng(2).integers(0, 60000, shape).astype(np.uint16)
    tifffile.imwrite(tmp_path / "in.tif", image)
    restored(str(tmp_path / "in.tif"), tmp_path / "out", method="identity", **SMALL)
    np.testing.assert_array_equal(pixels(*_only(tmp_path / "out")), image)


def test_channels_restored_separately(tmp_path: Path) -> None:
    image = np.random.default_rng(3).integers(0, 4000, (3, 50, 60)).astype(np.uint16)
    tifffile.imwrite(tmp_path / "in.ome.tif", image, metadata={"axes": "CYX"}, photometric="minisblack")
    restored(str(tmp_path / "in.ome.tif"), tmp_path / "out", method="identity", channels="separate", **SMALL)
    np.testing.assert_array_equal(pixels(*_only(tmp_path / "out")), image)
