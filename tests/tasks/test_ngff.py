"""Published images as OME-Zarr 0.5: valid, with names, sizes and half-size copies."""

import uuid
import warnings

import numpy as np
import pytest
import zarr
from contracts.publishing import grid_of, image, restored, source
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.catalog.facts import Facts
from tasks.publish import publish_input
from tasks.readers import open_input
from tasks.stores.pixels import halved
from tasks.stores.place import Place

SIZES = {"t": 2, "c": 3, "z": 4, "y": 61, "x": 550}


def published(dims, dtype="uint16", **given):
    """A published group and its pixels."""
    attrs = {name: given.pop(name) for name in ("pixel_size", "unit", "nodata") if name in given}
    opened = source(given.pop("pixels", image(tuple(SIZES[axis] for axis in dims), dtype)), dims, **attrs)
    top = Place(f"memory://{uuid.uuid4().hex}")
    publish_input(restored(opened, grid_of(opened, tile=256, shard=512), top, **given))
    return zarr.open_group((top / "a.zarr").store(), mode="r"), opened


@pytest.mark.parametrize("dims", ["yx", "zyx", "cyx", "tyx", "tczyx"])
def test_all_metadata_are_valid(dims):
    from ome_zarr_models.v05.image import Image
    from ome_zarr_models.v05.image_label import ImageLabel
    from ome_zarr_models.v05.labels import Labels

    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        group, _ = published(tuple(dims), "uint8")
        found = Image.from_zarr(group)
        Labels.from_zarr(group["labels"])
        label = ImageLabel.from_zarr(group["labels/verdict"])
    assert [axis.name for axis in found.ome_attributes.multiscales[0].axes] == list(dims)
    assert len(found.datasets[0]) == 3
    properties = label.attributes.model_dump(by_alias=True)["ome"]["image-label"]["properties"]
    assert [each["verdict"] for each in properties] == ["not_restored", "good", "suspect", "failed"]


def test_pixel_sizes_units_and_names_come_along():
    sizes = {"t": 30.0, "z": 2.0, "y": 0.5, "x": 0.25}
    units = {"t": "second", "z": "micrometer", "y": "µm", "x": "um"}
    group, _ = published(tuple("tczyx"), "uint8", pixel_size=sizes, unit=units)
    ome = group.attrs["ome"]
    scales = ome["multiscales"][0]
    assert [axis.get("unit") for axis in scales["axes"]] == ["second", None, "micrometer", "micrometer", "micrometer"]
    transforms = [each["coordinateTransformations"] for each in scales["datasets"]]
    assert [each[0]["scale"] for each in transforms] == [[30, 1, 2, 0.5 * n, 0.25 * n] for n in (1, 2, 4)]
    # The centre of the first pixel of a copy is that of the pixels that it was made of.
    assert transforms[2][1] == {"type": "translation", "translation": [0, 0, 0, 0.75, 0.375]}
    assert [each["label"] for each in ome["omero"]["channels"]] == ["band 0", "band 1", "band 2"]
    assert ome["omero"]["channels"][0]["window"] == {"min": 0, "max": 255, "start": 3, "end": 250}
    assert group.attrs["ome"]["version"] == "0.5"


def test_without_known_sizes_no_unit_is_claimed():
    group, _ = published(("y", "x"))
    axes = group.attrs["ome"]["multiscales"][0]["axes"]
    assert axes == [{"name": "y", "type": "space"}, {"name": "x", "type": "space"}]
    assert group.attrs["ome"]["omero"]["channels"][0]["label"] == "a"


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32"])
def test_copies_are_means_of_two_by_two(dtype):
    group, opened = published(("z", "y", "x"), dtype)
    assert group["1"].shape == (4, 31, 275)
    assert group["2"].shape == (4, 16, 138)
    assert "3" not in group
    whole = opened.values[:, :60].astype(np.float64)
    mean = (whole[:, ::2, ::2] + whole[:, 1::2, ::2] + whole[:, ::2, 1::2] + whole[:, 1::2, 1::2]) / 4
    expected = mean if dtype == "float32" else np.rint(mean)
    np.testing.assert_allclose(group["1"][:, :30], expected, rtol=1e-6, atol=1e-4 if dtype == "float32" else 0)
    last = opened.values[:, 60].astype(np.float64).reshape(4, 275, 2).mean(axis=2)
    np.testing.assert_allclose(group["1"][:, 30], last if dtype == "float32" else np.rint(last), rtol=1e-5, atol=1e-4)


def test_copies_leave_out_what_was_not_measured():
    pixels = np.full((300, 300), 100, np.int16)
    pixels[:, :101] = -999
    group, _ = published(("y", "x"), pixels=pixels, nodata=-999)
    assert set(np.unique(group["1"][:])) == {-999, 100}
    assert (group["1"][:, :50] == -999).all()
    assert (group["1"][:, 50:] == 100).all()
    floats = np.where(pixels < 0, np.float32(np.nan), np.float32(0.5))
    group, _ = published(("y", "x"), pixels=floats, nodata=np.nan)
    np.testing.assert_array_equal(np.isnan(group["1"][:]).all(axis=0), np.arange(150) < 50)


def test_the_pyramid_can_be_left_out():
    group, _ = published(("y", "x"), pyramid=False)
    assert sorted(group.array_keys()) == ["0"]
    assert sorted(group["labels/verdict"].array_keys()) == ["0"]


def test_chunks_and_shards():
    group, _ = published(("t", "c", "z", "y", "x"), "uint8", chunk=64)
    assert group["0"].chunks == (1, 1, 1, 61, 64)
    assert group["0"].shards == (2, 3, 4, 61, 576)
    assert group["2"].shards == (2, 3, 4, 16, 192)
    small, _ = published(("y", "x"), pixels=np.ones((9, 7), np.uint8))
    assert small["0"].chunks == (9, 7)
    assert small["0"].shards is None


def test_a_published_image_can_be_an_input_again(tmp_path):
    sizes, units = {"z": 2.0, "y": 0.5, "x": 0.5}, dict.fromkeys("zyx", "micrometer")
    opened = source(image((2, 3, 40, 50), "uint16"), ("c", "z", "y", "x"), pixel_size=sizes, unit=units)
    publish_input(restored(opened, grid_of(opened), Place(str(tmp_path))))
    again = open_input(str(tmp_path / "a.zarr"), Facts(title="restored", source="a.zarr"))
    assert again.dims == opened.dims
    assert (again.attrs["pixel_size"], again.attrs["unit"]) == (sizes, units)
    np.testing.assert_array_equal(again.values, opened.values)
    np.testing.assert_array_equal(again.c, opened.c)


@given(y=st.integers(1, 9), x=st.integers(1, 9), seed=st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_halving_is_the_rounded_mean_of_what_is_there(y, x, seed):
    pixels = np.random.default_rng(seed).integers(0, 5, (2, y, x)).astype(np.uint8)
    half = halved(pixels, nodata=0)
    assert half.shape == (2, -(-y // 2), -(-x // 2))
    for plane, row, column in np.ndindex(half.shape):
        four = pixels[plane, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2]
        measured = four[four != 0]
        # A last row or column that has no partner counts twice, which leaves its mean as it is.
        assert half[plane, row, column] == (np.rint(measured.mean()) if measured.size else 0)
