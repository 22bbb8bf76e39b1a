"""Starts of `zssr`: learned by the command that learns all starts, taken up by restorations, and done without."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from contracts.pipeline import restored
from contracts.toys import shrunk

from il_models.degradations import Downsample, Subsample
from il_models.fitting import fit
from il_models.meta.enlarging import gaussians
from il_models.methods.zssr import ZeroShotSuperResolution
from il_models.problem import Problem
from tasks.adaptation import begun_at
from tasks.errors import InputError, RequestError
from tasks.learning import enlarging, zoom_trials
from tasks.learning.enlarging import Enlarging
from tasks.learning.lesson import make_lesson
from tasks.learning.outcome import conclude
from tasks.learning.planes import softened
from tasks.learning.teaching import taught
from tasks.learning.zoom_trials import by_interpolation
from tasks.recipe import checked_recipe
from tasks.refereed import SCRATCH, fit_started
from tasks.registry.artifact import LearnedStart
from tasks.registry.loading import FOLDER, load_start
from tasks.report.table import read_columns, table_files
from tasks.stores.place import Place

NARROW = {"width": 8, "depth": 3}
ADAPTED = ZeroShotSuperResolution(**{**ZeroShotSuperResolution.presets["mzsr"], **NARROW, "steps": 2})
ONE = torch.ones(1)


@pytest.fixture(autouse=True, scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Networks that learn in seconds, and a registry of their own."""
    folder = tmp_path_factory.mktemp("zoom_starts")
    with pytest.MonkeyPatch.context() as monkeypatch:
        narrow(monkeypatch, folder)
        yield folder


