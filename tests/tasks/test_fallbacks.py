"""A start that most tiles do without is told."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from contracts.pipeline import restored

from tasks.fallbacks import Fallbacks
from tasks.registry.artifact import make_start, save_start
from tasks.registry.loading import load_start
from tasks.stores.place import Place


@pytest.mark.parametrize(("tiles", "given_up", "told"), [(29, 29, False), (40, 20, False), (40, 21, True)])
def test_it_takes_many_tiles_and_more_than_half(tiles: int, given_up: int, told: bool) -> None:
    notice = Fallbacks("liver:3f2a", tiles, given_up).notice
    assert bool(notice) is told
    if told:
        assert "21 of 40 tiles" in notice
        assert "selfmend starts quarantine 3f2a" in notice


def test_a_planted_start_is_told_at_the_end_of_the_run(tmp_path: Path) -> None:
    clean = 60 + 40 * np.sin(np.arange(192)[:, None] / 7) * np.cos(np.arange(192) / 9)
    tifffile.imwrite(tmp_path / "in.tif", np.random.default_rng(5).poisson(clean).astype(np.uint16))
    good = load_start("grey")
    weights = {**good.weights, "tail.weight": torch.zeros_like(good.weights["tail.weight"])}
    uri = save_start(make_start(good.card, weights), Place(str(tmp_path / "starts")))
    chosen = {"method": "pretrained", "ladder": (), "tiling__tile": 32, "control": "dct"}
    summary = restored(str(tmp_path / "in.tif"), tmp_path / "bad", start=uri, **chosen)
    assert summary.tiles == 36
    assert "of 36 tiles were left to the control" in summary.notice
    assert restored(str(tmp_path / "in.tif"), tmp_path / "good", **chosen).notice == ""
