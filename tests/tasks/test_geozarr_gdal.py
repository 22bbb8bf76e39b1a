"""Published scenes as GDAL of today sees them: pixels, CRS, transform, nodata, band names, scaling."""

import numpy as np
import pytest
import rasterio
import rioxarray  # noqa: F401 - gives arrays their .rio
import xarray as xr
from affine import Affine
from contracts.publishing import NORTH_UP, ROTATED, image, published, scene, source
from rasterio.control import GroundControlPoint
from rasterio.transform import from_gcps
from rasterio.vrt import WarpedVRT

from tasks.catalog.facts import Facts
from tasks.readers import open_input

pytestmark = [
    pytest.mark.filterwarnings("ignore::PendingDeprecationWarning"),  # rioxarray multiplies affines by *
    pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning"),  # ground control points are enough
]


def gdal(path, name="image"):
    """An array of the store as GDAL opens it."""
    return rasterio.open(f'ZARR:"{path}":/{name}')


def points(found):
    """Ground control points, as something that can be compared."""
    return [(point.row, point.col, point.x, point.y, point.z) for point in found or ()]


def seen_at(found):
    """Where GDAL sees a raster: by its transform, or by its ground control points."""
    return from_gcps(found.gcps[0]) if found.gcps[0] else found.transform


@pytest.mark.parametrize("transform", [NORTH_UP, ROTATED], ids=["north up", "rotated"])
@pytest.mark.parametrize(
    ("dims", "dtype", "nodata"),
    [
        (("y", "x"), "int16", -999),
        (("c", "y", "x"), "uint8", 0),
        (("c", "y", "x"), "uint16", None),
        (("c", "y", "x"), "float32", -9999.0),
        (("t", "c", "y", "x"), "float32", np.nan),
    ],
)
def test_gdal_reads_it(tmp_path, monkeypatch, transform, dims, dtype, nodata):
    monkeypatch.setattr("tasks.stores.image_facts.SCENE_CHUNK", 64)
    sizes = {"t": 2, "c": 3, "y": 150, "x": 170}
    pixels = image(tuple(sizes[axis] for axis in dims), dtype)
    pixels[..., :64, :64] = 0  # chunks of nothing but zeros, or nodata, are not stored
    pixels[..., 64:128, :70] = 0 if nodata is None else nodata
    path = published(scene(pixels, dims, transform, nodata=nodata), tmp_path)
    bands = np.asarray(pixels).reshape(-1, 150, 170)
    with gdal(path) as found:
        assert found.crs == "EPSG:32633"
        assert seen_at(found).almost_equals(Affine(*transform), 1e-6)
        np.testing.assert_equal(found.nodata, nodata)
        names = [f"band {number % 3}" for number in range(len(bands))] if "c" in dims else [None]
        assert list(found.descriptions) == names
        assert found.block_shapes[0] == (64, 64)
        np.testing.assert_allclose(found.read(), bands, rtol=1e-6 if dtype == "float32" else 0)
    with gdal(path, "verdict") as found:
        assert found.crs == "EPSG:32633"
        assert seen_at(found).almost_equals(Affine(*transform), 1e-6)
        np.testing.assert_array_equal(found.read(1)[::128, ::128], [[0, 1], [2, 3]])


@pytest.mark.parametrize("turn", [0, 30])
def test_gdal_takes_longitude_for_x(tmp_path, turn):
    transform = Affine.translation(14, 50) * Affine.rotation(turn) * Affine.scale(1e-3, -1e-3)
    path = published(scene(image((40, 50), "uint16"), ("y", "x"), transform, "EPSG:4326"), tmp_path)
    with gdal(path) as found:
        assert found.crs == "EPSG:4326"
        assert seen_at(found).almost_equals(transform, 1e-9)


def test_gdal_warps_a_rotated_scene_to_where_it_lies(tmp_path):
    path = published(scene(image((40, 50), "uint16"), ("y", "x"), ROTATED), tmp_path)
    x, y = zip(*(Affine(*ROTATED) @ corner for corner in [(0, 0), (50, 0), (0, 40), (50, 40)]), strict=True)
    with gdal(path) as found, WarpedVRT(found) as flat:
        np.testing.assert_allclose(flat.bounds, [min(x), min(y), max(x), max(y)], atol=0.7)


def test_gdal_sees_scale_and_offset(tmp_path):
    pixels = image((40, 50), "uint16")
    path = published(scene(pixels, ("y", "x"), scale_factor=1e-4, add_offset=-0.1), tmp_path)
    with gdal(path) as found:
        assert (found.scales, found.offsets) == ((1e-4,), (-0.1,))
        np.testing.assert_array_equal(found.read(1), pixels)


def test_gdal_sees_ground_control_points(tmp_path):
    given = [GroundControlPoint(row, col, 14 + col / 100, 50 - row / 100, 3.0) for row in (0, 40) for col in (0, 50)]
    opened = source(image((40, 50), "uint16"), ("y", "x"), layout="geo").rio.write_crs("EPSG:4326")
    with gdal(published(opened.rio.write_gcps(given, None), tmp_path)) as seen:
        assert points(seen.gcps[0]) == points(given)
        assert seen.gcps[1] == "EPSG:4326"


def test_names_of_any_letters_reach_gdal(tmp_path):
    opened = scene(image((2, 40, 50), "uint8"), ("c", "y", "x"))
    names = ["Bänd <1> & 'rot'", "近红外"]
    with gdal(published(opened.assign_coords(c=names), tmp_path)) as found:
        assert list(found.descriptions) == names


def test_a_scene_that_lies_nowhere(tmp_path):
    pixels = image((40, 50), "uint8")
    with gdal(published(source(pixels, ("y", "x"), layout="geo"), tmp_path)) as found:
        assert (found.crs, found.gcps[0]) == (None, [])
        np.testing.assert_array_equal(found.read(1), pixels)


@pytest.mark.data
@pytest.mark.parametrize(
    "file",
    [
        "sentinel2/s2_l1c_20160112_T18SVG_20m.tif",
        "landsat/hls_10band_30m.tif",
        "landsat/l8_cloudy_30m.tif",
        "landsat/le07_slc_off.tif",
        "landsat/ls5_nbar_25m.tif",
        "nodata/RGB.byte.tif",
        "sar/umbra_yasur.tif",
        "sar/s1_grd_vv_gcps.tif",
    ],
)
def test_real_scenes_keep_their_place(tmp_path, shared_data, file):
    opened = open_input(str(shared_data / "satellite" / file), Facts(title="scene", source=file)).load()
    path = published(opened, tmp_path)
    with rasterio.open(shared_data / "satellite" / file) as wanted, gdal(path) as seen:
        pixels, given, crs = wanted.read(), points(wanted.gcps[0]), wanted.crs or wanted.gcps[1]
        found = xr.open_zarr(path, decode_coords="all", mask_and_scale=False)
        assert found.rio.crs == seen.crs == crs
        assert found.image.rio.transform() == wanted.transform
        assert points(found.rio.get_gcps()) == given
        assert points(seen.gcps[0]) == given if given else seen_at(seen).almost_equals(wanted.transform, 1e-6)
        assert found.image.rio.nodata == seen.nodata == wanted.nodata
        assert found.band.values.tolist() == list(seen.descriptions) == opened.c.values.tolist()
        for values in (found.image.values, seen.read()):
            assert values.dtype == pixels.dtype
            np.testing.assert_allclose(values, pixels, rtol=1e-6)
