"""Gaps from the catalogue to the published image: what is filled, what is told of it, and what is refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import skimage.data
import tifffile
import yaml
import zarr
from contracts.pipeline import begun, pixels, restored

from tasks.errors import RequestError
from tasks.rehearsal import ENOUGH, deep, near, rehearsed
from tasks.stores.place import Place
from tasks.verdicts import verdict
from tasks.verification import verify_tiles

GAIN, OFFSET = 2.0, 100.0
SURFACE = {"within": 8, "method": {"name": "biharmonic"}}  # for what does not ask how well gaps are filled
RUN = {"tiling__tile": 96, "tiling__shard": 192, "bad_tiles": 1}


def scene() -> np.ndarray:
    """A clean scene in data units above the camera's offset."""
    return skimage.data.camera()[100:260, 150:340].astype(np.float64) * 8


def lines(shape: tuple[int, int]) -> np.ndarray:
    """Where something was measured: all but some lines and a square that is too wide to be filled."""
    valid = np.ones(shape, bool)
    for top in range(14, shape[0], 30):
        valid[top : top + 3] = False
    valid[60:110, 20:70] = False
    return valid


@pytest.fixture
def catalog(tmp_path: Path) -> Path:
    """A collection of one plane with gaps, and its clean twin without."""
    clean = scene()
    image = GAIN * np.random.default_rng(4).poisson(clean / GAIN) + OFFSET
    image[~lines(clean.shape)] = 0
    tifffile.imwrite(tmp_path / "cell.tif", image.astype(np.uint16))
    tifffile.imwrite(tmp_path / "twin.tif", (clean + OFFSET).astype(np.float32))
    return written(tmp_path)


def written(folder: Path, **facts: Any) -> Path:
    """The catalogue's file."""
    noise = {"kind": "camera", "gain": GAIN, "offset": OFFSET}
    entry = {"title": "cells", "source": "cell.tif", "nodata": 0, "noise": noise, "reference": {"source": "twin.tif"}}
    (folder / "catalog.yaml").write_text(yaml.safe_dump({"collections": {"cells": {**entry, **facts}}}))
    return folder / "catalog.yaml"


def test_gaps_are_filled_and_flagged_and_wide_ones_stay(catalog: Path, tmp_path: Path) -> None:
    summary = restored("cells", tmp_path / "out", catalog=catalog, fill__within=8, **RUN)
    assert summary.published == 1
    image = pixels(tmp_path / "out" / "cells", "cell").astype(np.float64) - OFFSET
    valid = lines(image.shape)
    codes = zarr.open_group(tmp_path / "out" / "cells" / "cell.zarr", mode="r")["labels/filled/0"][:]
    assert np.array_equal(codes == 0, valid)
    assert np.array_equal(codes == 1, near(valid, 8))
    assert np.array_equal(image[codes == 2], np.full(np.count_nonzero(codes == 2), -OFFSET))
    narrow = codes == 1
    narrow[55:115, 15:75] = False
    assert np.sqrt(np.mean((image - scene())[narrow] ** 2)) < 0.15 * np.ptp(scene())
    table = pd.read_parquet(tmp_path / "out" / "cells" / "convergence")
    assert float((table["filled"] * table["h"] * table["w"]).sum()) == pytest.approx(np.count_nonzero(codes == 1))
    assert (table["fill_explained"] > 0.5).all()
    assert (table["fill_seconds"] > 0).all()
    assert (table["fill_skill"] > 0).all()
    lined = table[table["x0"] > 0]  # the others hold the edge of a coat in their wide gap, and flat cloth to try it on
    assert (lined["psnr_filled"] - lined["fill_psnr"]).abs().mean() < 6  # of other gaps, in other places
    assert (table["psnr"] > table["psnr_noisy"]).all()


def test_measured_pixels_may_stay_as_they_came(catalog: Path, tmp_path: Path) -> None:
    restored("cells", tmp_path / "out", catalog=catalog, method="identity", fill=SURFACE, **RUN)
    image, raw = pixels(tmp_path / "out" / "cells", "cell"), tifffile.imread(tmp_path / "cell.tif")
    valid = lines(image.shape)
    assert np.array_equal(image[valid], raw[valid])
    assert (image[near(valid, 8)] > OFFSET / 2).all()


def test_what_one_band_measured_stays_where_another_has_a_gap(tmp_path: Path) -> None:
    """Of channels that are restored together; the map tells of the gap in all of them."""
    bands = np.stack([scene()[:96, :96], 4096 - scene()[:96, :96]]) + np.random.default_rng(5).normal(
        0, 40, (2, 96, 96)
    )
    gap = (slice(20, 60), slice(40, 43))
    raw = bands.astype(np.float32)
    raw[1][gap] = np.nan
    tifffile.imwrite(tmp_path / "cell.tif", raw, metadata={"axes": "CYX"})
    facts = written(tmp_path, nodata=None, reference=None, noise={"kind": "gaussian", "sigma": 40})
    restored("cells", tmp_path / "out", catalog=facts, method="nlm", fill=SURFACE, **RUN)
    image = pixels(tmp_path / "out" / "cells", "cell")
    codes = zarr.open_group(tmp_path / "out" / "cells" / "cell.zarr", mode="r")["labels/filled/0"][:]
    assert np.array_equal(image[0][gap], raw[0][gap])
    assert np.sqrt(np.mean((image[1][gap] - bands[1][gap]) ** 2)) < 400
    assert np.array_equal(np.argwhere(codes.squeeze()), np.argwhere(np.isnan(raw[1])))
    assert not np.array_equal(image[0], raw[0])
    again = list(verify_tiles(Place(str(tmp_path / "out" / "cells")), 1))
    assert [each.difference for each in again] == [0]


