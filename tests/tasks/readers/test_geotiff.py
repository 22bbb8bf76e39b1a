"""GeoTIFF: CRS, transform also rotated, ground control points, nodata, scale and offset, band names, layouts."""

import sys

import fsspec
import numpy as np
import pytest
import rasterio
from affine import Affine
from contracts.reader import check_attributes, check_sentence, facts, window
from rasterio.control import GroundControlPoint

from tasks.errors import InputError
from tasks.readers import open_input, reader_for

UTM = {"crs": "EPSG:32633", "transform": Affine(10, 0, 500_000, 0, -10, 5_000_000)}
DTYPES = ["uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64"]


def pixels(shape, dtype="uint16"):
    draw = np.random.default_rng(3)
    if np.dtype(dtype).kind == "f":
        return draw.normal(0, 1, shape).astype(dtype)
    return draw.integers(0, np.iinfo(dtype).max, shape, dtype)


def written(tmp_path, data, names=(), scales=(), offsets=(), **profile):
    count, height, width = data.shape
    shape = {"count": count, "height": height, "width": width, "dtype": data.dtype.name}
    with rasterio.open(tmp_path / "scene.tif", "w", driver="GTiff", **shape, **profile) as file:
        file.write(data)
        if names:
            file.descriptions = names
        if scales:
            file.scales, file.offsets = scales, offsets
    return str(tmp_path / "scene.tif")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(1, 17, 3), (1, 1, 1), (4, 33, 65)])
def test_types_and_odd_sizes(tmp_path, shape, dtype):
    data = pixels(shape, dtype)
    uri = written(tmp_path, data, **UTM)
    image = open_input(uri, facts())
    assert reader_for(uri, facts()) == "geotiff"
    assert image.dims == ("c", "y", "x")
    assert image.dtype == dtype
    np.testing.assert_array_equal(window(image), data)
    check_attributes(image)


@pytest.mark.parametrize("interleave", ["band", "pixel"])
@pytest.mark.parametrize("layout", [{}, {"tiled": True, "blockxsize": 32, "blockysize": 16}])
@pytest.mark.parametrize("compress", [None, "deflate"])
def test_ways_to_store_bands(tmp_path, interleave, layout, compress):
    data = pixels((5, 70, 81))
    image = open_input(written(tmp_path, data, interleave=interleave, compress=compress, **layout, **UTM), facts())
    assert image.attrs["source_chunks"]["c"] == (5 if interleave == "pixel" else 1)
    part = window(image, c=slice(1, 4), y=slice(30, 50), x=slice(7, 60, 3))
    np.testing.assert_array_equal(part, data[1:4, 30:50, 7:60:3])


def test_place_on_the_ground(tmp_path):
    image = open_input(written(tmp_path, pixels((2, 6, 7)), **UTM), facts())
    assert image.attrs["layout"] == "geo"
    assert image.rio.crs.to_epsg() == 32633
    assert image.rio.transform() == UTM["transform"]
    assert image.attrs["pixel_size"] == {"y": 10.0, "x": 10.0}
    assert image.attrs["unit"] == {"y": "metre", "x": "metre"}
    assert list(image.x.values[:2]) == [500_005.0, 500_015.0]
    assert list(image.y.values[:2]) == [4_999_995.0, 4_999_985.0]
    assert image.y.attrs["standard_name"] == "projection_y_coordinate"


def test_degrees(tmp_path):
    transform = Affine(0.25, 0, -10, 0, -0.5, 60)
    image = open_input(written(tmp_path, pixels((1, 6, 7)), crs="EPSG:4326", transform=transform), facts())
    assert image.attrs["pixel_size"] == {"y": 0.5, "x": 0.25}
    assert image.attrs["unit"] == {"y": "degree", "x": "degree"}


def test_rotated_grid(tmp_path):
    transform = Affine.translation(5e5, 5e6) @ Affine.rotation(30) @ Affine.scale(2, -3)
    image = open_input(written(tmp_path, pixels((1, 6, 7)), crs="EPSG:32633", transform=transform), facts())
    assert image.rio.transform().almost_equals(transform)
    assert "y" not in image.coords
    assert image.attrs["pixel_size"] == pytest.approx({"y": 3.0, "x": 2.0})


def test_ground_control_points(tmp_path):
    points = [GroundControlPoint(row, column, 10 + column, 50 - row) for row in (0, 5) for column in (0, 6)]
    uri = written(tmp_path, pixels((1, 6, 7)), gcps=points, crs="EPSG:4326")
    image = open_input(uri, facts())
    assert image.attrs["layout"] == "geo"
    assert image.rio.crs.to_epsg() == 4326
    assert [(p.row, p.col, p.x, p.y) for p in image.rio.get_gcps()] == [(p.row, p.col, p.x, p.y) for p in points]
    assert image.attrs["pixel_size"] == {}


def test_nodata_and_scaling(tmp_path):
    uri = written(tmp_path, pixels((2, 6, 7), "int16"), nodata=-999, scales=(0.1, 0.2), offsets=(5, 5), **UTM)
    image = open_input(uri, facts())
    assert image.attrs["nodata"] == -999.0
    assert image.attrs["scale_factor"] == [0.1, 0.2]
    assert image.attrs["add_offset"] == 5.0
    assert image.dtype == "int16"
    assert open_input(uri, facts(nodata=0)).attrs["nodata"] == 0.0


def test_nodata_may_be_nan(tmp_path):
    image = open_input(written(tmp_path, pixels((1, 6, 7), "float32"), nodata=np.nan, **UTM), facts())
    assert np.isnan(image.attrs["nodata"])


