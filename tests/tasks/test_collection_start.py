"""scope: collection: one network for all inputs, adapted once, judged by inputs that it did not see, kept for later."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
import torch
from contracts.pipeline import begun, finished, pixels, restored

import tasks.lot_starts
from benchmarks.starts import lattice
from il_models.degradations import Identity
from il_models.noise import Noise
from il_models.problem import Problem
from tasks.adapted import adaptations
from tasks.collection_start import collection_windows, joined, sampled_inputs
from tasks.errors import InputError, RequestError
from tasks.handful import restore_handful
from tasks.readers import open_input
from tasks.recipe import load_recipe
from tasks.registry.loading import load_start
from tasks.run import LotsFailed
from tasks.stores.place import Place
from tasks.verification import verify_tiles

LADDER = [{"name": "lidia", "steps": 20, "rate": 3e-4}]
CHOSEN = {"method": "pretrained", "scope": "collection", "ladder": LADDER} | {
    "control": "none",
    "output__dtype": "float32",
}
ATOMS = 200 * lattice(96)[0].numpy()  # of which the start knows nothing


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three micrographs of one kind, with noise that is known."""
    folder = tmp_path_factory.mktemp("atoms")
    for number in range(3):
        noise = np.random.default_rng(number).normal(0, 20, ATOMS.shape)
        tifffile.imwrite(folder / f"{number}.tif", (ATOMS + noise).astype(np.float32))
    (folder / "catalog.yaml").write_text(
        f"collections: {{atoms: {{title: atoms, source: '{folder}/*.tif', noise: {{kind: gaussian, sigma: 20}}}}}}"
    )
    return folder / "catalog.yaml"


def night(catalog: Path, out: Path, **more: object) -> Path:
    """All lots as the flow has them done: in handfuls, the collection's network before them."""
    run, found = begun("atoms", out, catalog=catalog, **{**CHOSEN, **more})
    with ThreadPoolExecutor(1) as pool:
        restore_handful(run, run.plan.lots, pool)
    finished(run, found)
    return out / "atoms"


def error_of(image: np.ndarray) -> float:
    return float(((image - ATOMS) ** 2).mean())


@pytest.fixture(scope="module")
def first(catalog: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return night(catalog, tmp_path_factory.mktemp("first"))


def test_all_inputs_go_on_from_one_network(first: Path, catalog: Path, tmp_path: Path) -> None:
    (kept,) = adaptations(Place(str(first)) / "adapted", load_start("grey").card.id)
    rows = pd.read_parquet(first / "convergence")
    assert set(rows["start"].astype(str)) == {kept.id}
    assert kept.id.startswith("collection:")
    assert set(rows["rung"].astype(str)) == {"lidia"}
    plain = night(catalog, tmp_path, scope="input", ladder=[])
    for name in ("0", "1", "2"):
        assert error_of(pixels(first, name)) < 0.8 * error_of(pixels(plain, name))


def test_a_later_night_takes_it_again_and_tiles_can_be_verified(
    first: Path, catalog: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object) -> None:
        raise AssertionError("adapted again")

    monkeypatch.setattr(tasks.lot_starts, "collection_start", never)
    before = pixels(first, "1")
    again = night(catalog, first.parent, overwrite=True, output__pyramid=False)
    np.testing.assert_array_equal(pixels(again, "1"), before)
    assert all(each.is_same for each in verify_tiles(Place(str(first)), 2))
    (file,) = (first / "adapted").iterdir()
    file.rename(first / "elsewhere")
    with pytest.raises(InputError, match=r"does not hold 'collection:\w+' any more"):
        list(verify_tiles(Place(str(first)), 1))


def test_who_learns_judges_not(catalog: Path, tmp_path: Path) -> None:
    run, _ = begun("atoms", tmp_path, catalog=catalog, **CHOSEN)
    sampled = sampled_inputs(run.plan.inputs, 0, run.plan.collection)
    assert sampled == sampled_inputs(reversed(run.plan.inputs), 0, run.plan.collection)
    opened = [(entry, open_input(entry.uri, run.request.facts)) for entry in sampled]
    lessons, trials = collection_windows(opened, 0, run.plan.collection)
    assert len(lessons) >= 32
    assert len(trials) >= 16
    assert not {window.entry.name for window in lessons} & {window.entry.name for window in trials}
    assert {window.raw.shape for window in (*lessons, *trials)} == {(1, 96, 96)}


def test_an_input_that_went_away_stops_nobody_else(catalog: Path, tmp_path: Path) -> None:
    away = catalog.parent / "1.tif"
    run, _ = begun("atoms", tmp_path, catalog=catalog, **CHOSEN, seed=7)
    away.rename(catalog.parent / "1.away")
    try:
        with ThreadPoolExecutor(1) as pool, pytest.raises(LotsFailed) as failed:
            restore_handful(run, run.plan.lots, pool)
    finally:
        (catalog.parent / "1.away").rename(away)
    assert list(failed.value.reasons) == ["1"]


def test_tiles_of_any_brightness_are_joined_with_one_noise() -> None:
    levels = torch.tensor([[0.1, 0.2], [0.4, 0.2], [0.2, 0.8]])
    noise = Noise(torch.zeros(3, 2), levels**2, torch.tensor([[0.0, 0.3], [0.0, 0.0], [0.0, 0.0]]))
    y = levels[..., None, None] * torch.randn(3, 2, 64, 64, generator=torch.Generator().manual_seed(1))
    mask = torch.ones(3, 1, 64, 64, dtype=torch.bool)
    one = joined(Problem(y, Identity(), noise, mask, torch.arange(3)))
    assert one.y.shape == (1, 2, 192, 64)
    assert one.mask.shape == (1, 1, 192, 64)
    assert one.noise.variance.sqrt().flatten().tolist() == pytest.approx([0.2, 0.2])
    assert one.noise.correlation.flatten().tolist() == pytest.approx([0.0, 0.1])
    for rows in one.y[0].split(64, 1):
        assert rows.std((1, 2)).tolist() == pytest.approx([0.2, 0.2], rel=0.05)


def test_without_a_network_of_the_collection_a_lot_says_so(catalog: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"does not hold the network of '.*'.*start the same command again"):
        restored("atoms", tmp_path, catalog=catalog, **CHOSEN)


def test_a_method_without_a_start_has_no_such_scope() -> None:
    with pytest.raises(RequestError, match=r"scope: collection adapts a learned start, and zs_n2n begins at none"):
        load_recipe(None, {"scope": "collection"}, "zs_n2n")
