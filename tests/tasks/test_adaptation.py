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

from il_models.fitting import fit
from il_models.methods.dct import SlidingCosine
from il_models.methods.gain_tuning import GainTuning
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


def planted(folder: Path, kind: str) -> str:
    """A start that is worth nothing: random weights, a wrong scale between channels, or another range of noise."""
    good = load_start("grey")
    if kind == "random":
        torch.manual_seed(5)
        weights = dict(SharedDenoiser("small").named_parameters())
    elif kind == "level":
        weights = {**good.weights, "level": torch.tensor(-1.2)}
    else:
        weights = {**good.weights, "tail.weight": -good.weights["tail.weight"]}
    start = make_start(replace(good.card, name="planted"), weights)
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
    tifffile.imwrite(tmp_path / "in.tif", np.random.default_rng(5).poisson(CLEAN).astype(np.uint16))
    restored(str(tmp_path / "in.tif"), tmp_path / "out", method="pretrained", tiling__tile=128)
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
