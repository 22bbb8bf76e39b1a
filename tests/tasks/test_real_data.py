"""A real OME-TIFF stack, a real confocal image and a real Landsat scene, restored end to end."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
import yaml
import zarr
from contracts.pipeline import pixels, restored

from tasks.catalog.facts import Facts
from tasks.readers import open_input

pytestmark = [pytest.mark.data, pytest.mark.slow]
LIGHT = {"method": "zs_n2n", "method__steps": 300, "bad_tiles": 1.0}


def test_an_ome_tiff_stack_keeps_its_axes_and_pixel_size(shared_data: Path, tmp_path: Path) -> None:
    source = shared_data / "micro_formats" / "golgi_bfa.ome.tif"
    summary = restored(str(source), tmp_path, **LIGHT)
    (collection,) = [each for each in tmp_path.iterdir() if each.is_dir()]
    before = open_input(str(source), Facts(title="x", source=str(source)))
    after = open_input(str(collection / "golgi_bfa.zarr"), Facts(title="x", source="x"))
    assert summary.tiles == 25
    assert after.dims == before.dims == ("z", "y", "x")
    assert after.dtype == before.dtype == np.uint16
    assert after.attrs["pixel_size"] == pytest.approx(before.attrs["pixel_size"])
    assert not np.array_equal(after.values, before.values)
    # A third of a photon per pixel in most of it: below a photon or two no stabilisation is without bias.
    assert abs(float(after.mean()) / float(before.mean()) - 1) < 0.04
    labels = zarr.open_group(collection / "golgi_bfa.zarr", mode="r")["labels/verdict/0"]
    assert labels.shape == after.shape  # type: ignore[union-attr]


def test_a_confocal_image_gets_nearer_to_its_average_of_fifty(shared_data: Path, tmp_path: Path) -> None:
    folder = shared_data / "micro_pairs" / "fmd"
    facts = {
        "title": "confocal cells",
        "source": str(folder / "Confocal_BPAE_B_raw1.png"),
        "reference": {"source": str(folder / "Confocal_BPAE_B_gt.png")},
    }
    catalog = tmp_path / "catalog.yaml"
    catalog.write_text(yaml.safe_dump({"collections": {"bpae": facts}}))
    restored("bpae", tmp_path / "out", catalog=catalog, **LIGHT)
    rows = pd.read_parquet(tmp_path / "out" / "bpae" / "convergence")
    assert rows["noise_gain"].iloc[0] == pytest.approx(3.9, rel=0.15)  # from fifty captures of the field
    assert rows["psnr"].mean() > rows["psnr_noisy"].mean() + 3
    assert rows["psnr"].mean() >= rows["psnr_control"].mean()  # a light fit has nothing to add to the control here
    assert (rows["risk_psnr"] - rows["psnr"]).abs().mean() < 2


def test_a_landsat_scene_keeps_its_place_and_its_nodata(shared_data: Path, tmp_path: Path) -> None:
    source = shared_data / "satellite" / "landsat" / "ls5_nbar_25m.tif"
    restored(str(source), tmp_path, **LIGHT)
    (collection,) = [each for each in tmp_path.iterdir() if each.is_dir()]
    before = open_input(str(source), Facts(title="x", source=str(source)))
    with xr.open_zarr(collection / "ls5_nbar_25m.zarr", decode_coords="all", mask_and_scale=False) as after:
        assert after["image"].rio.crs == before.rio.crs
        assert after["image"].rio.transform() == before.rio.transform()
        assert after["image"].rio.nodata == -999
    raw, image = before.values, pixels(collection, "ls5_nbar_25m")
    missing = (raw == -999).any(axis=0)
    assert missing.mean() > 0.03
    np.testing.assert_array_equal(image[:, missing], raw[:, missing])
    assert image.dtype == np.int16
    means = image[:, ~missing].mean(axis=1) / raw[:, ~missing].mean(axis=1)
    np.testing.assert_allclose(means, 1, atol=0.02)
