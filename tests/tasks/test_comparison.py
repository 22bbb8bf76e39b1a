"""Several recipes on the same tiles: who, on what, how scored, and what lies there in the end."""

from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import skimage.data
import tifffile
import yaml
from PIL import Image

from tasks.catalog.companions import GaussianPsf
from tasks.comparison.challenge import make_challenge
from tasks.comparison.contenders import contenders, known_suites, suite_of
from tasks.comparison.outcome import PAGE, PLOT, SHEET, TABLE, Outcome, write_outcome
from tasks.comparison.scores import scores
from tasks.comparison.spoiling import spoiled, spoiling_of
from tasks.comparison.subjects import chosen, look, open_measurement, texture_of
from tasks.comparison.trial import Trial, measured, run_trial
from tasks.errors import RequestError
from tasks.readers import open_input
from tasks.recipe import load_recipe
from tasks.workers import Crew

QUICK = {"method.steps": 5, "tiling.tile": 64, "scope": "tile"}
CREW = Crew(1, 1, "cpu")


@pytest.fixture
def catalog(tmp_path: Path) -> Path:
    """Two fields with a clean twin each, and one whose twin is missing."""
    rng = np.random.default_rng(3)
    (tmp_path / "clean").mkdir()
    (tmp_path / "noisy").mkdir()
    ramp = np.linspace(0, 1, 130)[:, None]
    for name in ("a", "b", "c"):
        scene = (90 + 60 * np.sin(np.arange(130)[:, None] / 5) * ramp * np.cos(np.arange(128) / 4)).astype(np.float32)
        tifffile.imwrite(tmp_path / "noisy" / f"{name}.tif", scene + 10 * rng.standard_normal(scene.shape, np.float32))
        if name != "c":
            tifffile.imwrite(tmp_path / "clean" / f"{name}.tif", scene)
    facts = {"title": "Fields", "source": "noisy/*.tif", "reference": {"source": "clean/*.tif"}}
    bare = {"title": "No twin", "source": "noisy/*.tif"}
    (tmp_path / "catalog.yaml").write_text(yaml.safe_dump({"collections": {"fields": facts, "bare": bare}}))
    return tmp_path / "catalog.yaml"


def compared(catalog: Path, source: str, names: list[str], **choices: object) -> tuple[Outcome, list[Trial], Path]:
    """A comparison without Prefect."""
    out = catalog.parent / "out"
    asked = contenders([], names, [], {"tiling.tile": 64})
    challenge = make_challenge(source, asked, catalog=str(catalog), out=str(out), **choices)  # type: ignore[arg-type]
    subjects = [look(challenge, ref) for ref in challenge.inputs]
    trials = [run_trial(contender, subject, CREW) for subject in subjects for contender in asked]
    return write_outcome(challenge, subjects, trials), trials, out / "compare" / source


@pytest.mark.parametrize("name", sorted(known_suites()))
def test_shipped_suites_are_valid(name: str) -> None:
    assert len(suite_of(name)) > 1


def test_who_is_compared() -> None:
    found = contenders(["fast"], ["nlm"], [], {"tiling.tile": 32})
    assert [each.name for each in found] == ["fast", "nlm"]
    assert {each.recipe.tiling.tile for each in found} == {32}
    assert [each.name for each in contenders([], [], [])] == [each.name for each in suite_of("denoising")]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ((["fast", "fast"], [], []), "called 'fast'"),
        (([], ["nlmm"], []), "Did you mean 'nlm'"),
        (([], [], ["denoisin"]), "Did you mean 'denoising'"),
    ],
)
def test_mistakes_are_told(given: tuple[list[str], list[str], list[str]], words: str) -> None:
    with pytest.raises(RequestError, match=words):
        contenders(*given)


@pytest.mark.parametrize(
    "text", ["noise", "noise:x", "noise:-3", "noise:inf", "jpeg:3.5", "jpeg:99", "blur:0", "blur:51", "fog:2"]
)
def test_spoiling_that_is_not_allowed(text: str) -> None:
    with pytest.raises(RequestError, match="--degrade"):
        spoiling_of(text)


