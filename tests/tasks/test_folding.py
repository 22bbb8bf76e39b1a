"""What a night was good at becomes a candidate, and changes nothing that is in use."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tifffile
import torch

from flows import nightly
from il_models.fitting import FitRecord, Status
from tasks.adapted import keep_adapted
from tasks.errors import RequestError
from tasks.learning.folding import accepted_inputs, folded_name, make_folding
from tasks.learning.outcome import conclude
from tasks.learning.teaching import taught
from tasks.night import Row
from tasks.recipe import load_recipe
from tasks.registry.loading import FOLDER, find_start, known_starts, load_start
from tasks.requests import make_request
from tasks.stores.place import Place

CLEAN = 60 + 40 * np.sin(np.arange(64)[:, None] / 7) * np.cos(np.arange(64) / 9)
RECIPE = {"fold.steps": 2}


@pytest.fixture(autouse=True)
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(FOLDER, str(tmp_path / "starts"))
    return tmp_path / "starts"


@pytest.fixture
def night(tmp_path: Path) -> tuple[str, Path]:
    """A collection of noisy images, and where its table says that all but one are good."""
    (tmp_path / "in").mkdir()
    for number in range(9):
        noisy = np.roll(CLEAN, 11 * number, 1) + np.random.default_rng(number).normal(0, 8, CLEAN.shape)
        tifffile.imwrite(tmp_path / "in" / f"{number}.tif", noisy.astype(np.float32))
    source = str(tmp_path / "in" / "*.tif")
    out = make_request(source, load_recipe(), out=str(tmp_path / "out")).out
    rows = [
        {"input": str(n), "run": "test", "tile": tile, "verdict": verdict, "rung": "start", "share": 0.7}
        for n in range(9)
        for tile, verdict in enumerate(("good", "suspect" if n == 8 else "good"))
    ]
    assert out.local is not None
    (out.local / "convergence").mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(rows), out.local / "convergence" / "rows.parquet")
    return source, out.local


def adapted(out: Path, start: str, name: str, level: float) -> None:
    """What an adaptation of an input would leave."""
    told = {"start": start, "scope": "input", "input": name, "rungs": [], "seed": 0}
    record = FitRecord(Status.BUDGET, "", 1, 1, (), 0.0, rung="noise_tuning")
    keep_adapted(Place(str(out)) / "adapted", told, record, f"input:{name}", {"level": torch.tensor([level])})


def test_a_night_becomes_a_candidate_that_the_gate_can_judge(night: tuple[str, Path]) -> None:
    source, out = night
    grey = load_start("grey")
    adapted(out, grey.card.id, "3", float(grey.weights["level"]) + 0.8)
    adapted(out, "another", "4", 5.0)
    folding = make_folding(source, load_recipe(None, RECIPE), out=str(out.parent))
    assert (folding.accepted, folding.adapted) == (8, 1)
    level = folding.lesson.network().state_dict()["level"]
    assert float(level - grey.weights["level"]) == pytest.approx(0.5 * 0.8 / 8, abs=1e-6)  # e times the mean over all
    material = folding.lesson.material()
    assert len(material.inputs) == 4
    assert len({trial.image for trial in material.trials}) == 4
    list(taught(folding.lesson, material))
    card = conclude(folding.lesson, material).card
    assert card.parent == grey.card.id
    assert find_start(card.id).state == "candidate"
    assert card.evidence is not None
    assert card.evidence.referee == grey.card.id
    assert load_start("grey").card.id == grey.card.id
    assert card.name == folded_name(grey, out.name)
    assert sum(each.state == "active" for each in known_starts()) == 1


def test_only_what_is_good_and_of_this_night_counts(night: tuple[str, Path]) -> None:
    source, out = night
    assert accepted_inputs(Place(str(out))) == accepted_inputs(Place(str(out)), "test") == set("01234567")
    assert accepted_inputs(Place(str(out)), "another night") == set()
    with pytest.raises(RequestError, match=r"0 inputs of .* and 8 are needed"):
        make_folding(source, load_recipe(None, RECIPE), out=str(out.parent), run="another night")
    with pytest.raises(RequestError, match="nothing to fold into"):
        make_folding(source, load_recipe(None, {"method.name": "nlm"}), out=str(out.parent))


def test_no_pixel_depends_on_it() -> None:
    assert load_recipe().digest("x") == load_recipe(None, {"fold.steps": 5}).digest("x")


def test_a_fold_that_fails_fails_no_night(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise RequestError("2 inputs are too few.")

    monkeypatch.setattr(nightly, "fold_start", fails)
    recipe = load_recipe(None, {"fold.steps": 5})
    told = nightly._folded(Row("plankton", inputs=2, run="7"), recipe, None, "out")
    assert told.folded == "nothing: 2 inputs are too few."
    assert not told.problem
    bad = Row("plankton", inputs=2, problem="it failed")
    assert nightly._folded(bad, recipe, None, "out") == bad