def test_names_of_bands(tmp_path):
    image = open_input(
        written(tmp_path, pixels((3, 6, 7)), names=("B02", None, "B08"), photometric="minisblack", **UTM), facts()
    )
    assert list(image.c.values) == ["B02", "band_2", "B08"]
    image = open_input(written(tmp_path, pixels((4, 6, 7), "uint8"), photometric="rgb", alpha="yes", **UTM), facts())
    assert list(image.c.values) == ["red", "green", "blue", "alpha"]


def test_bands_may_be_dates(tmp_path):
    data = pixels((4, 6, 7))
    image = open_input(written(tmp_path, data, **UTM), facts(axes="tyx", crs="EPSG:32634"))
    assert image.dims == ("t", "y", "x")
    assert image.rio.crs.to_epsg() == 32634
    assert image.rio.transform() == UTM["transform"]


def test_without_a_place_it_is_a_tiff(tmp_path):
    data = pixels((1, 6, 7))
    with pytest.warns(rasterio.errors.NotGeoreferencedWarning):
        uri = written(tmp_path, data)
    assert reader_for(uri, facts()) == "tiff"
    assert reader_for(uri, facts(reader="geotiff")) == "geotiff"
    image = open_input(uri, facts(reader="geotiff"))
    assert image.attrs["layout"] == "ngff"
    np.testing.assert_array_equal(window(image), data)
    with pytest.warns(rasterio.errors.NotGeoreferencedWarning):
        uri = written(tmp_path, data, nodata=3)
    assert reader_for(uri, facts()) == "geotiff"
    assert reader_for(uri, facts(reader="tiff")) == "tiff"


@pytest.mark.parametrize("share", [0.05, 0.3, 0.7, 0.99])
def test_a_cut_file_is_never_an_image(tmp_path, share):
    data = pixels((3, 64, 48))
    uri = written(tmp_path, data, compress="deflate", **UTM)
    whole = (tmp_path / "scene.tif").read_bytes()
    (tmp_path / "scene.tif").write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(InputError) as caught:
        window(open_input(uri, facts()))
    check_sentence(str(caught.value))


def test_pixels_that_cannot_be_decoded(tmp_path):
    uri = written(tmp_path, pixels((1, 64, 48)), compress="deflate", **UTM)
    raw = bytearray((tmp_path / "scene.tif").read_bytes())
    raw[-500:-100] = b"\xff" * 400
    (tmp_path / "scene.tif").write_bytes(raw)
    with pytest.raises(InputError, match=r"scene.tif: pixels .* cannot be read") as caught:
        window(open_input(uri, facts()))
    check_sentence(str(caught.value))


def test_without_rasterio(tmp_path, monkeypatch):
    uri = written(tmp_path, pixels((1, 6, 7)), **UTM)
    monkeypatch.setitem(sys.modules, "rasterio", None)
    with pytest.raises(InputError, match=r"scene.tif needs rasterio: pip install 'selfmend\[geo\]'\."):
        open_input(uri, facts())


def test_remote_file(tmp_path):
    data = pixels((3, 64, 48))
    written(tmp_path, data, **UTM)
    fsspec.filesystem("memory").pipe("/scenes/scene.tif", (tmp_path / "scene.tif").read_bytes())
    image = open_input("memory://scenes/scene.tif", facts())
    assert image.rio.crs.to_epsg() == 32633
    np.testing.assert_array_equal(window(image, y=slice(3, 9)), data[:, 3:9])


@pytest.mark.data
@pytest.mark.parametrize(
    ("path", "names", "shape", "nodata", "epsg"),
    [
        ("aerial/naip_3607824.tif", ["red", "green", "blue", "band_4"], (4, 300, 300), None, 26917),
        ("landsat/hls_10band_30m.tif", [f"band_{i}" for i in range(1, 11)], (10, 224, 224), -9999.0, 32614),
        ("landsat/l8_cloudy_pan15m.tif", ["B8"], (1, 897, 600), None, 32616),
        ("landsat/le07_slc_off.tif", ["B1"], (1, 96, 168), 32768.0, None),
        ("landsat/ls5_nbar_25m.tif", ["B1", "B2", "B3", "B4", "B5", "B7"], (6, 404, 456), -999.0, None),
        ("nodata/RGB.byte.tif", ["red", "green", "blue"], (3, 718, 791), 0.0, 32618),
        ("sar/s1_grd_vv_gcps.tif", ["VV"], (1, 512, 512), None, 4326),
        ("sar/umbra_yasur.tif", ["band_1"], (1, 512, 512), None, 32759),
        (
            "sentinel2/s2_l1c_20160112_T18SVG_20m.tif",
            ["B05", "B06", "B07", "B8A", "B11", "B12"],
            (6, 420, 420),
            None,
            32618,
        ),
        ("sentinel2/s2a_l1c_20170527_T33UUB_60m.tif", ["B1", "B9"], (2, 100, 100), None, None),
    ],
)
@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_real_files(data, path, names, shape, nodata, epsg):
    uri = str(data / "satellite" / path)
    image = open_input(uri, facts())
    assert reader_for(uri, facts()) == "geotiff"
    assert list(image.c.values) == names
    assert image.shape == shape
    assert image.attrs["nodata"] == nodata
    assert epsg is None or image.rio.crs.to_epsg() == epsg
    check_attributes(image)
    with rasterio.open(uri) as file:
        np.testing.assert_array_equal(window(image), file.read())
        assert image.attrs["layout"] == ("geo" if file.crs or file.gcps[0] else "ngff")
        if not file.transform.is_identity:
            assert image.rio.transform().almost_equals(file.transform)
        assert len(image.rio.get_gcps() or []) == len(file.gcps[0])