def narrow(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setenv(FOLDER, str(folder / "starts"))
    monkeypatch.setattr(enlarging, "ADAPTED", ADAPTED)
    monkeypatch.setattr(zoom_trials, "ADAPTED", ADAPTED)
    monkeypatch.setattr(enlarging, "by_scratch", by_interpolation)
    monkeypatch.setattr(
        ZeroShotSuperResolution,
        "from_scratch",
        lambda method: replace(ADAPTED, steps=1, width=method.width, depth=method.depth),
    )


def rings(folder: Path) -> str:
    """Two clean pictures with rings, of which one is held out."""
    clean, _ = shrunk(2, 72)
    for i, plane in enumerate(clean[:, 0].numpy()):
        tifffile.imwrite(folder / f"in{i}.tif", plane.astype(np.float32))
    return str(folder / "in*.tif")


def learned(name: str, what: str, steps: int, source: str, parent: str | None = None) -> LearnedStart:
    lesson = make_lesson(name, source, what=what, steps=steps, parent=parent)
    material = lesson.material()
    for _ in taught(lesson, material):
        pass
    outcome = conclude(lesson, material)
    assert "Gaussian of 2 px^2" in outcome.lines()[1]
    return load_start(outcome.card.id)


def test_a_third_of_the_crops_are_softened() -> None:
    """By kernels of their own, which keep the light; the same numbers make the same crops."""
    clean = torch.rand(300, 1, 24, 24, generator=torch.Generator().manual_seed(1))
    once, again = (softened(clean, torch.Generator().manual_seed(2)) for _ in range(2))
    assert torch.equal(once, again)
    left = (once.std((1, 2, 3)) / clean.std((1, 2, 3))).square()
    assert 0.25 < float((left < 0.99).float().mean()) < 0.42
    assert torch.equal(once[left > 0.99], clean[left > 0.99])
    assert float(left.min()) < 0.05 < float(left[left < 0.99].max())
    assert float((once - clean).mean((1, 2, 3)).abs().max()) < 0.05


@pytest.fixture(scope="module")
def start(folder: Path) -> LearnedStart:
    """A start that is better than interpolation."""
    source = rings(folder)
    parent = learned("plain", "kernels", 40, source)
    return learned("rings", "mzsr", 1, source, parent.card.id)


def problem_of(A: Subsample | Downsample) -> Problem:
    return shrunk(2, 24, A)[1]


def test_a_start_is_learned_from_a_collection_and_taken_up(start: LearnedStart) -> None:
    card = start.card
    assert card.network == {"kind": "ResidualStack", "channels": 1, **NARROW}
    assert card.spread == {"factor": 2.0, "narrowest": 1.0, "widest": 5.0}
    assert card.adaptation is not None
    assert card.adaptation["steps"] == 5
    assert set(card.adaptation["sizes"]) == set(start.weights)  # type: ignore[arg-type]
    assert card.evidence is not None
    assert {row.image for row in card.evidence.rows} == {"in1"}
    assert all(row.candidate < row.measured for row in card.evidence.rows)

    problem = problem_of(Subsample(gaussians(2 * ONE, 2 * ONE, 0 * ONE, 2), 2))
    done = fit_started(problem, ADAPTED, None, begun_at(start, ADAPTED, problem), start)
    assert [(record.rung, record.reason) for record in done.records] == [("zssr", "budget")] * 2
    assert [record.steps for record in done.records] == [2, 2]
    again = fit(problem, replace(ADAPTED, steps=0), start=done.nets)
    assert torch.equal(done.x, again.x)
    assert done.nets is not None
    assert all(not torch.equal(done.nets.weights[name][0], value) for name, value in start.weights.items())


def test_a_kernel_that_was_not_learned_is_fitted_from_scratch(start: LearnedStart) -> None:
    problem = problem_of(Subsample(gaussians(0.2 * ONE, 0.2 * ONE, 0 * ONE, 2), 2))
    done = fit_started(problem, ADAPTED, None, begun_at(start, ADAPTED, problem), start)
    assert [record.rung for record in done.records] == [SCRATCH, SCRATCH]
    assert all("has not learned to undo this kernel, fitted from scratch" in record.reason for record in done.records)
    assert torch.equal(done.x, fit(problem, ADAPTED.from_scratch()).x)


def test_one_spoiled_tile_does_without_its_start_and_the_other_does_not(start: LearnedStart) -> None:
    problem = problem_of(Subsample(gaussians(2 * ONE, 2 * ONE, 0 * ONE, 2), 2))
    begin = begun_at(start, ADAPTED, problem)
    alone = fit_started(problem, ADAPTED, None, begin, start)
    spoiled = begin.replaced({name: value.detach().clone() for name, value in begin.weights.items()})
    with torch.no_grad():
        spoiled.weights["layers.2.weight"][1] *= 40
    done = fit_started(problem, ADAPTED, None, spoiled, start)
    assert [record.rung for record in done.records] == ["zssr", SCRATCH]
    assert "one scale lower" in done.records[1].reason
    assert torch.equal(done.x[0], alone.x[0])
    assert torch.equal(done.x[1:], fit(problem.take(torch.tensor([1])), ADAPTED.from_scratch()).x)


def test_the_pipeline_says_which_tiles_did_without(start: LearnedStart, folder: Path, tmp_path: Path) -> None:
    choices = {"method__name": "zssr", "method__preset": "mzsr", "method__steps": 2, "start": start.card.id}
    narrow = {f"method__{name}": value for name, value in NARROW.items()}
    tifffile.imwrite(tmp_path / "small.tif", tifffile.imread(folder / "in0.tif")[:40, :48])
    summary = restored(
        str(tmp_path / "small.tif"),
        tmp_path / "out",
        zoom=2,
        scope="tile",
        control="none",
        bad_tiles=1,
        **choices,
        **narrow,
    )
    place = Place(str(tmp_path / "out" / summary.collection))
    table = read_columns(place, table_files(place), ["rung", "stop_reason"]).to_pylist()
    assert {row["rung"] for row in table} == {SCRATCH}  # zoom: 2 is the bicubic kernel
    assert all("has not learned to undo this kernel" in row["stop_reason"] for row in table)


def test_what_a_start_is_not_for_is_refused_with_a_sentence(start: LearnedStart) -> None:
    method = {"name": "zssr", "preset": "mzsr", **NARROW}
    with pytest.raises(RequestError, match=r"enlarges x2, and the recipe x3; set zoom: 2"):
        checked_recipe({"method": method, "start": start.card.id, "zoom": 3})
    with pytest.raises(RequestError, match=r"for kind ResidualStack, .*width 8.*zssr fits .*width 64"):
        checked_recipe({"method": {"name": "zssr"}, "start": start.card.id, "zoom": 2})
    with pytest.raises(RequestError, match="worth nothing from random weights"):
        checked_recipe({"method": method, "start": "random", "zoom": 2})
    with pytest.raises(RequestError, match="x2, and x3 is asked for"):
        make_lesson("more", what="mzsr-x3", parent=start.card.id)
    problem = problem_of(Downsample(2))
    with pytest.raises(InputError, match="set channels: separate"):
        begun_at(start, ADAPTED, replace(problem, y=problem.y.repeat(1, 3, 1, 1)))


def test_words_for_what_is_learned() -> None:
    assert make_lesson("one", what="mlsr-x3").subject == Enlarging("mlsr", 3)
    for wrong in ("mzrs", "mzsr-x5", "mzsr x3"):
        with pytest.raises(RequestError, match=f"--what {wrong} is not known"):
            make_lesson("one", what=wrong)
