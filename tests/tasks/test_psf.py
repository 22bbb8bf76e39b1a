"""Sharpening by a known point spread function, from the catalogue to the published image; and what is refused."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import skimage.data
import tifffile
import yaml
from contracts.pipeline import begun, pixels, restored
from scipy.ndimage import gaussian_filter

from il_models.degradations import gaussian_psf
from tasks.comparison.challenge import make_challenge
from tasks.comparison.contenders import contenders
from tasks.comparison.subjects import look
from tasks.comparison.trial import run_trial
from tasks.errors import RequestError
from tasks.instrument import border_of
from tasks.psf import checked_psf
from tasks.treatment import settled_facts
from tasks.workers import crew_for

WIDTH, GAIN, OFFSET = 4.0, 2.0, 100.0
RUN = {"tiling__tile": 96, "tiling__shard": 192, "bad_tiles": 1}


@pytest.fixture(scope="module")
def scene() -> np.ndarray:
    """A clean scene in data units above the camera's offset."""
    return skimage.data.camera()[100:260, 150:340].astype(np.float64) * 8


@pytest.fixture
def catalog(tmp_path: Path, scene: np.ndarray) -> Path:
    """A collection of one blurred, photon-limited plane with its clean twin; psf is a Gaussian of that width."""
    blurred = gaussian_filter(scene, WIDTH / 2.3548, mode="reflect")
    random = np.random.default_rng(4)
    image = GAIN * random.poisson(blurred / GAIN) + OFFSET
    tifffile.imwrite(tmp_path / "cell.tif", image.astype(np.uint16))
    tifffile.imwrite(tmp_path / "twin.tif", (scene + OFFSET).astype(np.float32))
    return _written(tmp_path, psf={"kind": "gaussian", "fwhm": WIDTH})


def _written(folder: Path, **facts: object) -> Path:
    noise = {"kind": "camera", "gain": GAIN, "offset": OFFSET}
    entry = {"title": "cells", "source": "cell.tif", "noise": noise, "reference": {"source": "twin.tif"}, **facts}
    (folder / "catalog.yaml").write_text(yaml.safe_dump({"collections": {"cells": entry}}))
    return folder / "catalog.yaml"


def test_a_blurred_capture_comes_back_sharper(catalog: Path, scene: np.ndarray, tmp_path: Path) -> None:
    summary = restored("cells", tmp_path / "out", catalog=catalog, method="pnp", **RUN)
    assert summary.published == 1
    table = pd.read_parquet(tmp_path / "out" / "cells" / "convergence")
    assert (table["psnr"] > table["psnr_noisy"] + 2).all()
    assert (table["psnr"] > table["psnr_control"]).all()
    assert (table["verdict"] == "good").all(), table["reason"].unique()
    assert table["residual_ratio"].between(0.9, 1.1).all()
    image = pixels(tmp_path / "out" / "cells", "cell").astype(np.float64) - OFFSET
    assert image.shape == scene.shape
    assert image.sum() == pytest.approx(tifffile.imread(tmp_path / "cell.tif").sum() - OFFSET * image.size, rel=1e-3)


def test_a_psf_from_a_file_sharpens_as_the_same_from_its_width(catalog: Path, tmp_path: Path) -> None:
    done = []
    np.save(tmp_path / "psf.npy", gaussian_psf(WIDTH)[0, 0].numpy())
    for name, psf in (("a", {"kind": "gaussian", "fwhm": WIDTH}), ("b", "psf.npy")):
        restored("cells", tmp_path / name, catalog=_written(tmp_path, psf=psf), method="wiener", **RUN)
        done.append(pixels(tmp_path / name / "cells", "cell").astype(float))
    assert np.abs(done[0] - done[1]).max() <= 1


