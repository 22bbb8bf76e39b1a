"""Learning a start: the material, resuming bit for bit, what the card says, and the gate."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch

from tasks.errors import RequestError
from tasks.learning import packaged
from tasks.learning.collection import collection_material
from tasks.learning.keeping import kept_state
from tasks.learning.lesson import Lesson, make_lesson, make_tuning
from tasks.learning.material import Material, clean_material
from tasks.learning.outcome import conclude
from tasks.learning.packaged import made_from, packaged_material, packaged_trials
from tasks.learning.reading import find_source
from tasks.learning.teaching import taught
from tasks.learning.trials import by_nlm, clean_trials, mean_psnr, noisy_trials
from tasks.registry.loading import FOLDER, load_start


@pytest.fixture(autouse=True)
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(FOLDER, str(tmp_path / "starts"))
    return tmp_path / "starts"


def plane(seed: int, side: int = 96) -> np.ndarray:
    """Soft blobs, range [0, 1]."""
    coarse = torch.rand(1, 1, 7, 7, generator=torch.Generator().manual_seed(seed))
    fine = torch.nn.functional.interpolate(coarse, size=(side, side), mode="bicubic")[0, 0]
    return ((fine - fine.min()) / (fine.max() - fine.min())).numpy()


@pytest.fixture
def material() -> Material:
    planes = [plane(seed) for seed in range(3)]
    trials = [trial for seed in (7, 8) for trial in clean_trials(f"held {seed}", plane(seed))]
    return clean_material(planes, trials, [made_from("blobs", planes[0])], "two blobs", "CC0")


def lesson(steps: int = 20, **changes: object) -> Lesson:
    return replace(make_lesson("blobs", what="lite", steps=steps), **changes)  # type: ignore[arg-type]


def test_a_lesson_that_was_interrupted_ends_with_the_same_weights(material: Material, tmp_path: Path) -> None:
    asked = lesson()
    whole = list(taught(asked, material))
    assert [now.steps for now in whole] == list(range(1, 21))
    learned, curve = kept_state(asked.work) or pytest.fail("nothing was kept")
    asked.work.remove()
    for now in taught(asked, material):
        if now.steps == 13:  # the last state was kept at 10
            break
    assert [now.steps for now in taught(asked, material)] == list(range(11, 21))
    again, same_curve = kept_state(asked.work) or pytest.fail("nothing was kept")
    assert all(torch.equal(again.weights[name], value) for name, value in learned.weights.items())
    assert all(torch.equal(again.moments[name], value) for name, value in learned.moments.items())
    assert same_curve == curve
    assert list(taught(asked, material)) == []  # nothing is left to do


def test_what_was_learned_is_a_candidate_with_evidence(material: Material, registry: Path) -> None:
    asked = lesson()
    for _ in taught(asked, material):
        pass
    outcome = conclude(asked, material)
    start = load_start(outcome.card.id)
    assert start.card == outcome.card
    assert start.card.network == {"kind": "SharedDenoiser", "size": "lite"}
    assert [point.steps for point in start.card.curve] == [10, 20]
    assert start.card.evidence is not None
    assert {row.image for row in start.card.evidence.rows} == {"held 7", "held 8"}
    assert start.card.evidence.referee == "nlm"
    assert float(start.weights["level"]) == 0
    assert not (registry / ".learning" / asked.work.uri.rpartition("/")[2]).exists()


def test_one_goes_on_from_a_parent(material: Material, tmp_path: Path) -> None:
    first = lesson(2)
    for _ in taught(first, material):
        pass
    parent = conclude(first, material).card
    with pytest.raises(RequestError, match="of another network"):
        make_lesson("more", what="small", parent=parent.id)
    asked = make_lesson("more", what="lite", steps=2, parent=parent.id, out=str(tmp_path / "here"))
    assert all(
        torch.equal(value, load_start(parent.id).weights[name]) for name, value in asked.network().named_parameters()
    )
    for _ in taught(asked, material):
        pass
    card = conclude(asked, material).card
    assert card.parent == parent.id
    assert card.evidence is not None
    assert card.evidence.referee == parent.id
    assert load_start(str(tmp_path / "here" / "more.safetensors")).card == card
    with pytest.raises(RequestError, match="has a start 'more' already"):
        make_lesson("more", what="lite", out=str(tmp_path / "here"))


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ({"name": "My start"}, "cannot name a start"),
        ({"what": "smal"}, "Did you mean 'small'"),
        ({"steps": 0}, "--steps 0"),
        ({"source": "cells_dem"}, "Did you mean 'cells_demo'"),
        ({"source": "cells_demo", "limit": 0}, "--limit 0"),
        ({"parent": "nobody"}, "no start 'nobody'"),
    ],
)
def test_wrong_lessons_are_one_sentence(words: dict[str, object], sentence: str) -> None:
    with pytest.raises(RequestError, match=sentence):
        make_lesson(**{"name": "blobs", **words})  # type: ignore[arg-type]


def test_packaged_pictures_are_those_that_are_not_held_out() -> None:
    pytest.importorskip("sklearn")
    material = packaged_material()
    assert len(material.inputs) == 17
    assert {trial.image for trial in material.trials} == {"camera", "cell", "ihc", "microaneurysms", "moon"}
    assert not {each.name for each in material.inputs} & {trial.image for trial in material.trials}
    crops = [material.draw(torch.Generator().manual_seed(5)) for _ in range(2)]
    assert crops[0].y.shape == (6, 1, 64, 64)
    assert torch.equal(crops[0].y, crops[1].y)


def test_without_scikit_learn_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    found = packaged.find_spec
    monkeypatch.setattr(packaged, "find_spec", lambda name: None if name == "sklearn" else found(name))
    with pytest.raises(RequestError, match=r"need scikit-learn.*selfmend\[starts\]"):
        packaged_material()


def test_trials_are_the_same_every_time() -> None:
    once, again = packaged_trials(), packaged_trials()
    assert all(torch.equal(a.y, b.y) for a, b in zip(once, again, strict=True))
    assert [trial.level for trial in once[:3]] == [15.0, 25.0, 50.0]
    found = mean_psnr([trial for trial in once if trial.level == 25], lambda y, sigma: y)
    assert found[25.0] == pytest.approx(20.17, abs=0.1)  # 20 log10(255 / 25)


def test_clean_references_are_learned_from() -> None:
    material = collection_material(find_source("cells_demo"))
    assert [each.name for each in material.inputs] == ["cell", "ihc"]
    assert {trial.image for trial in material.trials} == {"microaneurysms"}
    assert {trial.floor for trial in material.trials} == {0.0}
    assert "CC0" in material.licence


def folder(tmp_path: Path, sigma: float, count: int = 5, blur: bool = False) -> str:
    random = np.random.default_rng(3)
    for i in range(count):
        noise = random.standard_normal((160, 160))
        if blur:
            noise = (noise + np.roll(noise, 1, 1)) / 2**0.5
        values = 1000 + 3000 * plane(i, 160) + sigma * noise
        tifffile.imwrite(tmp_path / f"in{i}.tif", values.astype(np.float32))
    return str(tmp_path / "in*.tif")


def test_noisy_inputs_are_recorrupted_at_their_noise(tmp_path: Path) -> None:
    material = collection_material(find_source(folder(tmp_path, 200)))
    assert len(material.inputs) == 4
    assert [trial.image for trial in material.trials] == ["in4"]
    trial = material.trials[0]
    assert trial.error(trial.y) == pytest.approx(trial.sigma**2, rel=0.1)
    assert trial.error(by_nlm(trial.y, trial.sigma)) < trial.error(trial.y) / 3
    assert material.sigma[0] < trial.sigma / 2**0.5 < material.sigma[1]  # the level of the inputs is learned
    seen = material.draw(torch.Generator().manual_seed(1))
    assert seen.y.shape == seen.target.shape == (6, 1, 64, 64)


def test_correlated_noise_is_not_yet_learned_from(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"Nothing can be learned.*noise is correlated.*not yet"):
        collection_material(find_source(folder(tmp_path, 200, count=1, blur=True)))


def test_the_error_of_a_noisy_trial_is_that_of_the_clean_image() -> None:
    clean, sigma = plane(1, 256), 0.1
    noise = np.random.default_rng(0).standard_normal(clean.shape).astype(np.float32)
    trial = noisy_trials("one", clean + sigma * noise, sigma)[0]
    off = torch.from_numpy(clean)[None, None] + 0.05
    assert trial.error(off) == pytest.approx(0.05**2, abs=2e-4)


def test_a_frame_teaches_and_the_collection_judges(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "frame.tif", plane(7, 96).astype(np.float32))
    source = folder(tmp_path, 200, count=4)
    asked = make_tuning("mine", source, str(tmp_path / "frame.tif"), "grey", steps=1)
    material = asked.material()
    assert [each.name for each in material.inputs] == ["frame at 0,0"]
    assert len({trial.image for trial in material.trials}) == 4
    assert {trial.level for trial in material.trials} == {0.0}
    assert str(asked.told()["frame"]).startswith("frame")
    assert asked.rate == 1e-4
    assert asked.work != make_lesson("mine", source, parent="grey", steps=1).work
    drawn = material.draw(torch.Generator().manual_seed(1))
    assert drawn.target.min() >= 0
    assert not torch.equal(drawn.y, drawn.target)
