"""Fits from a learned start: the guard, the ladder, and starts that are worth nothing."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
import torch
from contracts.pipeline import pixels, restored
from contracts.started import misled, start_of
from contracts.toys import toy
from skimage.data import camera
from skimage.measure import block_reduce

from il_models.fitting import fit
from il_models.methods.dct import SlidingCosine
from il_models.methods.gain_tuning import GainTuning
from il_models.methods.lora_tuning import LoraTuning
from il_models.methods.noise_tuning import NoiseTuning
from il_models.methods.pretrained import Pretrained
from il_models.methods.sure_tuning import SureTuning
from il_models.networks.denoiser import SharedDenoiser
from tasks.adaptation import START, climb, fit_from
from tasks.registry.artifact import make_start, save_start
from tasks.registry.loading import load_start
from tasks.stores.place import Place

CLEAN = 60 + 40 * np.sin(np.arange(256)[:, None] / 7) * np.cos(np.arange(256) / 9)


def test_the_guard_fires_where_all_weights_move_too_fast() -> None:
    _, problem = toy(2, side=64)
    start = start_of(problem)
    done = fit_from(problem, SureTuning(rate=1e-2, steps=5), None, start)
    assert [record.rung for record in done.records] == [START, START]
    assert all("not surely better" in record.reason for record in done.records)
    assert torch.equal(done.x, fit(problem, Pretrained(), start=start).x)
    assert done.nets is not None
    assert all(torch.equal(done.nets.weights[name], value) for name, value in start.weights.items())


def test_a_misled_start_is_mended_by_one_number() -> None:
    _, problem = toy(1, side=128)
    wrong = misled(start_of(problem), 0.5)
    done = fit_from(problem, NoiseTuning(steps=20, rate=0.1), None, wrong)
    assert done.records[0].rung == "noise_tuning"
    assert done.nets is not None
    assert float(done.nets.weights["level"].detach()) > float(wrong.weights["level"].detach()) + 0.2


def test_nothing_is_tried_where_the_start_is_no_worse_than_the_control() -> None:
    _, problem = toy(1, side=128)
    start, rungs = start_of(problem), (NoiseTuning(), GainTuning())
    done = climb(problem, rungs, start, [SlidingCosine()])
    assert done.records[0].rung == START
    assert "no worse than the control" in done.records[0].reason
    doubtful = climb(problem, (NoiseTuning(steps=20, rate=0.1),), misled(start, 0.4), [SlidingCosine()])
    assert doubtful.records[0].rung == "noise_tuning"


def test_adapters_begin_as_nothing_and_are_merged_exactly() -> None:
    _, problem = toy(2, side=64)
    start, method = start_of(problem), LoraTuning(steps=3, rate=1e-2)
    opened = method.opened(start, problem.seeds)
    still = fit(problem, replace(method, steps=0), start=opened).x
    assert torch.equal(still, fit(problem, Pretrained(), start=start).x)
    done = fit(problem, method, start=opened)
    assert done.nets is not None
    moved = {name for name, value in done.nets.weights.items() if not torch.equal(value, opened.weights[name])}
    assert moved
    assert all(name.endswith((".down", ".up")) for name in moved)
    merged = method.closed(done.nets)
    assert merged.weights.keys() == start.weights.keys()
    assert torch.allclose(fit(problem, Pretrained(), start=merged).x, done.x, atol=1e-5)
    assert not torch.equal(done.x, still)


def test_adapters_are_a_rung_of_the_ladder() -> None:
    _, problem = toy(1, side=128)
    wrong = misled(start_of(problem), 0.4)
    done = climb(problem, (NoiseTuning(steps=20, rate=0.1), LoraTuning(steps=2)), wrong, [SlidingCosine()])
    assert done.records[0].rung in ("noise_tuning", "lora_tuning")
    assert done.nets is not None
    assert done.nets.weights.keys() == wrong.weights.keys()


def test_a_number_that_is_not_finite_leaves_the_control(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "in.tif", np.random.default_rng(5).poisson(CLEAN).astype(np.uint16))
    noisy = tifffile.imread(tmp_path / "in.tif")
    chosen = {"method": "pretrained", "output__dtype": "float32", "control": "dct", "ladder": (), "bad_tiles": 1.0}
    uri = planted(tmp_path / "starts", "huge")  # what is not finite cannot be loaded, but it can come about
    restored(str(tmp_path / "in.tif"), tmp_path / "bad", start=uri, **chosen)
    image = pixels(next((tmp_path / "bad").iterdir()), "in")
    rows = pd.read_parquet(next((tmp_path / "bad").iterdir()) / "convergence")
    assert set(rows["verdict"]) == {"failed"}
    assert set(rows["share"]) == {0.0}
    assert rows["stop_reason"].str.contains("the control was kept").all()
    assert ((image - CLEAN) ** 2).mean() < 0.3 * ((noisy - CLEAN) ** 2).mean()


def planted(folder: Path, kind: str) -> str:
    """A start that is worth nothing: random weights, a wrong scale between channels, or another range of noise."""
    good = load_start("grey")
    if kind == "random":
        torch.manual_seed(5)
        weights = dict(SharedDenoiser("small").named_parameters())
    elif kind == "level":
        weights = {**good.weights, "level": torch.tensor(-1.2)}
    elif kind == "huge":
        weights = {name: 6e4 * value if name.endswith("weight") else value for name, value in good.weights.items()}
    else:
        weights = {**good.weights, "tail.weight": -good.weights["tail.weight"]}
    start = make_start(replace(good.card, name="planted", stored="float32"), weights)
    return save_start(start, Place(str(folder)))


@pytest.mark.parametrize("kind", ["random", "level", "sign"])
def test_a_planted_start_spoils_no_tile(tmp_path: Path, kind: str) -> None:
    tifffile.imwrite(tmp_path / "in.tif", np.random.default_rng(5).poisson(CLEAN).astype(np.uint16))
    chosen = {"method": "pretrained", "output__dtype": "float32", "tiling__tile": 128, "control": "dct"}
    restored(str(tmp_path / "in.tif"), tmp_path / "bad", start=planted(tmp_path / "starts", kind), **chosen)
    restored(str(tmp_path / "in.tif"), tmp_path / "dct", method="dct", output__dtype="float32", tiling__tile=128)
    images = [pixels(next((tmp_path / name).iterdir()), "in") for name in ("bad", "dct")]
    bad, control = (float(((image - CLEAN) ** 2).mean()) for image in images)
    rows = pd.read_parquet(next((tmp_path / "bad").iterdir()) / "convergence")
    assert 10 * np.log10(bad / control) < 0.1
    assert bool(((rows["share"] < 0.1) | (rows["rung"] != START)).all())  # given up, or mended


def test_the_table_says_where_the_weights_came_from(tmp_path: Path) -> None:
    clean = block_reduce(camera().astype(float), (2, 2), np.mean) / 2 + 10  # a control's error is large in it
    tifffile.imwrite(tmp_path / "in.tif", np.random.default_rng(5).poisson(clean).astype(np.uint16))
    told = f"collections: {{desk: {{title: A, source: {tmp_path / 'in.tif'}, noise: {{kind: camera, gain: 1}}}}}}"
    (tmp_path / "data_catalog.yaml").write_text(told)  # an estimate's error could hide what is asked here
    catalog = tmp_path / "data_catalog.yaml"
    restored("desk", tmp_path / "out", catalog=catalog, method="pretrained", tiling__tile=128)
    rows = pd.read_parquet(next((tmp_path / "out").iterdir()) / "convergence")
    assert set(rows["start"]) == {f"grey:{load_start('grey').card.id}"}
    assert set(rows["rung"]) == {START}
    assert bool((rows["skill"] > 0).all())


def test_a_ladder_of_one_rung_is_for_starts_in_doubt_too(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "in.tif", np.random.default_rng(5).poisson(CLEAN).astype(np.uint16))
    chosen = {"method": "pretrained", "ladder": ({"name": "gain_tuning"},), "tiling__tile": 64, "tiling__shard": 64}
    restored(str(tmp_path / "in.tif"), tmp_path / "out", **chosen)
    rows = pd.read_parquet(next((tmp_path / "out").iterdir()) / "convergence")
    assert set(rows["stop_reason"]) == {"the start as it is, no worse than the control"}
    assert set(rows["start"]) == {f"grey:{load_start('grey').card.id}"}  # also in lots that found it kept
