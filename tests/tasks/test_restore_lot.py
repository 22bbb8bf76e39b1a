"""The house's own contract: the identity method through the whole pipeline returns the input."""

from pathlib import Path

import numpy as np
import pytest
import rasterio
import tifffile
import xarray as xr
from affine import Affine
from contracts.pipeline import pixels, restored

from tasks import grids

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


@pytest.mark.parametrize("dtype", ["uint16", "float32"])
def test_identity_where_tiles_are_blended(tmp_path: Path, dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grids, "is_local", lambda method, recipe: False)
    image = (np.random.default_rng(4).random((3, 131, 97)) * 60000).astype(dtype)
    tifffile.imwrite(tmp_path / "in.ome.tif", image, metadata={"axes": "ZYX"}, photometric="minisblack")
    restored(str(tmp_path / "in.ome.tif"), tmp_path / "out", method="identity", **SMALL)
    back = pixels(*_only(tmp_path / "out"))
    if dtype == "uint16":
        np.testing.assert_array_equal(back, image)
    else:
        np.testing.assert_allclose(back, image, rtol=1e-6)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32"])
@pytest.mark.parametrize("shape", [(1, 61, 45), (4, 101, 77)])
def test_identity_of_a_scene(tmp_path: Path, dtype: str, shape: tuple[int, int, int]) -> None:
    image = (np.random.default_rng(5).random(shape) * 250).astype(dtype)
    image[:, :9, 30:] = 7
    place = Affine(10, 0, 500_000, 0, -10, 5_000_000)
    profile = {"count": shape[0], "height": shape[1], "width": shape[2], "dtype": dtype, "nodata": 7}
    with rasterio.open(tmp_path / "in.tif", "w", driver="GTiff", crs="EPSG:32633", transform=place, **profile) as file:
        file.write(image)
    restored(str(tmp_path / "in.tif"), tmp_path / "out", method="identity", **SMALL)
    collection, name = _only(tmp_path / "out")
    np.testing.assert_array_equal(pixels(collection, name).reshape(shape), image)
    with xr.open_zarr(collection / f"{name}.zarr", decode_coords="all", mask_and_scale=False) as scene:
        assert scene["image"].rio.crs.to_epsg() == 32633
        assert scene["image"].rio.transform() == place
        assert scene["image"].rio.nodata == 7
