"""Enlarging through the whole pipeline: pixels, where they lie, what is judged of them, and what is refused."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import rioxarray  # noqa: F401 - gives arrays their .rio
import skimage.data
import tifffile
import torch
import xarray as xr
import yaml
import zarr
from affine import Affine
from contracts.pipeline import begun, pixels, restored
from contracts.publishing import NORTH_UP, ROTATED
from contracts.publishing import scene as published_scene

from il_models.degradations import Downsample, gaussian_psf
from il_models.resampling import resized
from tasks.catalog.companions import GaussianPsf
from tasks.catalog.facts import Facts
from tasks.errors import RequestError
from tasks.finer import finer
from tasks.instrument import border_of, instrument_of
from tasks.psf import psf_from_file
from tasks.recipe import load_recipe
from tasks.report.before_after import before_after
from tasks.report.page import write_report
from tasks.report.published import open_published
from tasks.report.tile_rows import read_rows
from tasks.stores.place import Place
from tasks.summary import read_summary
from tasks.treatment import settled_facts
from tasks.verification import verify_tiles

PIXEL = 0.2  # micrometer
RUN = {"tiling__shard": 80, "bad_tiles": 1}


@pytest.fixture(scope="module")
def scene() -> np.ndarray:
    """A clean plane, whose sides 2, 3 and 4 divide."""
    return skimage.data.camera()[60:300, 120:408].astype(np.float64) * 100


def shrunken(scene: np.ndarray, factor: int) -> np.ndarray:
    """As the instrument of the recipes sees it, rounded."""
    seen = Downsample(factor)(torch.from_numpy(scene.copy())[None, None])[0, 0].numpy()
    return seen.round().clip(0, 65535).astype(np.uint16)


def catalogued(folder: Path, name: str, **facts: object) -> Path:
    """A catalogue of one collection, `cells`."""
    entry = {"title": "cells", "source": name, "noise": "none", **facts}
    (folder / "catalog.yaml").write_text(yaml.safe_dump({"collections": {"cells": entry}}))
    return folder / "catalog.yaml"


def fields(method: str, **values: object) -> dict[str, object]:
    """A method and some of its fields, as settings."""
    return {"method__name": method, **{f"method__{name}": value for name, value in values.items()}}


def stack(folder: Path, planes: np.ndarray) -> Path:
    """A stack of planes with its pixel size, as a microscope writes it."""
    tifffile.imwrite(
        folder / "stack.ome.tif",
        planes,
        metadata={"axes": "ZYX", "PhysicalSizeX": PIXEL, "PhysicalSizeY": PIXEL, "PhysicalSizeZ": 1.0},
    )
    return catalogued(folder, "stack.ome.tif")


@pytest.mark.parametrize("factor", [2, 3])
def test_a_stack_is_enlarged_as_a_whole_and_lies_where_it_lay(scene: np.ndarray, factor: int, tmp_path: Path) -> None:
    planes = np.stack([shrunken(scene, factor), shrunken(scene[::-1], factor)])
    catalog = stack(tmp_path, planes)
    summary = restored(
        "cells",
        tmp_path / "out",
        catalog=catalog,
        method="bicubic",
        zoom=factor,
        output__chunk=64,
        tiling__tile=40,
        **RUN,
    )
    assert summary.published == 1
    found = pixels(tmp_path / "out" / "cells", "stack")
    side = (planes.shape[1] * factor, planes.shape[2] * factor)
    whole = resized(torch.from_numpy(planes.astype(np.float32))[:, None], side, float(factor))[:, 0].numpy()
    assert found.shape == (2, *side)
    assert np.abs(found - whole.clip(0, 65535)).max() < 0.6  # no seam, and no shift: all but rounding is equal
    ome = dict(zarr.open_group(tmp_path / "out" / "cells" / "stack.zarr", mode="r").attrs)["ome"]
    scale, shift = ome["multiscales"][0]["datasets"][0]["coordinateTransformations"]
    fine = PIXEL / factor
    assert scale["scale"] == pytest.approx([1.0, fine, fine])
    # Borders coincide: the first pixel's middle lies (PIXEL - fine) / 2 outside of the measured one's, which is at 0.
    assert shift["translation"] == pytest.approx([0.0, (fine - PIXEL) / 2, (fine - PIXEL) / 2])
    assert ome["multiscales"][0]["axes"][1] == {"name": "y", "type": "space", "unit": "micrometer"}
    table = pd.read_parquet(tmp_path / "out" / "cells" / "convergence")
    assert (table["factor"] == factor).all()
    assert table["shift"].max() < 0.2


def test_a_scene_keeps_its_extent(scene: np.ndarray, tmp_path: Path) -> None:
    import rasterio

    bands = np.stack([shrunken(scene, 2), shrunken(scene[:, ::-1], 2), shrunken(scene // 2, 2)]) + 3000
    bands[:, :9, 100:] = 0
    transform = Affine(10.0, 0.0, 300_000.0, 0.0, -10.0, 5_000_040.0)
    with rasterio.open(
        tmp_path / "scene.tif", "w", driver="GTiff", height=bands.shape[1], width=bands.shape[2], count=3,
        dtype="uint16", crs="EPSG:32633", transform=transform, nodata=0,
    ) as file:  # fmt: skip
        file.write(bands)
        file.descriptions = ("B02", "B03", "B04")
    catalog = catalogued(tmp_path, "scene.tif")
    settings = {"steps": 2, "views": 2, "width": 4, "crop": 16}
    restored("cells", tmp_path / "out", catalog=catalog, zoom=2, **fields("zssr", **settings), **RUN, tiling__tile=64)
    opened = xr.open_zarr(tmp_path / "out" / "cells" / "scene.zarr", decode_coords="all")
    assert opened.image.shape == (3, 2 * bands.shape[1], 2 * bands.shape[2])
    assert opened.image.rio.crs == "EPSG:32633"
    assert opened.image.rio.transform() == Affine(5.0, 0.0, 300_000.0, 0.0, -5.0, 5_000_040.0)
    right, bottom = 300_000 + 10 * bands.shape[2], 5_000_040 - 10 * bands.shape[1]
    assert opened.image.rio.bounds() == (300_000.0, bottom, right, 5_000_040.0)
    np.testing.assert_allclose(opened.x.values[:2], [300_002.5, 300_007.5])
    np.testing.assert_allclose(opened.y.values[:2], [5_000_037.5, 5_000_032.5])
    assert opened.band.values.tolist() == ["B02", "B03", "B04"]
    inside = np.isnan(opened.image.values[0]) | (opened.image.values[0] == 0)
    assert inside[:18, 200:].all()
    assert inside.sum() == 18 * (2 * bands.shape[2] - 200)
    assert opened.verdict.shape == opened.image.shape[1:]


def test_an_image_is_judged_beside_a_twin_of_its_size(scene: np.ndarray, tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "cell.tif", shrunken(scene, 2))
    tifffile.imwrite(tmp_path / "twin.tif", scene.astype(np.float32))
    catalog = catalogued(tmp_path, "cell.tif", reference={"source": "twin.tif"})
    settings = {"steps": 150, "crop": 32, "views": 2, "width": 16, "rate": 2e-3}
    restored("cells", tmp_path / "out", catalog=catalog, zoom=2, **fields("zssr", **settings), **RUN, tiling__tile=96)
    table = pd.read_parquet(tmp_path / "out" / "cells" / "convergence")
    assert (table["psnr"] > table["psnr_control"]).all()
    assert (table["psnr_control"] > table["psnr_noisy"]).all()
    assert (table["verdict"] == "good").all(), table["verdict_reason"].unique()
    assert (table["skill"] > 1).all()
    assert (table["residual_ratio"] < 1).all()
    assert (table["shift"] < 0.1).all()


def test_a_twin_of_the_measurement_says_nothing_of_the_image(scene: np.ndarray, tmp_path: Path) -> None:
    for name in ("cell", "twin"):
        tifffile.imwrite(tmp_path / f"{name}.tif", shrunken(scene, 4))
    catalog = catalogued(tmp_path, "cell.tif", reference={"source": "twin.tif"})
    restored("cells", tmp_path / "out", catalog=catalog, method="bicubic", zoom=4, **RUN)
    table = pd.read_parquet(tmp_path / "out" / "cells" / "convergence")
    assert table["psnr"].isna().all()
    assert (
        table["verdict_reason"].str.contains("misses what was measured by").all()
    )  # interpolation does, without noise


def test_the_zoom_is_part_of_the_key_and_nothing_is_where_there_is_none(scene: np.ndarray, tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "cell.tif", shrunken(scene, 4))
    catalog = catalogued(tmp_path, "cell.tif")
    keys = set()
    for zoom in (2, 3, {"factor": 2, "kernel": "average"}):
        run, _ = begun("cells", tmp_path / json.dumps(zoom), catalog=catalog, method="bicubic", zoom=zoom, **RUN)
        keys.add(run.plan.key)
    assert len(keys) == 3
    assert "zoom" not in load_recipe().told()
    assert load_recipe().digest(None) == load_recipe(None, {"zoom": None}).digest(None)


@pytest.mark.parametrize(
    ("facts", "settings", "words"),
    [
        ({}, {"method": "bicubic", "zoom": 5}, "'zoom.factor': input should be 2, 3, 4 or 6. It is 5"),
        ({}, {"method": "bicubic", "zoom": 1.5}, "'zoom.factor': input should be 2, 3, 4 or 6. It is 1.5"),
        ({}, {"method": "bicubic", "zoom__kernle": "average"}, "'zoom.kernle' is not a known key. Did you mean"),
        ({}, {"method": "zssr"}, "the recipe does not say by how much; set zoom: 2, or take --recipe zoom_x2"),
        (
            {},
            {"method": "nlm", "zoom": 2},
            "The recipe enlarges images (zoom), which nlm cannot; leave `zoom` out",
        ),
        ({}, {"method": "zssr", "zoom": 2, "control": "nlm"}, "enlarges, and its control nlm removes noise"),
        ({}, {"method": "nlm", "control": "bicubic"}, "removes noise, and its control bicubic enlarges"),
        ({}, {"method": "bicubic", "zoom": {"kernel": "psf"}}, "(kernel: psf), and 'cells' states none"),
        ({"psf": "psf.npy"}, {"method": "bicubic", "zoom": {"kernel": "psf"}}, "its middle lies between pixels"),
        ({"noise": {"kind": "speckle"}}, {"method": "bicubic", "zoom": 2}, "has speckle, which bicubic cannot enlarge"),
    ],
)
def test_what_cannot_be_enlarged_is_refused(
    scene: np.ndarray, tmp_path: Path, facts: dict[str, object], settings: dict[str, object], words: str
) -> None:
    tifffile.imwrite(tmp_path / "cell.tif", shrunken(scene, 4))
    np.save(tmp_path / "psf.npy", np.full((4, 4), 1 / 16))
    with pytest.raises(RequestError) as told:
        begun("cells", tmp_path / "out", catalog=catalogued(tmp_path, "cell.tif", **facts), **settings)
    assert words in str(told.value)
    assert not (tmp_path / "out").exists()


def test_a_point_spread_function_is_undone_on_the_grid_of_the_image(scene: np.ndarray, tmp_path: Path) -> None:
    """A Gaussian by its width, and the same sampled by measured pixels, say nearly the same; and neither shifts."""
    fwhm, factor = 2.0, 3
    facts = Facts(title="cells", source="cell.tif", psf=GaussianPsf(kind="gaussian", fwhm=fwhm))
    recipe = load_recipe(None, {"method.name": "bicubic", "zoom": {"factor": factor, "kernel": "psf"}})
    settled = settled_facts("cells", facts, recipe)
    instrument = instrument_of(recipe, settled)
    assert instrument is not None
    assert instrument.psf is not None
    assert float(instrument.psf.sum()) == pytest.approx(1, abs=1e-6)
    assert border_of(recipe, settled) == -(-(max(instrument.psf.shape) // 2) // factor)
    A = instrument.degradation("cell", [slice(0, 1)], torch.device("cpu"))
    ramp = torch.arange(90.0)[None, None, None] + torch.zeros(90, 1)  # of the image, its pixel's middle at 0
    seen = A(ramp)[0, 0, 15, 12:18]
    torch.testing.assert_close(seen, torch.arange(12.0, 18.0) * factor + (factor - 1) / 2)
    coarse = gaussian_psf(fwhm)[0, 0].numpy()
    np.save(tmp_path / "psf.npy", coarse)
    sampled = psf_from_file(str(tmp_path / "psf.npy"), "The PSF", factor)
    assert sampled.shape == (1, coarse.shape[0] * factor, coarse.shape[1] * factor)
    widths = []
    for plane in (sampled[0], instrument.psf[0].double().numpy()):
        place = np.arange(len(plane)) - (len(plane) - 1) / 2
        widths.append(plane.sum(1) @ place**2)
    assert widths[0] == pytest.approx(widths[1], rel=0.1)


@pytest.mark.parametrize("kernel", ["average", "psf"])
def test_other_instruments_go_through_the_pipeline(scene: np.ndarray, kernel: str, tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "cell.tif", shrunken(scene, 2))
    catalog = catalogued(tmp_path, "cell.tif", psf={"kind": "gaussian", "fwhm": 1.2})
    given = {"method__name": "bicubic", "method__projections": 8, "zoom": {"factor": 2, "kernel": kernel}}
    restored("cells", tmp_path / "out", catalog=catalog, **given, **RUN, tiling__tile=64)
    assert pixels(tmp_path / "out" / "cells", "cell").shape == scene.shape
    table = pd.read_parquet(tmp_path / "out" / "cells" / "convergence")
    assert (table["shift"] < 0.2).all()
    assert (table["skill"] > 0).all()


def test_a_published_image_can_be_made_again_and_is_told_in_the_report(scene: np.ndarray, tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "cell.tif", shrunken(scene, 2))
    restored("cells", tmp_path / "out", catalog=catalogued(tmp_path, "cell.tif"), method="bicubic", zoom=2, **RUN)
    out = Place(str(tmp_path / "out" / "cells"))
    assert [each.difference for each in verify_tiles(out, 2)] == [0.0]
    image = open_published(out, "cell")
    assert image is not None
    assert image.factor == 2
    write_report(out, read_summary(out))
    page = (tmp_path / "out" / "cells" / "report.html").read_text()
    assert "240 × 288 px" in page
    shown = before_after(read_rows(out), out, [("worst", 0)])[0]
    assert shown.before is not None
    assert shown.residual is not None
    assert "of the measurement" in shown.place


@pytest.mark.parametrize("rotated", [False, True])
def test_a_place_on_the_ground_is_that_of_the_borders(rotated: bool) -> None:
    opened = published_scene(np.zeros((4, 6), np.uint16), ("y", "x"), ROTATED if rotated else NORTH_UP)
    corners = [opened.rio.transform() @ at for at in ((0, 0), (6, 4), (6, 0))]
    small = finer(opened, 3)
    assert small.shape == (12, 18)
    again = [small.rio.transform() @ at for at in ((0, 0), (18, 12), (18, 0))]
    np.testing.assert_allclose(again, corners)
    assert ("x" in small.coords) == (not rotated)


def test_what_was_not_measured_stays_so_and_empty_tiles_are_copied(tmp_path: Path) -> None:
    image = np.full((80, 64), 50.0, np.float32)
    image[:40] += np.random.default_rng(1).normal(0, 5, (40, 64)).astype(np.float32)
    image[3, 5] = np.nan
    tifffile.imwrite(tmp_path / "cell.tif", image)
    catalog = catalogued(tmp_path, "cell.tif")
    restored("cells", tmp_path / "out", catalog=catalog, method="bicubic", zoom=2, tiling__tile=30, **RUN)
    found = pixels(tmp_path / "out" / "cells", "cell")
    assert np.argwhere(np.isnan(found)).tolist() == [[6, 10], [6, 11], [7, 10], [7, 11]]
    assert (found[110:] == 50).all()


def test_dark_pixels_do_not_decide_what_is_missed(scene: np.ndarray, tmp_path: Path) -> None:
    """Photons on a background where the noise, as it was estimated, would be none."""
    light = shrunken(np.maximum(scene - 8000, 0), 2) / 100.0
    image = 20 * np.random.default_rng(2).poisson(light)
    tifffile.imwrite(tmp_path / "cell.tif", image.astype(np.uint16))
    catalog = catalogued(tmp_path, "cell.tif", noise={"kind": "camera", "gain": 20, "offset": 1, "read_noise": 0})
    restored("cells", tmp_path / "out", catalog=catalog, method__name="pnp", method__iterations=4, zoom=2, **RUN)
    table = pd.read_parquet(tmp_path / "out" / "cells" / "convergence")
    assert (table["residual_ratio"] < 1.15).all()
    assert (table["residual_mean"].abs() < 0.1).all()
