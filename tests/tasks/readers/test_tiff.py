"""TIFF in all its ways: axes, types, byte order, compression, metadata, cut files, several dialects."""

import gc
import os

import numpy as np
import pytest
import tifffile
from contracts.reader import check_attributes, check_sentence, facts, window

from tasks.errors import InputError
from tasks.readers import open_input, reader_for
from tasks.readers._canonical import DTYPES


def pixels(shape, dtype="uint16", seed=0):
    draw = np.random.default_rng(seed)
    if np.dtype(dtype).kind == "f":
        return draw.normal(0, 1, shape).astype(dtype)
    return draw.integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


def written(tmp_path, data, name="image.tif", ome=False, imagej=False, **options):
    form = {"byteorder": options.pop("byteorder", None), "bigtiff": options.pop("bigtiff", False)}
    with tifffile.TiffWriter(tmp_path / name, ome=ome, imagej=imagej, **form) as file:
        file.write(data, **({"photometric": "minisblack"} | options))
    return str(tmp_path / name)


@pytest.mark.parametrize("shape", [(17, 3), (1, 1), (64, 48), (5, 17, 3)])
@pytest.mark.parametrize("dtype", DTYPES)
def test_types_and_odd_sizes(tmp_path, shape, dtype):
    data = pixels(shape, dtype)
    for options in ({}, {"compression": "zlib"}):
        image = open_input(written(tmp_path, data, **options), facts())
        assert image.dims == ("z", "y", "x")[-len(shape) :]
        assert image.dtype == dtype
        np.testing.assert_array_equal(window(image), data)
        check_attributes(image)


@pytest.mark.parametrize(
    "options",
    [
        {"byteorder": ">"},
        {"byteorder": ">", "compression": "zlib"},
        {"tile": (32, 16)},
        {"tile": (32, 16), "compression": "zstd", "predictor": True},
        {"rowsperstrip": 7, "compression": "lzw"},
        {"compression": "zlib", "predictor": True},
        {"metadata": None},
        {"ome": True, "metadata": {"axes": "ZYX"}},
        {"imagej": True, "metadata": {"axes": "ZYX"}},
    ],
    ids=str,
)
def test_ways_to_store_a_stack(tmp_path, options):
    data = pixels((6, 65, 49))
    image = open_input(written(tmp_path, data, **options), facts())
    assert image.dims == ("z", "y", "x")
    np.testing.assert_array_equal(window(image), data)
    part = window(image, z=slice(4, 1, -2), y=slice(11, 60, 5), x=slice(3, 4))
    np.testing.assert_array_equal(part, data[4:1:-2, 11:60:5, 3:4])
    np.testing.assert_array_equal(image.data[:, [5, 2, 2], :].compute(scheduler="synchronous"), data[:, [5, 2, 2], :])


def test_a_large_page_is_read_by_strips(tmp_path):
    data = pixels((3000, 1000))
    fast = {"compression": "zlib", "compressionargs": {"level": 1}}
    image = open_input(written(tmp_path, data, rowsperstrip=10, **fast), facts())
    assert image.attrs["source_chunks"] == {"y": 10, "x": 1000}
    assert max(np.prod(chunk) for chunk in [image.data.chunksize]) * 2 <= 16 * 2**20
    np.testing.assert_array_equal(window(image, y=slice(995, 1007), x=slice(7, 99)), data[995:1007, 7:99])


def test_one_huge_compressed_strip_is_told(tmp_path):
    data = np.zeros((9000, 8000), np.uint8)
    image = open_input(written(tmp_path, data, rowsperstrip=9000, compression="zlib"), facts())
    assert "pieces of 69 MiB" in image.attrs["notes"][0]


