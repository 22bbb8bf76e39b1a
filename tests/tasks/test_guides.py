"""Guides beside the images: where they lie, how they pair, what is refused, and what becomes of the bands."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import rasterio
import rioxarray  # noqa: F401 - gives arrays their .rio
import tifffile
import xarray as xr
import yaml
from affine import Affine
from contracts.pipeline import begun, restored
from contracts.toys import banded

from il_models.degradations import Guided
from tasks.catalog.document import find_inputs, load_catalog
from tasks.errors import InputError, RequestError
from tasks.guides import guide_window
from tasks.plan import GuidePlan
from tasks.readers import open_input
from tasks.recipe import load_recipe
from tasks.tiling import Box

SIDE = 80  # px of the coarse bands
FAST = {"method__name": "guided_sr", "method__steps": 8, "method__width": 8, "method__depth": 2, "method__crop": 16}
RUN = {**FAST, "zoom": {"factor": 2, "kernel": "average"}, "bad_tiles": 1, "tiling__tile": 80, "tiling__shard": 80}
CORNER = (300_000.0, 5_000_000.0)


def written(file: Path, bands: np.ndarray, pixel: float, corner: tuple[float, float] = CORNER, **more: Any) -> None:
    """A scene on the ground, its upper left corner there."""
    transform = Affine(pixel, 0, corner[0], 0, -pixel, corner[1])
    profile = {"crs": "EPSG:32633", "transform": transform, "dtype": bands.dtype, "driver": "GTiff", **more}
    with rasterio.open(file, "w", count=len(bands), height=bands.shape[1], width=bands.shape[2], **profile) as out:
        out.write(bands)


@pytest.fixture(scope="module")
def bands() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Fine bands of three scenes, the coarse ones, and the guides; all in counts."""
    clean, problem = banded(3, SIDE)
    assert isinstance(problem.A, Guided)
    made = (clean, problem.A(clean), problem.A.guide)
    fine, coarse, guide = ((5000 + 3000 * each.numpy()).round().astype(np.uint16) for each in made)
    return fine, coarse, guide


def catalogued(folder: Path, bands: tuple[np.ndarray, np.ndarray, np.ndarray], **guide: Any) -> Path:
    """Two scenes, guides of the same name, and the catalogue's file."""
    (folder / "fine").mkdir()
    for place, name in enumerate("ab"):
        written(folder / f"{name}.tif", bands[1][place], 20.0)
        written(folder / "fine" / f"{name}.tif", bands[2][place], 10.0)
    entry = {"title": "scenes", "source": "*.tif", "noise": "none", "guide": {"source": "fine/*.tif", **guide}}
    (folder / "catalog.yaml").write_text(yaml.safe_dump({"collections": {"scenes": entry}}))
    return folder / "catalog.yaml"


def read(image: Path, guide: Path, box: tuple[int, int, int, int], bands: int = 1) -> Any:
    """The guide of a box (top, left, bottom, right) of an image, unscaled."""
    facts = load_catalog(image.parent / "catalog.yaml")["scenes"]
    top, left, bottom, right = box
    plan = GuidePlan(str(guide), 2, (0.0,) * bands, (1.0,) * bands)
    array = open_input(str(image), facts, None, str(guide))
    return guide_window(array, plan, Box((0, 0, 0, top, left), (1, 1, 1, bottom, right)))


