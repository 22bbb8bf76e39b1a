"""Plain Zarr arrays, and Zarr datasets of xarray: names of axes, choice of the array, places on the ground."""

import fsspec
import numpy as np
import pytest
import rioxarray  # noqa: F401 - gives arrays their `rio`
import xarray as xr
import zarr
from contracts.reader import check_attributes, check_sentence, facts, window

from tasks.errors import InputError
from tasks.readers import open_input, reader_for


def pixels(shape, dtype="uint16"):
    return np.random.default_rng(5).integers(0, 100, shape).astype(dtype)


def dataset(tmp_path, version=3, **variables):
    path = tmp_path / "scene.zarr"
    xr.Dataset(variables).to_zarr(path, zarr_format=version, consolidated=False)
    return str(path)


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize(
    ("shape", "dims"), [((17, 3), ("y", "x")), ((4, 17, 3), ("z", "y", "x")), ((1, 1), ("y", "x"))]
)
def test_unnamed_array(tmp_path, version, shape, dims):
    data = pixels(shape)
    zarr.create_array(tmp_path / "a.zarr", data=data, zarr_format=version)
    image = open_input(str(tmp_path / "a.zarr"), facts())
    assert reader_for(str(tmp_path / "a.zarr"), facts()) == "plain_zarr"
    assert image.dims == dims
    np.testing.assert_array_equal(window(image), data)
    check_attributes(image)


def test_names_in_the_array(tmp_path):
    data = pixels((7, 9, 3))
    zarr.create_array(tmp_path / "a.zarr", data=data, dimension_names=("lat", "lon", "band"))
    image = open_input(str(tmp_path / "a.zarr"), facts())
    assert image.dims == ("c", "y", "x")
    np.testing.assert_array_equal(window(image), np.moveaxis(data, -1, 0))


def test_four_unnamed_axes_need_names(tmp_path):
    data = pixels((2, 3, 7, 9))
    zarr.create_array(tmp_path / "a.zarr", data=data)
    with pytest.raises(InputError, match=r"the axes axis0=2, axis1=3, y=7, x=9 need names; set 'axes'"):
        open_input(str(tmp_path / "a.zarr"), facts())
    assert open_input(str(tmp_path / "a.zarr"), facts(axes="czyx")).dims == ("c", "z", "y", "x")


def test_a_group_of_one_and_of_several(tmp_path):
    root = zarr.open_group(tmp_path / "g.zarr", mode="w")
    root.create_array("raw", data=pixels((7, 9)))
    assert open_input(str(tmp_path / "g.zarr"), facts()).shape == (7, 9)
    root.create_array("mask", data=pixels((5, 6)))
    with pytest.raises(InputError, match=r"holds 2 arrays; say which: '.*g.zarr#NAME'"):
        open_input(str(tmp_path / "g.zarr"), facts())
    assert open_input(f"{tmp_path}/g.zarr#mask", facts()).shape == (5, 6)
    with pytest.raises(InputError, match=r"has no array 'msk'.* Did you mean 'mask'\?"):
        open_input(f"{tmp_path}/g.zarr#msk", facts())


@pytest.mark.parametrize("version", [2, 3])
def test_dataset_on_the_ground(tmp_path, version):
    data = pixels((3, 7, 9))
    scene = xr.DataArray(data, dims=("band", "y", "x"), coords={"band": ["r", "g", "b"]})
    scene = scene.assign_coords(y=5e6 - 10.0 * np.arange(7), x=5e5 + 20.0 * np.arange(9)).rio.write_crs("EPSG:32633")
    scene.attrs |= {"scale_factor": 0.5, "add_offset": 3.0}
    scene.encoding = {"_FillValue": np.uint16(7), "grid_mapping": "spatial_ref"}
    image = open_input(dataset(tmp_path, version, dn=scene), facts())
    assert image.dims == ("c", "y", "x")
    assert list(image.c.values) == ["r", "g", "b"]
    assert image.attrs["layout"] == "geo"
    assert image.rio.crs.to_epsg() == 32633
    assert image.attrs["pixel_size"] == {"y": 10.0, "x": 20.0}
    assert image.attrs["nodata"] == 7.0
    assert (image.attrs["scale_factor"], image.attrs["add_offset"]) == (0.5, 3.0)
    np.testing.assert_array_equal(image.y.values, scene.y.values)
    np.testing.assert_array_equal(window(image), data)


def test_the_image_of_what_selfmend_publishes(tmp_path):
    data = pixels((7, 9))
    uri = dataset(tmp_path, image=(("y", "x"), data), verdict=(("y", "x"), data.astype("uint8")))
    np.testing.assert_array_equal(window(open_input(uri, facts())), data)
    assert open_input(uri + "#verdict", facts()).dtype == "uint8"


def test_remote_array(tmp_path):
    data = pixels((7, 9))
    zarr.create_array(tmp_path / "a.zarr", data=data)
    fsspec.filesystem("memory").put(str(tmp_path / "a.zarr"), "/plain/a.zarr", recursive=True)
    np.testing.assert_array_equal(window(open_input("memory://plain/a.zarr", facts())), data)


@pytest.mark.parametrize(
    ("shape", "dtype", "sentence"),
    [
        ((0, 9), "uint16", r"holds no pixels: its shape is \(0, 9\)"),
        ((7, 9), "complex64", "pixels of type complex64 are not supported"),
        ((7, 9), "bool", "pixels of type bool are not supported"),
        ((9,), "uint16", r"is not an image: its shape is \(9,\)"),
    ],
)
def test_what_is_no_image(tmp_path, shape, dtype, sentence):
    zarr.create_array(tmp_path / "a.zarr", shape=shape, dtype=dtype, chunks=tuple(max(n, 1) for n in shape))
    with pytest.raises(InputError, match=sentence) as caught:
        open_input(str(tmp_path / "a.zarr"), facts())
    check_sentence(str(caught.value))


def test_an_empty_folder_named_zarr(tmp_path):
    (tmp_path / "a.zarr").mkdir()
    with pytest.raises(InputError, match=r"a.zarr cannot be read as Zarr") as caught:
        open_input(str(tmp_path / "a.zarr"), facts())
    check_sentence(str(caught.value))