def test_ome_axes_sizes_and_channels(tmp_path):
    data = pixels((3, 4, 2, 20, 30))
    metadata = {
        "axes": "TZCYX", "Channel": {"Name": ["DAPI", "GFP"]},
        "PhysicalSizeX": 108, "PhysicalSizeXUnit": "nm",
        "PhysicalSizeY": 0.108, "PhysicalSizeYUnit": "µm",
        "PhysicalSizeZ": 0.5, "PhysicalSizeZUnit": "µm",
        "TimeIncrement": 500, "TimeIncrementUnit": "ms",
    }  # fmt: skip
    image = open_input(written(tmp_path, data, "image.ome.tif", ome=True, metadata=metadata), facts())
    assert image.dims == ("t", "c", "z", "y", "x")
    np.testing.assert_array_equal(window(image), np.swapaxes(data, 1, 2))
    assert list(image.c.values) == ["DAPI", "GFP"]
    assert image.attrs["pixel_size"] == {"t": 0.5, "z": 0.5, "y": 0.108, "x": 108.0}
    assert image.attrs["unit"] == {"t": "second", "z": "micrometer", "y": "micrometer", "x": "nanometer"}
    assert image.attrs["layout"] == "ngff"


def test_imagej_calibration(tmp_path):
    data = pixels((4, 3, 2, 20, 30))
    metadata = {"axes": "TZCYX", "spacing": 0.7, "unit": "micron", "finterval": 2.5, "tunit": "sec"}
    image = open_input(written(tmp_path, data, imagej=True, resolution=(4, 5), metadata=metadata), facts())
    assert image.dims == ("t", "c", "z", "y", "x")
    np.testing.assert_array_equal(window(image), np.swapaxes(data, 1, 2))
    assert image.attrs["pixel_size"] == {"t": 2.5, "z": 0.7, "y": 0.2, "x": 0.25}
    assert set(image.attrs["unit"].values()) == {"second", "micrometer"}


def test_imagej_names_of_channels(tmp_path):
    metadata = {"axes": "CYX", "Labels": ["nuclei", "membranes"]}
    image = open_input(written(tmp_path, pixels((2, 8, 9)), imagej=True, metadata=metadata), facts())
    assert list(image.c.values) == ["nuclei", "membranes"]


@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_colour_becomes_channels(tmp_path, planar):
    data = pixels((20, 30, 3), "uint8")
    stored = data if planar == "contig" else np.moveaxis(data, -1, 0)
    image = open_input(written(tmp_path, stored, photometric="rgb", planarconfig=planar), facts())
    assert image.dims == ("c", "y", "x")
    assert list(image.c.values) == ["red", "green", "blue"]
    np.testing.assert_array_equal(window(image), np.moveaxis(data, -1, 0))


def test_resolution_counts_per_centimetre_only(tmp_path):
    per_cm = written(tmp_path, pixels((8, 9)), resolution=(1e5, 2e5), resolutionunit="CENTIMETER")
    assert open_input(per_cm, facts()).attrs["pixel_size"] == {"y": 0.05, "x": 0.1}
    per_inch = written(tmp_path, pixels((8, 9)), resolution=(72, 72), resolutionunit="INCH")
    assert open_input(per_inch, facts()).attrs["pixel_size"] == {}


def test_facts_override_the_file(tmp_path):
    data = pixels((5, 20, 30))
    known = facts(
        axes="CYX",
        channels=list("abcde"),
        pixel_size={"x": 0.5, "y": 0.4, "unit": "nanometer"},
        nodata=float("nan"),
        crs="EPSG:32633",
    )
    image = open_input(written(tmp_path, data), known)
    assert image.dims == ("c", "y", "x")
    assert list(image.c.values) == list("abcde")
    assert image.attrs["pixel_size"] == {"y": 0.4, "x": 0.5}
    assert image.attrs["unit"] == {"y": "nanometer", "x": "nanometer"}
    assert np.isnan(image.attrs["nodata"])
    assert image.attrs["layout"] == "geo"
    assert image.rio.crs.to_epsg() == 32633


def test_axes_are_in_the_order_of_the_file(tmp_path):
    data = pixels((20, 30, 5))
    image = open_input(written(tmp_path, data, planarconfig="contig", photometric="minisblack"), facts(axes="yxt"))
    assert image.dims == ("t", "y", "x")
    np.testing.assert_array_equal(window(image), np.moveaxis(data, -1, 0))