def test_filling_changes_no_measured_pixel_of_a_run_by_another_method(catalog: Path, tmp_path: Path) -> None:
    tiling = {**RUN, "tiling__halo": 48, "method": "nlm"}
    for name, fill in (("with", {"fill__within": 8, "fill__method": {"name": "biharmonic"}}), ("without", {})):
        restored("cells", tmp_path / name, catalog=catalog, **tiling, **fill)
    one, other = (pixels(tmp_path / name / "cells", "cell") for name in ("with", "without"))
    valid = lines(one.shape)
    assert np.array_equal(one[valid], other[valid])
    assert not np.array_equal(one, other)


def test_a_choice_of_filling_is_part_of_the_key(catalog: Path, tmp_path: Path) -> None:
    keys = [
        begun("cells", tmp_path / str(place), catalog=catalog, **fill)[0].plan.key
        for place, fill in enumerate([{}, {"fill": SURFACE}, {"fill": {**SURFACE, "within": 9}}])
    ]
    assert len(set(keys)) == 3


def test_tiles_borrow_what_gaps_are_filled_from(catalog: Path, tmp_path: Path) -> None:
    run, _ = begun("cells", tmp_path / "out", catalog=catalog, fill__within=40)
    grid = run.plan.inputs[0].grid
    assert grid.halo[3] >= grid.ramp[3] + 40
    with pytest.raises(RequestError, match=r"from which gaps are filled; set tiling\.halo >="):
        begun("cells", tmp_path / "out2", catalog=catalog, fill__within=40, tiling__halo=32)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"fill__within": 0}, "greater than or equal to 1"),
        ({"fill__method": {"name": "zs_n2n"}}, "zs_n2n fills no gaps; take one of biharmonic, deep_red, dip, pnp"),
        ({"fill__by": "pnp"}, "'fill.by' is not a known key"),
        ({"method": "biharmonic"}, "fills gaps"),
    ],
)
def test_what_cannot_fill_is_refused(catalog: Path, tmp_path: Path, settings: dict[str, Any], words: str) -> None:
    with pytest.raises(RequestError, match=words):
        begun("cells", tmp_path / "out", catalog=catalog, **settings)


def test_sharpening_and_filling_do_not_go_together_yet(catalog: Path, tmp_path: Path) -> None:
    blurred = written(tmp_path, psf={"kind": "gaussian", "fwhm": 3})
    with pytest.raises(RequestError, match="cannot go together with `fill` yet"):
        begun("cells", tmp_path / "out", catalog=blurred, method="pnp", fill__within=8)


def test_a_rehearsal_hides_gaps_of_the_same_kind_where_something_was_measured() -> None:
    valid = lines((160, 190))
    found = rehearsed(valid, 8)
    assert np.count_nonzero(found.judged) >= ENOUGH
    assert not (found.hidden & ~valid).any()
    assert not (found.judged & ~found.hidden).any()
    assert not (found.judged & ~near(valid & ~found.hidden, 8)).any()  # none lies deeper than gaps are filled
    rows = np.flatnonzero(found.judged.any(1))
    assert len(rows) > np.count_nonzero((~valid).all(1))  # not one stroke of luck, but places all over the tile


def test_what_lies_far_from_all_that_was_measured_is_counted() -> None:
    valid = lines((160, 190))
    far = deep(valid, near(valid, 16))
    assert far.any()
    assert not far[:, 90:].any()  # lines of three pixels are not deep
    assert not deep(valid, near(valid, 8)).any()


def test_scattered_pixels_are_rehearsed_too_and_a_full_tile_is_not() -> None:
    scattered = np.random.default_rng(0).random((96, 96)) > 0.5
    assert 200 < np.count_nonzero(rehearsed(scattered, 8).judged) < 0.25 * scattered.size
    assert not rehearsed(np.ones((64, 64), bool), 8).hidden.any()
    assert not rehearsed(np.zeros((64, 64), bool), 8).hidden.any()


def test_a_tile_that_is_mostly_a_guess_is_suspect() -> None:
    from il_models.methods.identity import Identity

    good = {"status": "direct", "filled": 0.1, "fill_explained": 0.9, "fill_psnr": 30.0}
    assert verdict(good, Identity()) == ("good", "")
    for change, words in (
        ({"filled": 0.6}, "60% of its pixels were inferred"),
        ({"fill_explained": -0.2}, "foretold only 0% of what varies"),
        ({"fill_deep": 0.04}, "4% of its pixels were inferred more than 8 px from any measured one"),
        ({"fill_rougher": 12.0}, "its gaps lie where it is 12 times as rough"),
        ({"fill_psnr": None, "fill_explained": None}, "could not be tried"),
    ):
        kind, reason = verdict({**good, **change}, Identity())
        assert kind == "suspect"
        assert words in reason
