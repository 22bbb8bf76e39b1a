"""Published scenes as xarray and rioxarray see them: CRS, transform, nodata, band names, scaling, objects."""

import json
import math
import warnings

import dask.array
import numpy as np
import pytest
import rasterio
import rioxarray  # noqa: F401 - gives arrays their .rio
import xarray as xr
import zarr
from affine import Affine
from contracts.publishing import (
    NORTH_UP,
    ROTATED,
    grid_of,
    image,
    planned,
    published,
    restored,
    scene,
    source,
)
from rasterio.control import GroundControlPoint

from tasks.catalog.facts import Facts
from tasks.publish import publish_input
from tasks.readers import open_input
from tasks.stores.encoding import axis_names, open_stored
from tasks.stores.geozarr import geo_documents
from tasks.stores.image_facts import image_facts
from tasks.stores.place import Place
from tasks.stores.showing import published_key

pytestmark = pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")  # rioxarray multiplies affines by *


def read(path, **given):
    """The store as users open it; nothing to be warned of."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return xr.open_zarr(path, decode_coords="all", **given)


@pytest.mark.parametrize("transform", [NORTH_UP, ROTATED], ids=["north up", "rotated"])
def test_where_a_scene_lies_comes_along(tmp_path, transform):
    opened = scene(image((3, 70, 90), "uint16"), ("c", "y", "x"), transform)
    found = read(published(opened, tmp_path))
    for name in ("image", "verdict"):
        assert found[name].rio.crs == "EPSG:32633"
        assert found[name].rio.transform() == Affine(*transform)
    assert ("x" in found.coords) == (transform is NORTH_UP)
    assert found.image.dims == ("band", "y", "x")
    assert found.band.values.tolist() == ["band 0", "band 1", "band 2"]
    assert found.image.sel(band="band 1").shape == (70, 90)
    assert found.image.dtype == np.uint16
    np.testing.assert_array_equal(found.image.values, opened.values)
    assert found.attrs["selfmend"]["key"] == published_key(Place(str(tmp_path)), "a") == "key"


def test_nodata_of_integers(tmp_path):
    pixels = image((70, 90), "int16")
    pixels[5:50, 7:30] = -999
    path = published(scene(pixels, ("y", "x"), nodata=-999.0), tmp_path)
    found = read(path)
    assert found.image.rio.encoded_nodata == -999
    np.testing.assert_array_equal(np.isnan(found.image.values), pixels == -999)
    raw = read(path, mask_and_scale=False)
    assert raw.image.rio.nodata == -999
    assert raw.image.dtype == np.int16
    np.testing.assert_array_equal(raw.image.values, pixels)


@pytest.mark.parametrize("nodata", [None, np.nan, -9999.0])
def test_nodata_of_floats(tmp_path, nodata):
    pixels = image((70, 90), "float32")
    pixels[5:50, 7:30] = np.nan if nodata is None else nodata
    found = read(published(scene(pixels, ("y", "x"), nodata=nodata or np.nan), tmp_path))
    assert np.isnan(found.image.rio.nodata)
    np.testing.assert_equal(found.image.rio.encoded_nodata, nodata or np.nan)
    assert np.isnan(found.image.values[5:50, 7:30]).all()


@pytest.mark.parametrize("nodata", [-999.0, np.nan, 0.5, 70_000.0])
def test_nodata_that_the_type_cannot_hold_is_left_out(tmp_path, nodata):
    pixels = image((40, 50), "uint16")
    found = read(published(scene(pixels, ("y", "x"), nodata=nodata), tmp_path))
    assert found.image.rio.encoded_nodata is None
    np.testing.assert_array_equal(found.image.values, pixels)


def test_counts_stay_raw_and_their_meaning_stands_beside_them(tmp_path):
    pixels = image((40, 50), "uint16")
    path = published(scene(pixels, ("y", "x"), scale_factor=1e-4, add_offset=-0.1), tmp_path)
    np.testing.assert_array_equal(zarr.open_array(path, path="image", mode="r")[:], pixels)
    np.testing.assert_allclose(read(path).image.values, pixels * 1e-4 - 0.1, rtol=1e-6)
    trivial = published(scene(pixels, ("y", "x"), scale_factor=1.0, add_offset=0.0), tmp_path, key="b")
    assert read(trivial).image.dtype == np.uint16


def test_scales_that_differ_between_bands_are_kept_but_not_applied(tmp_path):
    pixels = image((2, 40, 50), "uint16")
    path = published(scene(pixels, ("c", "y", "x"), scale_factor=[1.0, 0.1]), tmp_path)
    assert read(path).image.attrs["band_scale_factor"] == [1.0, 0.1]
    np.testing.assert_array_equal(read(path).image.values, pixels)


def test_ground_control_points_come_along(tmp_path):
    given = [GroundControlPoint(row, col, 14 + col / 100, 50 - row / 100, 3.0) for row in (0, 40) for col in (0, 50)]
    opened = source(image((40, 50), "uint16"), ("y", "x"), layout="geo").rio.write_crs("EPSG:4326")
    found = read(published(opened.rio.write_gcps(given, None), tmp_path))
    assert found.rio.crs == "EPSG:4326"
    assert [(p.row, p.col, p.x, p.y, p.z) for p in found.rio.get_gcps()] == [
        (p.row, p.col, p.x, p.y, p.z) for p in given
    ]


@pytest.mark.parametrize("joint", [True, False])
def test_the_verdict_map_is_a_variable_of_its_own(tmp_path, joint):
    opened = scene(image((2, 300, 150), "uint8"), ("c", "y", "x"))
    grid = grid_of(opened, tile=128, shard=128, joint=joint)
    publish_input(restored(opened, grid, Place(str(tmp_path))))
    verdict = read(tmp_path / "a.zarr").verdict
    assert verdict.dims == (("y", "x") if joint else ("band", "y", "x"))
    assert verdict.attrs["flag_meanings"] == "not_restored good suspect failed"
    assert verdict.attrs["flag_values"] == [0, 1, 2, 3]
    assert verdict.dtype == np.uint8
    plane = verdict.values if joint else verdict.values[1]
    assert plane[::128, ::128].ravel().tolist() == ([0, 1, 2, 3, 0, 1] if joint else [2, 3, 0, 1, 2, 3])


def test_a_restored_scene_can_be_written_as_geotiff(tmp_path):
    pixels = image((2, 70, 90), "int16")
    found = read(published(scene(pixels, ("c", "y", "x"), nodata=-999.0), tmp_path), mask_and_scale=False)
    found.image.rio.to_raster(tmp_path / "a.tif")
    with rasterio.open(tmp_path / "a.tif") as tiff:
        assert (tiff.crs.to_epsg(), tiff.transform, tiff.nodata) == (32633, Affine(*NORTH_UP), -999)
        assert tiff.descriptions == ("band 0", "band 1")
        np.testing.assert_array_equal(tiff.read(), pixels)


@pytest.mark.parametrize("transform", [NORTH_UP, ROTATED], ids=["north up", "rotated"])
def test_a_published_scene_can_be_an_input_again(tmp_path, transform):
    opened = scene(image((2, 40, 50), "int16"), ("c", "y", "x"), transform, nodata=-999.0)
    again = open_input(str(published(opened, tmp_path)), Facts(title="restored", source="a.zarr"))
    assert (again.dims, again.attrs["layout"], again.attrs["nodata"]) == (("c", "y", "x"), "geo", -999)
    assert (again.rio.crs, again.rio.transform()) == (opened.rio.crs, Affine(*transform))
    np.testing.assert_array_equal(again.values, opened.values)
    np.testing.assert_array_equal(again.c, opened.c)


def test_an_object_is_a_chunk(tmp_path, monkeypatch):
    monkeypatch.setattr("tasks.stores.image_facts.SCENE_CHUNK", 64)
    path = published(scene(image((2, 100, 130), "uint8"), ("c", "y", "x")), tmp_path)
    chunks = {f"{band}.{row}.{column}" for band in range(2) for row in range(2) for column in range(3)}
    assert {file.name for file in (path / "image").iterdir()} == {*chunks, ".zarray", ".zattrs", ".zarray.aux.xml"}
    assert not list(path.rglob("zarr.json"))


def test_a_large_scene_has_some_thousand_objects():
    pixels = dask.array.zeros((4, 10980, 10980), dtype="uint16", chunks=-1)
    opened = source(pixels, ("c", "y", "x"), layout="geo")
    facts = image_facts(planned(opened, grid_of(opened)), opened, "same", chunk=256, pyramid=True)
    stored = json.loads(geo_documents(facts, opened)["image/.zarray"])
    assert stored["chunks"] == [1, 512, 512]
    assert math.prod(-(-n // side) for n, side in zip(stored["shape"], stored["chunks"], strict=True)) < 2000
    assert facts.shards(facts.shape)[3:] == (2048, 2048)


@pytest.mark.parametrize("layout", ["geo", "ngff"])
def test_the_axes_of_an_array_have_names(tmp_path, layout):
    opened = scene(image((2, 40, 50), "uint8"), ("c", "y", "x"))
    published(opened.assign_attrs(layout=layout), tmp_path)
    array = open_stored(Place(str(tmp_path / "a.zarr")), {"geo": "image", "ngff": "0"}[layout])
    assert axis_names(array) == ({"geo": "band", "ngff": "c"}[layout], "y", "x")
