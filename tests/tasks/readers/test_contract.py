"""The reader contract, over every reader of the folder."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import rioxarray  # noqa: F401
import tifffile
import xarray as xr
import zarr
from contracts import reader as contract
from contracts.reader import Case
from PIL import Image

from tasks.readers import known_readers


def write_tiff(folder, pixels):
    tifffile.imwrite(folder / "stack.tif", pixels, photometric="minisblack", compression="zlib", rowsperstrip=16)
    return str(folder / "stack.tif")


def write_geotiff(folder, pixels):
    image = xr.DataArray(pixels, dims=("band", "y", "x")).rio.write_crs("EPSG:32633")
    image = image.assign_coords(y=5e6 - 10.0 * np.arange(pixels.shape[1]), x=5e5 + 10.0 * np.arange(pixels.shape[2]))
    image.rio.to_raster(folder / "scene.tif", tiled=True, blockxsize=64, blockysize=64)
    return str(folder / "scene.tif")


def write_ome_zarr(folder, pixels):
    root = zarr.open_group(folder / "image.zarr", mode="w")
    root.create_array("0", data=pixels, chunks=(1, 64, 64), shards=(1, 256, 256))
    axes = [{"name": "z", "type": "space"}, {"name": "y", "type": "space"}, {"name": "x", "type": "space"}]
    scale = [{"type": "scale", "scale": [2.0, 0.5, 0.5]}]
    datasets = [{"path": "0", "coordinateTransformations": scale}]
    root.attrs["ome"] = {"version": "0.5", "multiscales": [{"axes": axes, "datasets": datasets}]}
    return str(folder / "image.zarr")


def write_plain_zarr(folder, pixels):
    zarr.create_array(folder / "plain.zarr", data=pixels, chunks=(1, 128, 128))
    return str(folder / "plain.zarr")


def write_netcdf(folder, pixels):
    image = xr.DataArray(pixels, dims=("time", "y", "x"), name="counts")
    image.to_netcdf(
        folder / "series.nc", encoding={"counts": {"chunksizes": (1, 128, 128), "zlib": True, "complevel": 1}}
    )
    return str(folder / "series.nc")


def write_picture(folder, pixels):
    Image.fromarray(np.moveaxis(pixels, 0, -1)).save(folder / "picture.png")
    return str(folder / "picture.png")


def cut_file(uri):
    data = Path(uri).read_bytes()
    Path(uri).write_bytes(data[: len(data) * 2 // 3])


def cut_chunks(uri):
    for file in sorted(Path(uri).rglob("*")):
        if file.is_file() and file.name != "zarr.json":
            file.write_bytes(file.read_bytes()[:50])


CASES = [
    Case("tiff", ("z", "y", "x"), (6, 512, 500), "uint16", write_tiff, cut_file),
    Case("geotiff", ("c", "y", "x"), (3, 640, 600), "uint16", write_geotiff, cut_file),
    Case("ome_zarr", ("z", "y", "x"), (5, 512, 512), "uint16", write_ome_zarr, cut_chunks),
    Case("plain_zarr", ("z", "y", "x"), (5, 512, 512), "float32", write_plain_zarr, cut_chunks),
    Case("netcdf", ("t", "y", "x"), (16, 512, 512), "int16", write_netcdf, cut_file, ahead=2**22 + 2**16),
    Case("picture", ("c", "y", "x"), (3, 700, 701), "uint8", write_picture, cut_file, whole=True),
]


def test_every_reader_has_a_case():
    # The packaged pictures have no file to write or cut: test_packaged.py runs the same promises over them.
    assert {case.reader for case in CASES} == set(known_readers()) - {"packaged"}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.reader)
@pytest.mark.parametrize(
    "promise",
    [
        contract.check_one_reader_claims,
        contract.check_complete,
        contract.check_lazy,
        contract.check_two_reads_equal,
        contract.check_threads,
        contract.check_broken,
    ],
    ids=lambda promise: promise.__name__,
)
def test_contract(case, promise, tmp_path):
    promise(case, tmp_path)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.reader)
def test_missing_file(case, tmp_path):
    uri = case.write(tmp_path, case.pixels())
    shutil.rmtree(uri) if Path(uri).is_dir() else Path(uri).unlink()
    with pytest.raises(contract.InputError, match="There is no file"):
        contract.open_input(uri, contract.facts())
