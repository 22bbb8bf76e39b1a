"""Learned starts: written once, checked when read, found by name, id or path, and used only while they may be."""

import json
import pickle
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from contracts.starts import card, weights
from safetensors.torch import save_file

from il_models.networks.denoiser import SharedDenoiser
from il_models.networks.three_layers import ThreeLayers
from tasks.errors import RequestError
from tasks.registry import loading
from tasks.registry.artifact import LearnedStart, make_start, save_start
from tasks.registry.card import Evidence, Shown, identity
from tasks.registry.gate import findings
from tasks.registry.loading import FOLDER, find_start, known_starts, load_start, registry_place
from tasks.registry.states import change_state, history
from tasks.stores.leases import locked
from tasks.stores.place import Place


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setenv(FOLDER, str(tmp_path / "starts"))
    return registry_place()


@pytest.fixture
def start(registry: Place) -> LearnedStart:
    made = make_start(card(), weights())
    save_start(made, registry)
    return made


def files(place: Place) -> dict[str, bytes]:
    return {name: place.read(name) for name in place.names()}


def test_what_is_saved_is_loaded(start: LearnedStart, registry: Place) -> None:
    for reference in (start.card.id, start.card.id[:5], f"{registry.uri}/{start.card.id}.safetensors"):
        loaded = load_start(reference)
        assert loaded.card == start.card
        assert all(torch.equal(loaded.weights[name], value) for name, value in weights().items())
    SharedDenoiser("lite").load_state_dict(loaded.weights)


def test_a_copy_is_the_same_start(start: LearnedStart, tmp_path: Path) -> None:
    save_start(load_start(start.card.id), Place(str(tmp_path / "copy")))
    assert load_start(str(tmp_path / "copy" / f"{start.card.id}.json")).card == start.card


def test_small_networks_have_starts_as_well(registry: Place) -> None:
    own = {name: value.detach() for name, value in ThreeLayers(2, 8).named_parameters()}
    made = make_start(card(network={"kind": "ThreeLayers", "channels": 2, "width": 8}, channels=2), own)
    save_start(made, registry)
    assert load_start(made.card.id).weights.keys() == own.keys()


def test_half_precision_is_on_disk_alone(registry: Place) -> None:
    made = make_start(card(stored="float16"), weights())
    whole = make_start(card(), weights())
    save_start(made, registry)
    save_start(whole, registry)
    sizes = {name: len(data) for name, data in files(registry).items()}
    assert sizes[f"{made.card.id}.safetensors"] < 0.6 * sizes[f"{whole.card.id}.safetensors"]
    loaded = load_start(made.card.id)
    assert {value.dtype for value in loaded.weights.values()} == {torch.float32}
    assert all(torch.equal(value, made.weights[name]) for name, value in loaded.weights.items())


def test_any_uri_will_do(start: LearnedStart) -> None:
    place = Place("memory://somewhere/starts")
    save_start(start, place, "cells")
    assert load_start("memory://somewhere/starts/cells.json").card == start.card


def test_the_id_is_of_the_content(start: LearnedStart) -> None:
    assert make_start(card(made="2027-03-04"), weights()).card.id == start.card.id
    others = [make_start(card(licence="other"), weights()), make_start(card(), weights(1))]
    assert len({start.card.id, *(other.card.id for other in others)}) == 3


def test_nothing_is_overwritten(start: LearnedStart, registry: Place) -> None:
    before = files(registry)
    save_start(replace(start, card=replace(start.card, made="2027-03-04")), registry)
    assert files(registry) == before
    with pytest.raises(RequestError, match="never overwritten"):
        save_start(make_start(card(), weights(1)), registry, start.card.id)
    assert files(registry) == before


