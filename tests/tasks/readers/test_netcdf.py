"""NetCDF: variables, names of axes, raw values, places on the ground, broken files."""

import sys

import numpy as np
import pytest
import rioxarray  # noqa: F401
import xarray as xr
from contracts.reader import check_attributes, check_sentence, facts, window

from tasks.errors import InputError
from tasks.readers import open_input, reader_for


def pixels(shape, dtype="int16", seed=5):
    return np.random.default_rng(seed).integers(0, 100, shape).astype(dtype)


def written(tmp_path, encoding=None, coords=None, **variables):
    encoding = dict.fromkeys(variables, encoding) if encoding else None
    xr.Dataset(variables, coords).to_netcdf(tmp_path / "scene.nc", encoding=encoding)
    return str(tmp_path / "scene.nc")


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64"])
@pytest.mark.parametrize("shape", [(17, 3), (1, 1), (4, 17, 3)])
def test_types_and_odd_sizes(tmp_path, dtype, shape):
    data = pixels(shape, dtype)
    uri = written(tmp_path, dn=(("time", "lat", "lon")[-len(shape) :], data))
    image = open_input(uri, facts())
    assert reader_for(uri, facts()) == "netcdf"
    assert image.dims == ("t", "y", "x")[-len(shape) :]
    assert image.dtype == dtype
    np.testing.assert_array_equal(window(image), data)
    check_attributes(image)


def test_values_stay_raw(tmp_path):
    values = xr.DataArray(np.array([[0.5, np.nan], [1.5, 2.0]]), dims=("y", "x"))
    encoding = {"dtype": "int16", "scale_factor": 0.5, "add_offset": -1.0, "_FillValue": -9}
    image = open_input(written(tmp_path, encoding=encoding, dn=values), facts())
    assert image.dtype == "int16"
    assert (image.attrs["scale_factor"], image.attrs["add_offset"], image.attrs["nodata"]) == (0.5, -1.0, -9.0)
    np.testing.assert_array_equal(window(image), [[3, -9], [5, 6]])


def test_places_on_the_ground(tmp_path):
    lat = xr.DataArray(
        60 - 0.5 * np.arange(7), dims="lat", attrs={"standard_name": "latitude", "units": "degrees_north"}
    )
    lon = xr.DataArray(
        10 + 0.25 * np.arange(9), dims="lon", attrs={"standard_name": "longitude", "units": "degrees_east"}
    )
    uri = written(tmp_path, coords={"lat": lat, "lon": lon}, dn=(("lat", "lon"), pixels((7, 9))))
    image = open_input(uri, facts())
    assert image.attrs["layout"] == "geo"
    np.testing.assert_array_equal(image.y.values, lat.values)
    assert image.attrs["pixel_size"] == {"y": 0.5, "x": 0.25}
    assert open_input(uri, facts(crs="EPSG:4326")).rio.crs.to_epsg() == 4326


def test_coordinates_with_units_are_sizes(tmp_path):
    x = xr.DataArray(0.2 * np.arange(9), dims="x", attrs={"units": "um"})
    image = open_input(written(tmp_path, coords={"x": x}, dn=(("y", "x"), pixels((7, 9)))), facts())
    assert image.attrs["layout"] == "ngff"
    assert image.attrs["pixel_size"] == pytest.approx({"x": 0.2})
    assert image.attrs["unit"] == {"x": "micrometer"}


def test_variables_alike_become_channels(tmp_path):
    red, green = pixels((7, 9), seed=1), pixels((7, 9), seed=2)
    image = open_input(written(tmp_path, red=(("y", "x"), red), green=(("y", "x"), green)), facts())
    assert image.dims == ("c", "y", "x")
    assert list(image.c.values) == ["red", "green"]
    np.testing.assert_array_equal(window(image, y=slice(2, 5)), np.stack([red, green])[:, 2:5])


def test_other_variables_must_be_named(tmp_path):
    data = pixels((7, 9))
    uri = written(tmp_path, radiance=(("y", "x"), data), cloud=(("row", "col"), pixels((3, 4))), count=((), 3))
    with pytest.raises(
        InputError, match=r"holds several images; say which: '.*scene.nc#radiance' \(of radiance, cloud\)"
    ):
        open_input(uri, facts())
    np.testing.assert_array_equal(window(open_input(uri + "#radiance", facts())), data)
    with pytest.raises(InputError, match=r"has no variable 'radiation'.* Did you mean 'radiance'\?"):
        open_input(uri + "#radiation", facts())


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({"count": ((), 3)}, "holds no image: none of its variables has axes y and x"),
        ({"dn": (("station", "y", "x"), np.zeros((3, 4, 5)))}, r"the axes station=3, y=4, x=5 need names"),
        ({"dn": (("a", "b"), np.zeros((4, 5)))}, "need names|is not an image"),
    ],
)
def test_what_is_no_image(tmp_path, variables, sentence):
    uri = written(tmp_path, **variables)
    with pytest.raises(InputError, match=sentence) as caught:
        open_input(uri, facts())
    check_sentence(str(caught.value))


@pytest.mark.parametrize("content", [b"", b"a text", b"\x89HDF\r\n\x1a\n and then nothing"])
def test_broken_file(tmp_path, content):
    (tmp_path / "scene.nc").write_bytes(content)
    with pytest.raises(InputError, match=r"scene.nc cannot be read as NetCDF") as caught:
        open_input(str(tmp_path / "scene.nc"), facts())
    check_sentence(str(caught.value))


def test_without_its_package(tmp_path, monkeypatch):
    uri = written(tmp_path, dn=(("y", "x"), pixels((7, 9))))
    monkeypatch.setitem(sys.modules, "netCDF4", None)
    with pytest.raises(InputError, match=r"scene.nc needs netCDF4: pip install 'selfmend\[netcdf\]'"):
        open_input(uri, facts())


def test_a_place_on_the_ground_is_never_dropped(tmp_path, monkeypatch):
    lat, lon = (xr.DataArray(np.arange(3.0), dims=name) for name in ("lat", "lon"))
    uri = written(tmp_path, coords={"lat": lat, "lon": lon}, dn=(("lat", "lon"), pixels((3, 3))))
    monkeypatch.setitem(sys.modules, "rioxarray", None)
    with pytest.raises(InputError, match=r"scene.nc needs rioxarray: pip install 'selfmend\[geo\]'"):
        open_input(uri, facts())


@pytest.mark.data
@pytest.mark.parametrize(("name", "shape"), [("MODIS_ARRAY.nc", (200, 200)), ("MODIS_ARRAY_MATCH.nc", (100, 150))])
def test_real_files(data, name, shape):
    uri = str(data / "satellite/netcdf" / name)
    image = open_input(uri, facts())
    assert (image.dims, image.shape, image.dtype) == (("y", "x"), shape, np.dtype("int16"))
    assert image.attrs["nodata"] == -28672.0
    assert image.attrs["layout"] == "geo"
    assert image.attrs["unit"] == {"y": "metre", "x": "metre"}
    check_attributes(image)
    with xr.open_dataset(uri, mask_and_scale=False) as file:
        np.testing.assert_array_equal(window(image), file["__xarray_dataarray_variable__"].values)
        np.testing.assert_array_equal(image.y.values, file.y.values)