def test_a_comparison_sharpens_as_a_run_does(catalog: Path, tmp_path: Path) -> None:
    """Also where who comes first looks at no PSF; and tiles borrow for it only where it is undone."""
    wide = _written(tmp_path, psf={"kind": "gaussian", "fwhm": 22.0})
    challenge = make_challenge("cells", contenders([], ["nlm", "wiener"], []), catalog=str(wide), out=str(tmp_path))
    subject = look(challenge, challenge.inputs[0])
    trials = [run_trial(each, subject, crew_for("none")) for each in challenge.contenders]
    rows = [row for trial in trials for row in trial.rows]
    assert {row["recipe"] for row in rows} == {"nlm", "wiener"}
    assert [row["stop_reason"] for row in rows if row["status"] == "error"] == []
    facts = [settled_facts("cells", subject.facts, each.recipe) for each in challenge.contenders]
    recipes = [each.recipe for each in challenge.contenders]
    assert [border_of(*each) for each in zip(recipes, facts, strict=True)] == [0, 35]


def test_a_psf_is_part_of_the_key_only_for_who_looks_at_it(catalog: Path, tmp_path: Path) -> None:
    keys = {}
    for width in (2.0, 3.0):
        there = _written(tmp_path, psf={"kind": "gaussian", "fwhm": width})
        for method in ("wiener", "nlm"):
            run, _ = begun("cells", tmp_path / f"{method}{width}", catalog=there, method=method, **RUN)
            keys[method, width] = run.plan.key
    assert keys["wiener", 2.0] != keys["wiener", 3.0]
    assert keys["nlm", 2.0] == keys["nlm", 3.0]


def test_tiles_borrow_as_far_as_light_spreads(catalog: Path, tmp_path: Path) -> None:
    wide = _written(tmp_path, psf={"kind": "gaussian", "fwhm": 22.0})
    run, _ = begun("cells", tmp_path / "out", catalog=wide, method="pnp", **RUN)
    assert run.plan.inputs[0].grid.halo[3:] == (35, 35)
    with pytest.raises(RequestError, match=r"35 px to which the PSF spreads light; set tiling\.halo >= 35"):
        begun("cells", tmp_path / "out2", catalog=wide, method="pnp", tiling__halo=32, **RUN)


@pytest.mark.parametrize(
    ("psf", "settings", "words"),
    [
        (None, {"method": "pnp"}, "'cells' states none; give its entry in the catalogue `psf: FILE`"),
        (None, {"method": "zssr"}, "enlarges images, and the recipe does not say by how much"),
        ({"kind": "gaussian", "fwhm": -1}, {"method": "pnp"}, "more than 0 and at most 50"),
        (
            {"kind": "airy"},
            {"method": "pnp"},
            "expected a path or URI, {kind: gaussian, fwhm: PIXELS}, or {kind: optics",
        ),
        ("nowhere.npy", {"method": "pnp"}, "cannot be read"),
        (
            {"kind": "gaussian", "fwhm": 3},
            {"method": "pnp", "scope": "input"},
            "a whole, blurred input; use scope: tile",
        ),
        ({"kind": "gaussian", "fwhm": 3}, {"method": "pnp", "control": "nlm"}, "its control nlm removes noise"),
        ({"kind": "gaussian", "fwhm": 3}, {"method": "nlm", "control": "wiener"}, "its control wiener sharpens"),
    ],
)
def test_what_cannot_be_sharpened_is_refused(
    catalog: Path, tmp_path: Path, psf: object, settings: dict[str, str], words: str
) -> None:
    with pytest.raises(RequestError) as told:
        begun(
            "cells", tmp_path / "out", catalog=_written(tmp_path, **({} if psf is None else {"psf": psf})), **settings
        )
    assert words in str(told.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (np.ones((5, 5)), "sums to 25, not to 1"),
        (np.ones((2, 3, 5, 5)), "expected one plane"),
        (np.full((131, 131), 1 / 131**2), "more than 129"),
        (np.array([[0.0, 1.2, -0.2]]), "values below zero"),
    ],
)
def test_what_is_no_psf_is_refused(made: np.ndarray, words: str) -> None:
    with pytest.raises(RequestError, match="The PSF") as told:
        checked_psf(made, "The PSF of 'cells', psf.npy,")
    assert words in str(told.value)


def test_even_sides_get_a_middle_pixel() -> None:
    planes = checked_psf(np.full((4, 3), 1 / 12), "The PSF")
    assert planes.shape == (1, 5, 3)
    assert planes.sum() == pytest.approx(1)
