"""Noise of one sensor: found in all inputs together, kept with the output, and refused in sentences."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tifffile
import yaml
import zarr
from contracts.pipeline import begun, restored

from tasks import pooled_noise
from tasks.catalog.document import facts_of, load_catalog
from tasks.errors import RequestError
from tasks.learning.reading import find_source
from tasks.pooled_noise import FILE, advice
from tasks.recipe import load_recipe
from tasks.requests import Request, make_request
from tasks.standing import require_overwrite, standing
from tasks.stores.place import Place
from tasks.survey import survey_refs
from tasks.verification import verify_tiles

CHIPS = 12
GAINS = (1.0, 3.0)
CHOSEN = {"method": "nlm", "bad_tiles": 1}


def chip(folder: Path, number: int, side: int = 48, bands: int = 2) -> None:
    """Photons of a small scene, in bands of their own gains."""
    random = np.random.default_rng(number)
    rows, columns = np.arange(side)[:, None], np.arange(side)
    scene = 40 + random.uniform(5, 35) * np.sin(rows / random.uniform(4, 9)) * np.cos(columns / random.uniform(4, 9))
    planes = [gain * random.poisson(scene) for gain in (*GAINS, 1.0)[:bands]]
    tifffile.imwrite(folder / f"{number:02d}.tif", np.stack(planes).astype(np.float32), photometric="minisblack")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    for number in range(CHIPS):
        chip(tmp_path / "in", number, side=40 + 2 * number)
    return tmp_path


def told(folder: Path, noise: Any = "pooled", **more: Any) -> Path:
    """A catalogue of the one collection."""
    facts = {"title": "chips", "source": "in/*.tif", "axes": "cyx", "noise": noise, **more}
    (folder / "catalog.yaml").write_text(yaml.safe_dump({"collections": {"chips": facts}}))
    return folder / "catalog.yaml"


def asked(folder: Path, limit: int | None = None, **facts: Any) -> Request:
    return make_request(
        "chips", load_recipe(None, {}, "nlm"), catalog=str(told(folder, **facts)), out=str(folder / "out"), limit=limit
    )


def run(folder: Path, overwrite: bool = False) -> None:
    restored("chips", folder / "out", catalog=told(folder), overwrite=overwrite, **CHOSEN)


def kept(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "out" / "chips" / FILE).read_text())["noise"]


# -------------------- what is found


def test_all_inputs_together_show_what_none_of_them_does(folder: Path) -> None:
    request = asked(folder)
    pooled = request.facts.noise
    assert pooled.inputs == CHIPS
    own = survey_refs("chips", facts_of("chips", load_catalog(told(folder, "estimate")))[1], request.inputs)
    for band, gain in enumerate(GAINS):
        for level in (15 * gain, 65 * gain):
            assert pooled.gain[band] * level + pooled.variance[band] == pytest.approx(gain * level, rel=0.15)
            alone = [each.survey.noise[band].variance_at(level) / (gain * level) for each in own]
            assert np.abs(np.array(alone) - 1).max() > 0.25
    surveyed = survey_refs("chips", request.facts, request.inputs)
    assert {each.survey.noise for each in surveyed} == {surveyed[0].survey.noise}
    assert surveyed[0].survey.noise[1].gain == pooled.gain[1]
    assert surveyed[0].survey.noise_source == "pooled"


def test_of_many_channels_fewer_inputs_are_looked_at(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pooled_noise, "VALUES", 5 * 2 * 60 * 60)
    monkeypatch.setattr(pooled_noise, "_found", pooled_noise._found.__wrapped__)
    noise = asked(folder).facts.noise
    assert 5 <= noise.inputs < CHIPS
    assert asked(folder).facts.noise == noise


def test_looks_are_those_of_all_inputs_and_channels(folder: Path) -> None:
    for number in range(CHIPS):
        speckled = 50 * np.random.default_rng(number).gamma(4, 1 / 4, (2, 40, 40))
        tifffile.imwrite(folder / "in" / f"{number:02d}.tif", speckled.astype(np.float32), photometric="minisblack")
    request = asked(folder, noise={"kind": "speckle", "looks": "pooled"})
    assert request.facts.noise.looks == pytest.approx(4, rel=0.06)
    surveyed = survey_refs("chips", request.facts, request.inputs)
    assert {noise.speckle.looks for each in surveyed for noise in each.survey.noise} == {request.facts.noise.looks}
    assert surveyed[0].survey.noise_source == "pooled"


def test_every_channel_can_be_told_its_own_noise(folder: Path) -> None:
    noise = {"kind": "affine", "gain": [1, 3], "variance": [0, 4], "correlation": [[0, 0], [0.1, 0.2]]}
    first, *_ = survey_refs("chips", asked(folder, noise=noise).facts, asked(folder, noise=noise).inputs)
    assert [(each.gain, each.variance, each.correlation) for each in first.survey.noise] == [
        (1, 0, (0, 0)),
        (3, 4, (0.1, 0.2)),
    ]
    assert first.survey.noise_source == "catalogue"


def test_a_start_is_learned_from_noisy_inputs_at_their_pooled_noise(folder: Path) -> None:
    assert find_source("chips", str(told(folder))).facts.noise.inputs == CHIPS
    clean = {"source": "in/*.tif"}
    assert find_source("chips", str(told(folder, reference=clean))).facts.noise == "pooled"  # nobody looks at it


def said(folder: Path, noise: object) -> str:
    run, _ = begun("chips", folder / f"{noise}", catalog=told(folder, noise), **CHOSEN)
    return advice(run.request.facts, run.plan.inputs)


def test_small_inputs_make_it_worth_saying(folder: Path) -> None:
    assert said(folder, "estimate").startswith("12 of 12 inputs have less than 128 x 128 pixels")
    assert said(folder, "pooled") == said(folder, "none") == ""
    for number in range(CHIPS - 3):
        chip(folder / "in", number, side=130)
    assert said(folder, {"kind": "speckle"}) == ""


def test_so_do_few_that_were_pooled(folder: Path) -> None:
    for file in sorted((folder / "in").iterdir())[3:]:
        file.unlink()
    assert said(folder, "pooled").startswith("The noise of the collection was found in 3 small inputs")


# -------------------- what is kept


def test_a_collection_that_grows_keeps_its_noise_and_its_images(folder: Path) -> None:
    run(folder)
    first, before = kept(folder), zarr.open_group(folder / "out" / "chips" / "00.zarr", mode="r").attrs.asdict()
    assert before["selfmend"]["noise"][0]["source"] == "pooled"
    for number in range(CHIPS, 2 * CHIPS):
        chip(folder / "in", number)
    assert len(standing(asked(folder)).done) == CHIPS
    run(folder)
    assert kept(folder) == first
    assert len(pd.read_parquet(folder / "out" / "chips" / "convergence")) == 2 * CHIPS
    assert zarr.open_group(folder / "out" / "chips" / "00.zarr", mode="r").attrs.asdict() == before


def test_a_limit_changes_nothing(folder: Path) -> None:
    assert asked(folder, limit=1).key == asked(folder).key


def test_removing_what_is_kept_finds_it_anew_and_overwrites_only_if_told(folder: Path) -> None:
    run(folder)
    first = kept(folder)
    for number in range(CHIPS, 2 * CHIPS):
        chip(folder / "in", number)
    (folder / "out" / "chips" / FILE).unlink()
    request = asked(folder)
    with pytest.raises(RequestError, match="made from other facts"):
        require_overwrite(standing(request), request)
    run(folder, overwrite=True)
    assert kept(folder)["inputs"] == 2 * CHIPS
    assert kept(folder) != first


def test_other_axes_or_nodata_are_other_noise(folder: Path) -> None:
    run(folder)
    assert asked(folder).facts.noise.model_dump(mode="json") == kept(folder)
    for number in range(CHIPS // 2):
        chip(folder / "in", number, side=80)
    assert asked(folder).facts.noise.model_dump(mode="json") == kept(folder)
    assert asked(folder, nodata=-1).facts.noise.model_dump(mode="json") != kept(folder)


def test_a_published_tile_can_be_made_again(folder: Path) -> None:
    run(folder)
    (found,) = verify_tiles(Place(str(folder / "out" / "chips")), 1)
    assert found.difference == 0


# -------------------- what is wrong


def test_inputs_of_other_channels_are_left_out_with_a_reason(folder: Path) -> None:
    chip(folder / "in", CHIPS, bands=3)
    request = asked(folder)
    last = survey_refs("chips", request.facts, request.inputs)[-1]
    assert last.reason.startswith("It has 3 channels, and the noise of its collection is told of 2; say `noise: estim")


def test_an_unreadable_input_is_passed_over(folder: Path) -> None:
    (folder / "in" / "00.tif").write_bytes(b"no image")
    assert asked(folder).facts.noise.inputs == CHIPS - 1


def test_where_none_can_be_read_nothing_is_found(folder: Path) -> None:
    for file in (folder / "in").iterdir():
        file.write_bytes(b"no image")
    with pytest.raises(RequestError, match=r"of 'chips' cannot be found .* none of the 12 .*tif is not a TIFF"):
        asked(folder)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"noise": {"kind": "affine"}}'])
def test_a_spoiled_file_is_told(folder: Path, text: str) -> None:
    run(folder)
    (folder / "out" / "chips" / FILE).write_text(text)
    with pytest.raises(RequestError, match=r"noise.json' does not hold the noise of the collection any more"):
        asked(folder)
