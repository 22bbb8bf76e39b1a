"""OME-Zarr 0.4 and 0.5: axes, scales, labels, missing levels, sharding, plates, broken metadata."""

import json

import fsspec
import numpy as np
import pytest
import zarr
from contracts.reader import check_attributes, check_sentence, facts, window

from tasks.errors import InputError
from tasks.readers import open_input, reader_for
from tasks.readers._canonical import DTYPES

AXES = [
    {"name": "t", "type": "time", "unit": "millisecond"},
    {"name": "c", "type": "channel"},
    {"name": "z", "type": "space", "unit": "micrometer"},
    {"name": "y", "type": "space", "unit": "micrometer"},
    {"name": "x", "type": "space", "unit": "micrometer"},
]


def multiscale(axes, scale, paths=("0",)):
    datasets = [{"path": path, "coordinateTransformations": [{"type": "scale", "scale": scale}]} for path in paths]
    return {"multiscales": [{"axes": axes, "datasets": datasets}]}


def written(tmp_path, data, version="0.5", axes=None, said=None, path="0", **options):
    root = zarr.open_group(tmp_path / "image.zarr", mode="w", zarr_format=3 if version == "0.5" else 2)
    root.create_array(path, data=data, **options)
    said = said or multiscale(axes or AXES[-data.ndim :], [2.0] * data.ndim)
    root.attrs.update({"ome": said} if version == "0.5" else said)
    return str(tmp_path / "image.zarr")


def pixels(shape, dtype="uint16"):
    return np.random.default_rng(5).integers(0, 100, shape).astype(dtype)


@pytest.mark.parametrize("version", ["0.4", "0.5"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_types(tmp_path, version, dtype):
    data = pixels((2, 17, 3), dtype)
    image = open_input(written(tmp_path, data, version), facts())
    assert image.dims == ("z", "y", "x")
    np.testing.assert_array_equal(window(image), data)


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_five_axes(tmp_path, version):
    data = pixels((2, 3, 1, 17, 5))
    said = multiscale(AXES, [500.0, 1.0, 0.5, 0.2, 0.1])
    said["multiscales"][0]["coordinateTransformations"] = [{"type": "scale", "scale": [1.0, 1.0, 2.0, 2.0, 2.0]}]
    said["omero"] = {"channels": [{"label": "DAPI"}, {"label": "GFP"}, {"label": "RFP"}]}
    image = open_input(written(tmp_path, data, version, said=said), facts())
    assert image.dims == ("t", "c", "z", "y", "x")
    assert image.shape == data.shape
    assert list(image.c.values) == ["DAPI", "GFP", "RFP"]
    assert image.attrs["pixel_size"] == {"t": 0.5, "z": 1.0, "y": 0.4, "x": 0.2}
    assert image.attrs["unit"] == {"t": "second", "z": "micrometer", "y": "micrometer", "x": "micrometer"}
    check_attributes(image)
    np.testing.assert_array_equal(window(image, t=slice(1, 2)), data[1:2])


def test_axes_in_another_order(tmp_path):
    data = pixels((7, 9, 3))
    axes = [{"name": "y", "type": "space"}, {"name": "x", "type": "space"}, {"name": "colour", "type": "channel"}]
    image = open_input(written(tmp_path, data, axes=axes), facts())
    assert image.dims == ("c", "y", "x")
    np.testing.assert_array_equal(window(image, c=slice(1, 3), y=slice(2, 5)), np.moveaxis(data, -1, 0)[1:3, 2:5])


def test_shards_are_read_by_chunks(tmp_path):
    data = pixels((4, 256, 256))
    image = open_input(written(tmp_path, data, chunks=(1, 32, 64), shards=(4, 128, 256)), facts())
    assert image.attrs["source_chunks"] == {"z": 1, "y": 32, "x": 64}
    np.testing.assert_array_equal(window(image, y=slice(100, 140)), data[:, 100:140])


def test_a_missing_level_is_passed_over(tmp_path):
    data = pixels((2, 17, 5))
    said = multiscale(AXES[-3:], [1.0, 1.0, 1.0], ("0", "1"))
    said["multiscales"][0]["datasets"][1]["coordinateTransformations"][0]["scale"] = [1.0, 3.0, 3.0]
    image = open_input(written(tmp_path, data, said=said, path="1"), facts())
    assert image.attrs["pixel_size"] == {"z": 1.0, "y": 3.0, "x": 3.0}
    assert image.attrs["notes"] == ["The largest level that is there is '1'."]


def test_without_a_name_ending_in_zarr(tmp_path):
    uri = written(tmp_path, pixels((3, 8, 9)))
    (tmp_path / "image.zarr").rename(tmp_path / "folder")
    assert reader_for(str(tmp_path / "folder"), facts()) == "ome_zarr"
    assert open_input(str(tmp_path / "folder"), facts()).shape == (3, 8, 9)
    assert uri.endswith("zarr")


def test_remote_store(tmp_path):
    data = pixels((3, 8, 9))
    written(tmp_path, data)
    fsspec.filesystem("memory").put(str(tmp_path / "image.zarr"), "/ome/image.zarr", recursive=True)
    assert reader_for("memory://ome/image.zarr", facts()) == "ome_zarr"
    np.testing.assert_array_equal(window(open_input("memory://ome/image.zarr", facts())), data)


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ({"plate": {}, "version": "0.5"}, r"is a plate or a collection of images; give its images as inputs"),
        ({"bioformats2raw.layout": 3}, r"is a plate or a collection of images"),
        ({"multiscales": []}, r"metadata are broken: IndexError"),
        ({"multiscales": [{"datasets": [{"path": "7"}]}]}, r"none of the levels 7 that its metadata name is there"),
        (multiscale(AXES, [1.0] * 5), r"the metadata name 5 axes, but level '0' has 3"),
        ({"multiscales": [{"axes": 3, "datasets": [{"path": "0"}]}]}, r"metadata are broken: TypeError"),
    ],
)
def test_metadata_that_do_not_fit(tmp_path, said, sentence):
    uri = written(tmp_path, pixels((3, 8, 9)), said=said)
    with pytest.raises(InputError, match=sentence) as caught:
        open_input(uri, facts())
    check_sentence(str(caught.value))


