"""Audits of learned starts, what is known of a start after some nights, and its quarantine for a collection."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
import torch
import yaml
from contracts.pipeline import pixels, restored

from tasks.registry.artifact import make_start, save_start
from tasks.registry.loading import FOLDER, load_start, registry_place
from tasks.registry.states import allow_for, change_state, history, quarantined_for
from tasks.stores.place import Place
from tasks.surveillance import Watched, bounds, read_watched

CLEAN = 60 + 40 * np.sin(np.arange(96)[:, None] / 7) * np.cos(np.arange(96) / 9)
CHOSEN = {"method": "pretrained", "ladder": (), "tiling__tile": 24, "control": "dct"}


@pytest.fixture(autouse=True)
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setenv(FOLDER, str(tmp_path / "starts"))
    return registry_place()


def images(folder: Path, *names: str, side: int = 96) -> str:
    """Noisy inputs; the path that stands for them all."""
    folder.mkdir(exist_ok=True)
    for name in names:
        noisy = np.random.default_rng(len(name) + ord(name[-1])).poisson(CLEAN[:side, :side])
        tifffile.imwrite(folder / f"{name}.tif", noisy.astype(np.uint16))
    return f"{folder}/*.tif"


def planted(name: str, worthless: bool = True) -> str:
    """An active start of the registry, one that gives the measurement back, or the one that ships; its id."""
    good = load_start("grey")
    weights = {**good.weights}
    if worthless:
        weights["tail.weight"] = torch.zeros_like(weights["tail.weight"])
    start = make_start(good.card.__class__(**{**vars(good.card), "name": name}), weights)
    save_start(start, registry_place())
    change_state(registry_place(), start.card.id, "active", "planted", "candidate")
    return start.card.id


def test_audits_are_kept_and_change_no_pixel(tmp_path: Path) -> None:
    source = images(tmp_path / "in", "a", side=48)
    whole = {**CHOSEN, "tiling__tile": 48}
    audited = restored(source, tmp_path / "one", audit=1.0, **whole)
    restored(source, tmp_path / "two", audit=0.0, **whole)
    one, two = (next((tmp_path / name).iterdir()) for name in ("one", "two"))
    assert np.array_equal(pixels(one, "a"), pixels(two, "a"))
    keys = [set(pd.read_parquet(place / "convergence")["key"]) for place in (one, two)]
    assert keys[0] == keys[1]
    (watched,) = read_watched(Place(str(one))).values()
    assert set(watched.audits) == {"a"}
    assert f"{watched.won} of 1 audits won" in audited.start
    assert read_watched(Place(str(two))).popitem()[1].audits == {}


def test_a_worthless_start_loses_its_audits(tmp_path: Path) -> None:
    # a collection with a name, for that of a path decides what is drawn
    facts = {"title": "Waves", "source": images(tmp_path / "in", "a")}
    catalog = tmp_path / "catalog.yaml"
    catalog.write_text(yaml.safe_dump({"collections": {"waves": facts}}))
    whole = {**CHOSEN, "tiling__tile": 96}
    summary = restored("waves", tmp_path / "out", catalog=catalog, start=planted("poor"), audit=1.0, **whole)
    assert "0 of 1 audits won" in summary.start


def test_bounds_of_a_rate() -> None:
    low, high = bounds(15, 30)
    assert low < 0.5 < high
    assert bounds(9, 30)[1] < 0.5
    assert bounds(0, 30)[0] >= -1e-9


@pytest.mark.parametrize(
    ("watched", "told"),
    [
        (Watched("x:1", audits={str(i): i < 9 for i in range(30)}), "won 9 of 30 audits"),
        (Watched("x:1", audits={str(i): i < 12 for i in range(30)}), ""),
        (Watched("x:1", audits={str(i): False for i in range(29)}), ""),
        (Watched("x:1", tiles=100, given_up=70, inputs=3), "70 of 100 tiles of 3 inputs"),
        (Watched("x:1", tiles=100, given_up=70, inputs=2), ""),
        (Watched("x:1", tiles=100, given_up=52, inputs=3), ""),
    ],
)
def test_it_takes_evidence_to_quarantine_a_start(watched: Watched, told: str) -> None:
    assert (told in watched.reason) is bool(told) or not told
    assert bool(watched.reason) is bool(told)


def test_a_planted_start_is_quarantined_and_the_next_run_takes_another(tmp_path: Path, registry: Place) -> None:
    poor, good = planted("cells"), planted("other", worthless=False)
    source = images(tmp_path / "in", "a", "b", "c")
    first = restored(source, tmp_path / "out", start="cells", **CHOSEN)
    assert "quarantined for this collection" in first.notice
    (collection,) = quarantined_for(registry, poor)
    assert collection == first.collection
    change = history(registry, poor)[-1]
    assert "were left to the control" in change.why
    assert change.evidence["tiles"] == 48
    assert load_start("cells").card.id == poor  # everywhere else it is what it was

    images(tmp_path / "in", "d")
    second = restored(source, tmp_path / "out", start="cells", **CHOSEN)  # what is done stands, without --overwrite
    assert (second.published, second.done_before) == (1, 3)
    rows = pd.read_parquet(next((tmp_path / "out").iterdir()) / "convergence")
    assert set(rows[rows["input"] == "d"]["start"]) == {f"other:{good}"}
    assert set(rows[rows["input"] != "d"]["start"]) == {f"cells:{poor}"}

    allow_for(registry, poor, collection, "looked at")
    assert quarantined_for(registry, poor) == {}


def test_without_another_start_it_goes_on_and_says_so_once(tmp_path: Path) -> None:
    poor = planted("cells")
    change_state(registry_place(), load_start("grey").card.id, "quarantined", "for this test", "active")
    source = images(tmp_path / "in", "a", "b", "c")
    restored(source, tmp_path / "out", start="cells", **CHOSEN)
    images(tmp_path / "in", "d")
    second = restored(source, tmp_path / "out", start="cells", **CHOSEN)
    assert (second.published, second.done_before) == (1, 3)
    assert f"cells:{poor}" in second.start
    assert "quarantined for this collection" not in second.notice