def test_bands_are_sharpened_where_they_lie_and_a_second_run_does_nothing(bands: Any, tmp_path: Path) -> None:
    catalog = catalogued(tmp_path, bands)
    coarse = bands[1].copy()
    coarse[0, :, 20:30, 40:50] = 0
    written(tmp_path / "a.tif", coarse[0], 20.0, nodata=0)
    summary = restored("scenes", tmp_path / "out", catalog=catalog, **RUN)
    assert summary.published == 2
    opened = xr.open_zarr(tmp_path / "out" / "scenes" / "a.zarr", decode_coords="all")
    assert opened.image.shape == (3, 2 * SIDE, 2 * SIDE)
    assert opened.image.rio.transform() == Affine(10.0, 0, CORNER[0], 0, -10.0, CORNER[1])
    image = np.nan_to_num(opened.image.values.astype(np.float64))
    gap = np.zeros((2 * SIDE, 2 * SIDE), bool)
    gap[40:60, 80:100] = True
    assert not image[:, gap].any()
    pooled = image.reshape(3, SIDE, 2, SIDE, 2).mean((2, 4))
    assert np.abs(pooled - coarse[0])[:, ~gap[::2, ::2]].max() < 0.02 * 3000
    seen = xr.open_zarr(tmp_path / "out" / "scenes" / "b.zarr").image.values.astype(np.float64)
    blocky = bands[1][1].repeat(2, 1).repeat(2, 2)
    assert np.square(seen - bands[0][1]).mean() < 0.2 * np.square(blocky - bands[0][1].astype(np.float64)).mean()
    table = pd.read_parquet(tmp_path / "out" / "scenes" / "convergence")
    assert (table["guide_gain"] > 3).all()
    assert (table["guide_skill"] >= -0.01).all()
    assert table["share"].between(0, 1).all()
    assert not begun("scenes", tmp_path / "out", catalog=catalog, **RUN)[1].left
    written(tmp_path / "fine" / "b.tif", bands[2][2], 10.0)
    assert [ref.name for ref in begun("scenes", tmp_path / "out", catalog=catalog, **RUN)[1].left] == ["b"]


def test_a_guide_is_part_of_a_key_only_where_it_is_looked_at(bands: Any, tmp_path: Path) -> None:
    catalog = catalogued(tmp_path, bands)
    told = yaml.safe_load(catalog.read_text())
    del told["collections"]["scenes"]["guide"]
    (tmp_path / "plain.yaml").write_text(yaml.safe_dump(told))
    plain = {"catalog": tmp_path / "plain.yaml", "method": "nlm"}
    keys = [
        begun("scenes", tmp_path / key, **given)[0]
        for key, given in (("1", plain), ("2", plain | {"catalog": catalog}))
    ]
    assert keys[0].plan.key == keys[1].plan.key
    assert [each.key for each in keys[0].plan.inputs] == [each.key for each in keys[1].plan.inputs]
    assert begun("scenes", tmp_path / "3", catalog=catalog, **RUN)[0].plan.key != keys[0].plan.key


@pytest.mark.parametrize("shift", [0.0, 3.0, -0.5, 0.5])
def test_a_guide_is_read_where_it_lies(bands: Any, tmp_path: Path, shift: float) -> None:
    """Pixels of a panchromatic band lie half of one beside those of the others: a ramp tells it to a hundredth."""
    catalogued(tmp_path, bands)
    size = 2 * SIDE + 8
    place = np.arange(size) + 0.5
    ramp = (place[:, None] + 100 * place)[None].astype(np.float32)
    corner = (CORNER[0] - 10 * shift, CORNER[1] + 10 * shift)
    written(tmp_path / "ramp.tif", ramp, 10.0, corner)
    if shift == 0.5:  # also at the border, of which half a pixel is missing
        shift, corner = -0.5, (CORNER[0] + 5, CORNER[1] - 5)
        written(tmp_path / "ramp.tif", ramp, 10.0, corner)
    found = read(tmp_path / "a.tif", tmp_path / "ramp.tif", (8, 12, 40, 30))
    rows, columns = np.arange(16, 80) + 0.5 + shift, np.arange(24, 60) + 0.5 + shift
    assert np.allclose(found.pixels[0], rows[:, None] + 100 * columns, atol=0.3)
    assert found.known.all()
    assert found.kept.shape == (32, 18)


def test_what_was_not_measured_of_a_guide_is_known(bands: Any, tmp_path: Path) -> None:
    catalogued(tmp_path, bands)
    guide = bands[2][0].astype(np.float32)
    guide[:, 30:33, 50] = np.nan
    written(tmp_path / "fine" / "a.tif", guide, 10.0)
    found = read(tmp_path / "a.tif", tmp_path / "fine" / "a.tif", (0, 0, SIDE, SIDE), 2)
    assert np.argwhere(~found.known).tolist() == [[30, 50], [31, 50], [32, 50]]
    assert np.isfinite(found.pixels).all()