def test_broken_json(tmp_path):
    uri = written(tmp_path, pixels((3, 8, 9)))
    (tmp_path / "image.zarr" / "zarr.json").write_text('{"attributes": ')
    with pytest.raises(InputError, match=r"image.zarr/zarr.json is broken: Expecting value"):
        open_input(uri, facts())


@pytest.mark.data
def test_real_version_04(data):
    image = open_input(str(data / "micro_formats/tubhiswt4D_v04.zarr"), facts())
    assert (image.dims, image.shape) == (("t", "c", "z", "y", "x"), (3, 1, 2, 512, 512))
    assert image.attrs["pixel_size"] == {"t": 1.0, "z": 1.0, "y": 1.0, "x": 1.0}
    assert image.attrs["unit"]["t"] == "second"
    level = zarr.open_array(str(data / "micro_formats/tubhiswt4D_v04.zarr"), path="0", mode="r")
    np.testing.assert_array_equal(window(image), level[:])


@pytest.mark.data
def test_real_version_05_with_the_third_level_only(data):
    uri = data / "micro_formats/idr6001240_v05.zarr"
    image = open_input(str(uri), facts())
    assert (image.dims, image.shape) == (("c", "z", "y", "x"), (2, 236, 68, 67))
    assert list(image.c.values) == ["LaminB1", "Dapi"]
    scale = json.loads((uri / "zarr.json").read_text())["attributes"]["ome"]["multiscales"][0]["datasets"][0]
    assert list(image.attrs["pixel_size"].values()) == scale["coordinateTransformations"][0]["scale"][1:]
    assert window(image, z=slice(100, 101)).mean() > 0
