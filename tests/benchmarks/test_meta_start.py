"""Learned starts in numbers: what was learned is gone on with, and crossings are told from curves."""

from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks import learned_starts, meta_start
from benchmarks.learned_starts import Recipe, learning, read
from il_models.meta.maml import Inner
from il_models.meta.training import Schedule
from tasks.learning.planes import resized

RECIPES = {
    "joint": Recipe(Schedule(4, 1e-3), tiles=1, inner=Inner(steps=0)),
    "maml": Recipe(Schedule(2, 1e-4), tiles=1, parent="joint", inner=Inner(1, 0.01)),
}


def test_what_was_learned_is_gone_on_with(tmp_path: Path) -> None:
    known = resized(torch.rand(128, 128, generator=torch.Generator().manual_seed(0)).numpy())
    whole, part = tmp_path / "whole", tmp_path / "part"
    for folder in (whole, part):
        folder.mkdir()
    assert [progress.state.steps for progress in learning("joint", known, whole, RECIPES)] == [1, 2, 3, 4]
    next(learning("joint", known, part, RECIPES))
    assert [progress.state.steps for progress in learning("joint", known, part, RECIPES)] == [2, 3, 4]
    for folder in (whole, part):
        list(learning("maml", known, folder, RECIPES))
    first, other = (read(folder, "maml") for folder in (whole, part))
    assert first.state.steps == 2
    assert all(torch.equal(other.state.weights[name], value) for name, value in first.state.weights.items())
    start = learned_starts.start_of("maml", first, known, RECIPES)
    assert (start.steps, len(start.sizes)) == (1, 6)


def line_of(start: str, *levels: tuple[int, float]) -> dict[str, Any]:
    curve = [(step, level, step / 10) for step, level in levels]
    return {"protocol": "p", "picture": "a", "start": start, "curve": curve}


def test_the_crossing_is_the_first_step_as_good_as_the_end_from_scratch() -> None:
    lines = [
        line_of("nlm", (0, 28.0)),
        line_of("scratch", (0, 10.0), (1, 20.0), (3000, 27.0)),
        line_of("one", (0, 26.0), (1, 27.5), (5, 27.0)),
        line_of("other", (0, 26.0), (1, 26.5), (5, 26.9)),
    ]
    _, heads, rows = meta_start._crossings(lines)
    assert [row[heads.index("crossing step")] for row in rows] == ["1", "never"]
    assert [row[heads.index("best")] for row in rows] == [27.5, 26.9]
    assert rows[0][heads.index("s")] == pytest.approx(0.1)
    _, heads, means = meta_start._means(lines)
    assert heads == ("start", "0", "1", "5", "3000")
    assert means[1] == ["scratch", 10.0, 20.0, "", 27.0]