@pytest.mark.parametrize("how", ["noise:25", "jpeg:30", "blur:3"])
def test_spoiled_pixels_are_the_same_whichever_window_is_read(catalog: Path, how: str) -> None:
    challenge = make_challenge("fields", contenders([], ["nlm"], []), catalog=str(catalog), degrade=how)
    assert [ref.name for ref in challenge.inputs] == ["a", "b"]
    subject = look(challenge, challenge.inputs[0])
    array = open_measurement(subject)
    whole = array.to_numpy()
    np.testing.assert_array_equal(array[20:40, 7:90].to_numpy(), whole[20:40, 7:90])
    clean = open_input(subject.ref.reference or "", challenge.facts).to_numpy()
    error = float((whole - clean).std())
    assert error == pytest.approx(25 / 255 * subject.peak, rel=0.05) if how == "noise:25" else 0 < error < 25


def test_spoiling_leaves_what_was_not_measured() -> None:
    import xarray as xr

    clean = xr.DataArray(np.full((1, 8, 8), 7, np.uint8), dims=("c", "y", "x"), attrs={"nodata": 7})
    assert (spoiled(clean, spoiling_of("noise:25"), 0, 255, 1).to_numpy() == 7).all()
    clean = clean.copy(data=np.where(np.arange(8) < 2, 7, 200).astype(np.uint8)[None, None].repeat(8, 1))
    seen = spoiled(clean, spoiling_of("blur:3"), 0, 255, 1).to_numpy()
    assert (seen[..., :2] == 7).all()
    assert seen[..., 2:].min() > 180  # nothing of the gap runs out of it