def test_by_name_it_is_the_active_one_that_was_made_last(start: LearnedStart, registry: Place) -> None:
    with pytest.raises(RequestError, match=f"'cells' is active: there is {start.card.id} \\(candidate\\)"):
        find_start("cells")
    later = make_start(card(made="2026-02-02"), weights(1))
    save_start(later, registry)
    change_state(registry, start.card.id, "active", "tried it", first="candidate")
    assert find_start("cells").id == start.card.id
    change_state(registry, later.card.id, "active", "better", first="candidate")
    assert find_start("cells").id == later.card.id
    change_state(registry, later.card.id, "quarantined", "worse on plates", first="candidate")
    assert find_start("cells").id == start.card.id
    assert {each.id: each.state for each in known_starts() if not each.bundled} == {
        start.card.id: "active",
        later.card.id: "quarantined",
    }
    assert [change.why for change in history(registry, later.card.id)] == ["better", "worse on plates"]


def test_one_that_ships_is_active_until_it_is_quarantined(
    registry: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shipped, own = Place(str(tmp_path / "shipped")), make_start(card(made="2027-01-01"), weights(1))
    first = make_start(card(), weights())
    save_start(first, shipped, "cells")
    save_start(own, registry)
    change_state(registry, own.card.id, "active", "tried it", first="candidate")
    monkeypatch.setattr(loading, "bundled_place", lambda: shipped)
    assert find_start("cells").id == first.card.id
    change_state(registry, first.card.id, "quarantined", "falls back", first="active")
    assert find_start("cells").id == own.card.id
    assert find_start(first.card.id).state == find_start(f"{shipped.uri}/cells.json").state == "quarantined"


def test_states_follow_each_other(start: LearnedStart, registry: Place) -> None:
    with pytest.raises(RequestError, match="without a reason"):
        change_state(registry, start.card.id, "retired", " ", first="candidate")
    change_state(registry, start.card.id, "retired", "old", first="candidate")
    with pytest.raises(RequestError, match="is retired and cannot become active; from there it becomes nothing else"):
        change_state(registry, start.card.id, "active", "again", first="candidate")
    assert len(history(registry, start.card.id)) == 1


def test_who_mistypes_is_told_what_is_near(start: LearnedStart) -> None:
    with pytest.raises(RequestError, match=r"no start 'cels'.*Did you mean 'cells'\?"):
        load_start("cels")
    with pytest.raises(RequestError, match=r"no start .absent/cells"):
        load_start("absent/cells.json")


def test_a_changed_start_is_refused(start: LearnedStart, registry: Place) -> None:
    id_ = start.card.id
    good = files(registry)
    data = bytearray(good[f"{id_}.safetensors"])
    data[-1] ^= 1
    told = json.loads(good[f"{id_}.json"])
    for name, bad in {
        f"{id_}.safetensors": bytes(data),
        f"{id_}.json": json.dumps({**told, "licence": "mine"}).encode(),
    }.items():
        registry.write(name, bad)
        with pytest.raises(RequestError, match="was changed or is broken"):
            load_start(id_)
        registry.write(name, good[name])
    assert load_start(id_).card == start.card


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("json", None, "no card"),
        ("json", b"{", "not valid JSON"),
        ("json", b"[]", "not the card of a start"),
        ("json", b'{"name": "cells"}', "not the card of a start: id: Field required"),
        ("safetensors", None, "no weights"),
        ("safetensors", pickle.dumps({"head": 1}, 4), "is a pickle"),
        ("safetensors", b"PK\x03\x04 archive/data.pkl", "is a pickle"),
    ],
)
def test_missing_and_foreign_files(
    start: LearnedStart, registry: Place, name: str, content: bytes | None, sentence: str
) -> None:
    registry.remove(f"{start.card.id}.{name}")
    if content is not None:
        registry.write(f"{start.card.id}.{name}", content)
    with pytest.raises(RequestError, match=sentence):
        load_start(f"{registry.uri}/{start.card.id}.json")


def test_a_pickle_is_not_opened(tmp_path: Path) -> None:
    torch.save({"head": torch.ones(1)}, tmp_path / "start.pt")
    with pytest.raises(RequestError, match="ending of a pickle"):
        load_start(str(tmp_path / "start.pt"))