@pytest.mark.parametrize(
    ("known", "shape", "sentence"),
    [
        ({}, (2, 3, 8, 9), r"the axes .*=2, .*=3, y=8, x=9 need names; set 'axes' in the catalogue"),
        ({"axes": "tzcyx"}, (3, 8, 9), r"axes 'tzcyx' name 5 axes, but the image has 3"),
        ({"channels": ["a", "b"]}, (3, 8, 9), r"has 1 channel\(s\), but the catalogue names 2: a, b"),
        ({"axes": "cyx", "channels": ["a"]}, (3, 8, 9), r"has 3 channel\(s\), but the catalogue names 1: a"),
        ({"crs": "EPSG:nonsense"}, (8, 9), r"'EPSG:nonsense' is not a coordinate reference system"),
    ],
)
def test_facts_that_do_not_fit(tmp_path, known, shape, sentence):
    with pytest.raises(InputError, match=sentence) as caught:
        open_input(written(tmp_path, pixels(shape)), facts(**known))
    check_sentence(str(caught.value))


@pytest.mark.parametrize("dtype", ["complex64", "bool", "uint64", "int64"])
def test_types_that_are_not_supported(tmp_path, dtype):
    uri = written(tmp_path, np.zeros((8, 9), dtype))
    with pytest.raises(InputError, match=f"pixels of type {dtype} are not supported; allowed: uint8"):
        open_input(uri, facts())


WRITERS = {
    "plain": {},
    "deflate": {"compression": "zlib"},
    "ome": {"ome": True, "metadata": {"axes": "ZYX"}},
    "ome deflate": {"ome": True, "compression": "zlib", "metadata": {"axes": "ZYX"}},
    "imagej": {"imagej": True, "metadata": {"axes": "ZYX"}},
    "tiled": {"tile": (16, 16), "compression": "zlib"},
    "no description": {"metadata": None, "compression": "zlib"},
    "bigtiff": {"bigtiff": True, "compression": "zlib"},
    "big endian": {"byteorder": ">", "rowsperstrip": 8},
}


@pytest.mark.parametrize("options", WRITERS.values(), ids=WRITERS)
@pytest.mark.parametrize("share", [0.0001, 0.01, 0.2, 0.5, 0.9, 0.99, 0.999, 1])
def test_a_cut_file_is_never_a_smaller_image(tmp_path, options, share):
    data = pixels((12, 64, 48))
    uri = written(tmp_path, data, **options)
    whole = (tmp_path / "image.tif").read_bytes()
    (tmp_path / "image.tif").write_bytes(whole[: int(len(whole) * share)])
    try:
        found = window(open_input(uri, facts()))
    except InputError as error:
        check_sentence(str(error))
        assert share < 1
    else:
        np.testing.assert_array_equal(found, data)


def test_cut_file_says_so(tmp_path):
    uri = written(tmp_path, pixels((64, 48)), rowsperstrip=8)
    whole = (tmp_path / "image.tif").read_bytes()
    (tmp_path / "image.tif").write_bytes(whole[:-100])
    with pytest.raises(InputError, match=rf"is cut off: it has {len(whole) - 100} bytes.*copy it again"):
        open_input(uri, facts())


def test_pixels_that_cannot_be_decoded(tmp_path):
    uri = written(tmp_path, pixels((64, 48)), compression="zlib")
    with tifffile.TiffFile(uri) as file:
        place = file.pages[0].dataoffsets[0]
    with open(uri, "r+b") as file:
        file.seek(place)
        file.write(b"\xff" * 60)
    image = open_input(uri, facts())
    with pytest.raises(InputError, match=r"image.tif: pixels \[0:64, 0:48\] cannot be read") as caught:
        window(image)
    check_sentence(str(caught.value))