def test_grids_without_a_place_are_told_by_their_sizes(bands: Any, tmp_path: Path) -> None:
    catalogued(tmp_path, bands)
    for name, each in (("a.tif", bands[1][0]), ("guide.tif", bands[2][0])):
        tifffile.imwrite(tmp_path / name, each, metadata={"axes": "CYX"})
    found = read(tmp_path / "a.tif", tmp_path / "guide.tif", (0, 0, SIDE, SIDE), 2)
    assert np.array_equal(found.pixels, bands[2][0].astype(np.float32))
    tifffile.imwrite(tmp_path / "guide.tif", bands[2][0][:, 1:], metadata={"axes": "CYX"})
    with pytest.raises(
        InputError, match=r"is 159 x 160 px and its input 80 x 80, without places on the ground: expected"
    ):
        read(tmp_path / "a.tif", tmp_path / "guide.tif", (0, 0, SIDE, SIDE), 2)


@pytest.mark.parametrize(
    ("pixel", "corner", "more", "words"),
    [
        (8.0, CORNER, {}, "are 2.5 times as fine as those of its input, or turned: expected 2, 3, 4 or 6 times"),
        (10.0, (CORNER[0] + 25, CORNER[1]), {}, "along x it ends 2.5 of its px too early"),
        (10.0, CORNER, {"crs": "EPSG:32634"}, "lies in WGS 84 / UTM zone 34N, and its input in WGS 84 / UTM zone 33N"),
    ],
)
def test_guides_that_do_not_fit_are_refused(
    bands: Any, tmp_path: Path, pixel: float, corner: tuple[float, float], more: dict[str, str], words: str
) -> None:
    catalogued(tmp_path, bands)
    written(tmp_path / "guide.tif", bands[2][0], pixel, corner, **more)
    with pytest.raises(InputError, match=words):
        read(tmp_path / "a.tif", tmp_path / "guide.tif", (0, 0, 8, 8), 2)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"zoom": 3}, r"is 2 times as fine as it, and the recipe enlarges 3 times; set zoom\.factor: 2"),
        ({"zoom": None}, "the recipe does not say by how much; set zoom: 2"),
        ({"control": "bicubic"}, "sharpens bands by finer ones, and its control bicubic enlarges"),
    ],
)
def test_recipes_that_do_not_suit_a_guide_are_refused(
    bands: Any, tmp_path: Path, settings: dict[str, Any], words: str
) -> None:
    with pytest.raises(RequestError, match=words):
        begun("scenes", tmp_path / "out", catalog=catalogued(tmp_path, bands), **(RUN | settings))


def test_a_method_that_needs_a_guide_says_so(bands: Any, tmp_path: Path) -> None:
    catalog = catalogued(tmp_path, bands)
    told = yaml.safe_load(catalog.read_text())
    told["collections"]["scenes"].pop("guide")
    catalog.write_text(yaml.safe_dump(told))
    with pytest.raises(RequestError, match="sharpens bands by finer ones of the same scene, and 'scenes' states none"):
        begun("scenes", tmp_path / "out", catalog=catalog, **RUN)


def test_an_input_without_its_guide_is_left_out_with_a_sentence(bands: Any, tmp_path: Path) -> None:
    catalog = catalogued(tmp_path, bands)
    (tmp_path / "fine" / "b.tif").unlink()
    assert [ref.guide is None for ref in find_inputs("scenes", load_catalog(catalog)["scenes"])] == [False, True]
    run, _ = begun("scenes", tmp_path / "out", catalog=catalog, **RUN)
    assert "has no guide of its name among those of 'scenes'" in run.plan.rejected["b"]


def test_the_recipe_that_ships_looks_at_a_guide() -> None:
    recipe = load_recipe("sharpen_bands")
    assert Guided in recipe.restoration().serves
    assert recipe.zoom is not None
    assert recipe.zoom.kernel == "average"