def foreign(registry: Place, tmp_path: Path, given: dict[str, torch.Tensor], **changes: object) -> str:
    """A start whose id is right, although its weights are not."""
    save_file(given, tmp_path / "raw.safetensors")
    data = (tmp_path / "raw.safetensors").read_bytes()
    blank = card(**changes)
    id_ = identity(data, json.loads(blank.to_json()))
    registry.write("foreign.safetensors", data)
    registry.write("foreign.json", replace(blank, id=id_).to_json())
    return f"{registry.uri}/foreign.json"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"network": {"kind": "Hourglass", "size": "lite"}}, "kind 'Hourglass', which this version does not know"),
        ({"network": {"kind": "SharedDenoiser", "size": "huge"}}, "one of lite, small, base"),
        ({"network": {"kind": "ThreeLayers", "channels": 0, "width": 48}}, "numbers from 1 to 1024"),
        ({"network": {"kind": "ThreeLayers", "channels": 1, "width": 48}}, "lacks 'layers.0.bias'"),
        (
            {"network": {"kind": "SharedDenoiser", "size": "small"}},
            r"the shape \(28,\), and SharedDenoiser, small wants",
        ),
    ],
)
def test_other_networks_are_refused(registry: Place, tmp_path: Path, change: dict[str, object], sentence: str) -> None:
    with pytest.raises(RequestError, match=sentence):
        load_start(foreign(registry, tmp_path, weights(), **change))


def test_weights_must_be_all_there_and_finite(registry: Place, tmp_path: Path) -> None:
    good = weights()
    cases = {
        r"lacks 'tail.weight' \(1 of": {name: value for name, value in good.items() if name != "tail.weight"},
        "has 'extra', which": {**good, "extra": torch.ones(2)},
        "'tail.weight' holds numbers that are not finite": {**good, "tail.weight": good["tail.weight"] / 0},
    }
    for sentence, bad in cases.items():
        with pytest.raises(RequestError, match=sentence):
            load_start(foreign(registry, tmp_path, bad))


def test_a_broken_start_hides_no_other(start: LearnedStart, registry: Place) -> None:
    registry.write("broken.json", b"{")
    with locked(registry):
        assert len([each for each in known_starts() if not each.bundled]) == 2  # what a lock writes is no start
    own = [each for each in known_starts() if not each.bundled]
    assert [each.name for each in own] == ["broken", "cells"]
    assert "not valid JSON" in own[0].problem
    with pytest.raises(RequestError, match="not valid JSON"):
        find_start("broken")


def gains(dB: list[float], over_input: float = 5.0) -> Evidence:
    """Evidence of a candidate that is better than its referee by so much on each image, at two levels."""
    rows = [
        Shown(f"image {i}", level, 10 ** (over_input / 10), 10 ** (gain / 10), 1.0)
        for i, gain in enumerate(dB)
        for level in (15.0, 25.0)
    ]
    return Evidence("nlm", tuple(rows))


@pytest.mark.parametrize(
    ("evidence", "failed"),
    [
        (gains([1.0, 0.8, 1.3, 0.2, 0.6]), ""),
        (None, "no held-out evidence"),
        (gains([1.0, 1.0]), "of 2 held-out images, and at least 4 are needed"),
        (gains([0.4, -0.05, -0.06, 0.1, -0.02]), "benefit: -0.02 dB against nlm in the median of 5 images, 95 % bound"),
        (gains([1.0, 1.2, 0.9, 1.1, -0.4]), "not worse: on 80% of the images"),
        (gains([9.0] * 5, over_input=-0.5), "tail: -0.50 dB against the measurement"),
        (Evidence("nlm", tuple(Shown(f"{i}", 25.0, 1.0, 1.0, 0.0) for i in range(5))), "not finite, or not above 0"),
    ],
)
def test_the_gate_lets_pass_what_is_better(evidence: Evidence | None, failed: str) -> None:
    found = [finding.words for finding in findings(card(evidence=evidence)) if not finding.passed]
    assert bool(found) == bool(failed)
    assert failed in " ".join(found)


def test_the_starts_that_ship_are_sound() -> None:
    bundled = [each for each in known_starts() if each.bundled]
    assert {each.name for each in bundled} >= {"grey"}
    for each in bundled:
        assert each.problem == ""
        assert load_start(each.name).card.id == each.id
        assert all(finding.passed for finding in findings(load_start(each.name).card))
    assert sum(len(data) for data in files(bundled[0].place).values()) < 4e6  # bytes that everybody downloads