def test_a_blur_is_told_to_those_who_sharpen(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", skimage.data.camera()[100:228, 150:278])
    facts = {"title": "Fields", "source": "a.tif", "psf": "none.tif", "reference": {"source": "a.tif"}}
    (tmp_path / "catalog.yaml").write_text(yaml.safe_dump({"collections": {"fields": facts}}))
    asked = [each for each in contenders([], ["nlm"], ["sharpening"]) if each.name in ("nlm", "wiener", "deconvolve")]
    challenge = make_challenge("fields", asked, catalog=str(tmp_path / "catalog.yaml"), degrade="blur:3", tiles=1)
    subject = look(challenge, challenge.inputs[0])
    assert subject.facts.psf == GaussianPsf(kind="gaussian", fwhm=3)
    found = {each.name: run_trial(each, subject, CREW).rows[0]["psnr"] for each in asked}
    assert found["nlm"] + 1 < found["wiener"] < found["deconvolve"] - 1


def test_tiles_are_chosen_from_the_smooth_to_the_textured() -> None:
    assert chosen([5.0, 1.0, 9.0, 3.0, 7.0], 3) == [1, 0, 2]
    assert chosen([5.0, 1.0], 4) == [1, 0]
    assert chosen([1.0, 2.0, 3.0], 1) == [1]
    assert chosen([], 3) == []
    noise = np.random.default_rng(0).standard_normal((128, 128)).astype(np.float32)
    scene = 5 * np.sin(np.arange(128) / 9).astype(np.float32)
    assert texture_of(noise, 1.0) < 0.1 < 2 < texture_of(noise + scene, 1.0)


def test_scores() -> None:
    clean = np.random.default_rng(1).random((1, 40, 40)).astype(np.float32)
    valid = np.ones((40, 40), bool)
    psnr, ssim = scores(clean + 0.1, clean, valid, 1.0)
    assert psnr == pytest.approx(20, abs=1e-3)
    assert ssim is not None
    assert ssim < 1
    assert scores(clean[:, :5], clean[:, :5], valid[:5], 1.0)[1] is None


def test_a_comparison_with_references(catalog: Path) -> None:
    outcome, trials, folder = compared(catalog, "fields", ["identity", "nlm"], tiles=2, limit=2)
    assert outcome.by == "psnr"
    assert [each.recipe for each in outcome.ranked] == ["nlm", "identity"]
    assert outcome.ranked[0].places == 4
    table = pd.read_parquet(folder / TABLE)
    assert len(table) == 8
    same = table[table["recipe"] == "identity"]
    np.testing.assert_allclose(same["psnr"], same["psnr_noisy"])
    np.testing.assert_allclose(same["risk_psnr"], same["psnr_noisy"], atol=1.0)
    assert (folder / PLOT).stat().st_size > 1000
    sheet = Image.open(BytesIO((folder / SHEET).read_bytes()))
    assert sheet.width > 4 * 64
    page = (folder / PAGE).read_text()
    assert "by PSNR" in outcome.sentence()
    assert "true PSNR" in page
    assert page.count("data:image/png") == 2
    assert {part for trial in trials for _, part in trial.pictures} == {"alone"}


def test_a_comparison_without_references(catalog: Path) -> None:
    outcome, trials, folder = compared(catalog, "bare", ["identity", "nlm"], tiles=1, limit=1)
    assert outcome.by == "risk_psnr"
    assert [each.recipe for each in outcome.ranked] == ["nlm", "identity"]
    assert "estimated risk" in outcome.sentence()
    table = pd.read_parquet(folder / TABLE)
    assert table["psnr"].isna().all()
    assert len(trials) == 2


def test_one_fit_gives_the_estimate_alone_and_mixed(catalog: Path) -> None:
    recipe = contenders([], ["zs_n2n"], [], QUICK | {"control": "nlm"})
    challenge = make_challenge("fields", recipe, catalog=str(catalog), tiles=1, limit=1)
    subject = look(challenge, challenge.inputs[0])
    trial = run_trial(recipe[0], subject, CREW)
    alone, mixed = trial.rows
    assert (alone["part"], mixed["part"]) == ("alone", "mixed")
    assert alone["seconds"] == mixed["seconds"]
    control = run_trial(contenders([], ["nlm"], [], {"tiling.tile": 64})[0], subject, CREW)
    share = mixed["share"]
    whole = share * trial.pictures[0, "alone"] + (1 - share) * control.pictures[0, "alone"]
    inner = (..., slice(24, -24), slice(24, -24))  # the control sees another halo by itself
    np.testing.assert_allclose(trial.pictures[0, "mixed"][inner], whole[inner], rtol=1e-4)


def test_tiles_of_another_size_cover_the_same_places(catalog: Path) -> None:
    challenge = make_challenge("fields", contenders([], ["identity"], []), catalog=str(catalog), tiles=1, limit=1)
    subject = look(challenge, challenge.inputs[0])
    asked = contenders([], ["identity"], [], {"tiling.tile": 32, "channels": "separate"})[0]
    trial = run_trial(asked, subject, CREW)
    np.testing.assert_array_equal(trial.pictures[0, "alone"], measured(subject)[0, "measurement"])


def test_what_cannot_be_done_is_told_and_stops_nobody(catalog: Path) -> None:
    (catalog.parent / "noisy" / "a.tif").write_bytes(b"II*\0 broken")
    outcome, trials, folder = compared(catalog, "fields", ["identity", "nlm"], tiles=1, limit=2)
    assert [trial.rows[0]["status"] for trial in trials] == ["error", "error", "direct", "direct"]
    assert outcome.ranked[0].places == 1
    assert "What could not be done" in (folder / PAGE).read_text()


def test_requests_that_cannot_be_carried_out(catalog: Path) -> None:
    asked = contenders([], ["nlm"], [])
    with pytest.raises(RequestError, match="has no reference"):
        make_challenge("bare", asked, catalog=str(catalog), degrade="noise:25")
    with pytest.raises(RequestError, match="nothing to compare"):
        make_challenge("bare", [], catalog=str(catalog))


def test_trials_can_be_sent_to_other_processes(catalog: Path) -> None:
    import cloudpickle

    asked = contenders([], ["nlm"], [], {"tiling.tile": 64})
    challenge = make_challenge("bare", asked, catalog=str(catalog), tiles=1, limit=1)
    with ThreadPoolExecutor(1) as pool:
        subject = pool.submit(look, *cloudpickle.loads(cloudpickle.dumps((challenge, challenge.inputs[0])))).result()
    trial = run_trial(*cloudpickle.loads(cloudpickle.dumps((asked[0], subject, CREW))))
    assert cloudpickle.loads(cloudpickle.dumps(trial)).rows == trial.rows
    assert load_recipe("nlm").method == asked[0].recipe.method
