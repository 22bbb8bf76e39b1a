"""What stands in the way of a request is told, and nothing is touched."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
from contracts.pipeline import begun, restored
from contracts.trees import digests

from tasks.errors import RequestError

CHOSEN = {"method": "identity"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    random = np.random.default_rng(0)
    (tmp_path / "in").mkdir()
    for name in "ab":
        tifffile.imwrite(tmp_path / "in" / f"{name}.tif", random.integers(0, 99, (30, 40)).astype(np.uint8))
    return tmp_path


def test_a_finished_run_has_nothing_left(folder: Path) -> None:
    restored(str(folder / "in"), folder / "out", **CHOSEN)
    before = digests(folder / "out")
    _, found = begun(str(folder / "in"), folder / "out", **CHOSEN)
    assert len(found.done) == 2
    assert found.left == ()
    assert digests(folder / "out") == before


def test_new_inputs_are_added(folder: Path) -> None:
    restored(str(folder / "in"), folder / "out", **CHOSEN)
    tifffile.imwrite(folder / "in" / "c.tif", np.zeros((20, 20), np.uint8) + np.arange(20, dtype=np.uint8))
    assert restored(str(folder / "in"), folder / "out", **CHOSEN).published == 1


def test_a_new_input_joins_an_interrupted_run(folder: Path) -> None:
    run, _ = begun(str(folder / "in"), folder / "out", **CHOSEN)
    tifffile.imwrite(folder / "in" / "c.tif", np.zeros((20, 20), np.uint8) + np.arange(20, dtype=np.uint8))
    again, _ = begun(str(folder / "in"), folder / "out", **CHOSEN)
    assert again.plan.lots[: len(run.plan.lots)] == run.plan.lots
    assert len(again.plan.lots) > len(run.plan.lots)
    assert restored(str(folder / "in"), folder / "out", **CHOSEN).published == 3


def test_results_of_another_recipe_are_refused_and_overwritten_on_demand(folder: Path) -> None:
    restored(str(folder / "in"), folder / "out", **CHOSEN)
    before = digests(folder / "out")
    with pytest.raises(RequestError, match=r"another recipe.*--overwrite"):
        begun(str(folder / "in"), folder / "out", output__dtype="float32", **CHOSEN)
    assert digests(folder / "out") == before
    assert (
        restored(str(folder / "in"), folder / "out", overwrite=True, output__dtype="float32", **CHOSEN).published == 2
    )


def test_another_file_of_the_same_name_is_refused(folder: Path) -> None:
    restored("plates", folder / "out", catalog=_listed(folder, "in"), **CHOSEN)
    (folder / "other").mkdir()
    tifffile.imwrite(folder / "other" / "a.tif", np.arange(1200, dtype=np.uint8).reshape(30, 40))
    with pytest.raises(RequestError, match=r"changed since.*--overwrite"):
        begun("plates", folder / "out", catalog=_listed(folder, "other"), **CHOSEN)


def _listed(folder: Path, source: str) -> Path:
    """A catalogue of one collection."""
    (folder / "catalog.yaml").write_text(f"collections: {{plates: {{title: Plates, source: {source}/*.tif}}}}")
    return folder / "catalog.yaml"


def test_an_interrupted_run_of_another_recipe_is_refused(folder: Path) -> None:
    begun(str(folder / "in"), folder / "out", **CHOSEN)
    with pytest.raises(RequestError, match="interrupted run with another recipe"):
        begun(str(folder / "in"), folder / "out", method="identity", seed=4)
    run, found = begun(str(folder / "in"), folder / "out", overwrite=True, method="identity", seed=4)
    assert found.begun is None
    assert len(run.plan.lots) == 2