@pytest.mark.parametrize(
    "content", [b"", b"II", b"not a TIFF at all, but a text", b"II*\0\xff\xff\xff\xff", b"MM\0*\0\0\0\x08"]
)
def test_not_a_tiff(tmp_path, content):
    (tmp_path / "image.tif").write_bytes(content)
    with pytest.raises(InputError, match=r"image.tif is (not a TIFF file|cut off|broken)") as caught:
        open_input(str(tmp_path / "image.tif"), facts())
    check_sentence(str(caught.value))


def test_further_images_are_noted(tmp_path):
    with tifffile.TiffWriter(tmp_path / "two.tif") as file:
        file.write(pixels((8, 9)))
        file.write(pixels((30, 40)))
    image = open_input(str(tmp_path / "two.tif"), facts())
    assert image.shape == (8, 9)
    assert image.attrs["notes"] == ["The file holds 2 images; the first is read."]


@pytest.mark.parametrize("options", [{}, {"compression": "zlib"}], ids=["contiguous", "compressed"])
def test_remote_file(tmp_path, options):
    import fsspec

    data = pixels((5, 64, 48))
    written(tmp_path, data, **options)
    fsspec.filesystem("memory").pipe("/tiffs/stack.tif", (tmp_path / "image.tif").read_bytes())
    image = open_input("memory://tiffs/stack.tif", facts())
    np.testing.assert_array_equal(window(image, z=slice(1, 3), y=slice(9, 20)), data[1:3, 9:20])


def test_files_are_closed_again(tmp_path):
    uri = written(tmp_path, pixels((64, 48)), compression="zlib")
    window(open_input(uri, facts()))
    gc.collect()
    before = len(os.listdir("/proc/self/fd")) if os.path.exists("/proc/self/fd") else 0
    for _ in range(30):
        window(open_input(uri, facts()))
    gc.collect()
    assert not before or len(os.listdir("/proc/self/fd")) <= before + 2


@pytest.mark.data
@pytest.mark.parametrize(
    ("path", "dims", "shape", "size"),
    [
        (
            "micro_stacks/neubias/xyzc_16bit__dna_conf_wf.tif",
            ("c", "z", "y", "x"),
            (2, 45, 130, 133),
            0.5118778700352326,
        ),
        ("micro_stacks/neubias/xyz_8bit__chromosomes.tif", ("z", "y", "x"), (40, 152, 126), 0.03385416842990461),
        ("micro_stacks/neubias/xyc_16bit__cell_dna_mts_actin.tif", ("c", "y", "x"), (3, 350, 350), 0.13249158777786302),
        ("micro_stacks/lysosome/lysosome_02.tif", ("t", "y", "x"), (50, 128, 128), 0.1292006523599339),
        ("micro_stacks/membrane_2d_timelapse.tif", ("z", "y", "x"), (5, 256, 256), None),
        ("micro_stacks/imc_E34.tiff", ("z", "y", "x"), (5, 100, 100), None),
        ("micro_formats/golgi_bfa.ome.tif", ("z", "y", "x"), (25, 137, 147), 0.3514352968960532),
        ("em/n2v_sem.tif", ("y", "x"), (471, 800), None),
        ("micro_pairs/w2s/001_0_avg1.tif", ("y", "x"), (512, 512), None),
    ],
)
def test_real_files(data, path, dims, shape, size):
    uri = str(data / path)
    image = open_input(uri, facts())
    assert reader_for(uri, facts()) == "tiff"
    assert (image.dims, image.shape) == (dims, shape)
    assert image.attrs["pixel_size"].get("x") == size
    check_attributes(image)
    expected = tifffile.imread(uri)
    expected = np.swapaxes(expected, 0, 1) if expected.ndim == 4 else expected
    np.testing.assert_array_equal(window(image), expected)


@pytest.mark.data
def test_unsupported_format_says_what_to_do(data):
    with pytest.raises(InputError, match=r"is not supported \(.czi\); convert it to OME-TIFF or OME-Zarr"):
        open_input(str(data / "micro_formats/neubias_multiple_images.czi"), facts())
