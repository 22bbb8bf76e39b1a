"""Recipes: what is allowed, and how a mistake is told."""

from pathlib import Path

import pytest

from il_models.fitting import Discrepancy, FirstOf, Outgrown, Plateau
from tasks.errors import RequestError
from tasks.recipe import known_recipes, load_recipe
from tasks.registry.loading import load_start


@pytest.mark.parametrize("name", sorted(known_recipes()))
def test_shipped_recipes_are_valid(name: str) -> None:
    recipe = load_recipe(name)
    assert recipe.restoration().name == recipe.method.name


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"tilling.tile": 3}, ["'tilling'", "'tiling'"]),
        ({"tiling.tile": "x"}, ["tiling.tile", "'x'"]),
        ({"tiling.tile": 0}, ["tiling.tile", "0"]),
        ({"method": {"name": "zs_n2n", "step": 3}}, ["zs_n2n", "'step'", "'steps'"]),
        ({"method.steps": "many"}, ["'steps'", "'many'"]),
        ({"method.steps": -1}, ["steps", "-1"]),
        ({"method.name": "dpi"}, ["'dpi'", "identity, ", "nlm, ", "zs_n2n"]),
        ({"method": {"name": "zs_n2n", "preset": "fsat"}}, ["zs_n2n", "'fsat'", "Did you mean 'fast'?"]),
        ({"method": {"name": "nlm", "preset": "fast"}}, ["nlm", "'fast'", "It has none"]),
        ({"scope": "tiles"}, ["'scope'", "'tile', 'input' or 'collection'", "'tiles'"]),
        ({"stopper": [{"kind": "plato"}]}, ["stopper", "plateau"]),
        ({"bad_tiles": 2}, ["bad_tiles", "2"]),
        ({"start": "gray"}, ["no start 'gray'", "Did you mean 'grey'?"]),
        ({"start": "random"}, ["pretrained is worth nothing from random weights", "leave `start` out"]),
        ({"method.name": "nlm", "start": "grey"}, ["nlm", "fits nothing"]),
        ({"method.name": "dip", "start": "grey"}, ["dip always begins at random weights"]),
        ({"method.name": "zs_n2n", "start": "grey"}, ["SharedDenoiser", "zs_n2n fits", "ThreeLayers"]),
        ({"method.size": "lite"}, ["size small", "pretrained fits", "size lite"]),
        ({"ladder": [{"name": "zs_n2n"}]}, ["ladder", "'zs_n2n' adapts no learned start"]),
    ],
)
def test_mistakes_are_told(settings: dict[str, object], words: list[str]) -> None:
    with pytest.raises(RequestError) as told:
        load_recipe(None, settings)
    assert "\n" not in str(told.value)
    for word in words:
        assert word in str(told.value)


def test_a_preset_and_fields_beside_it() -> None:
    method = load_recipe(None, {"method": {"name": "zs_n2n", "preset": "paper", "steps": 5}}).restoration()
    assert (method.crop, method.squares, method.steps) == (0, 0.999, 5)  # type: ignore[attr-defined]


def test_a_preset_is_what_it_says_in_the_digest() -> None:
    named = load_recipe(None, {"method": {"name": "zs_n2n", "preset": "fast"}})
    spelt = load_recipe(None, {"method": {"name": "zs_n2n", "steps": 1000, "views": 8}})
    assert named.digest(None) == spelt.digest(None)


def test_a_method_knows_by_how_much_it_enlarges() -> None:
    choices = {"method.name": "zssr", "zoom.factor": 4}
    assert load_recipe(None, choices).restoration().scales == (1.41, 2.0, 2.83)  # type: ignore[attr-defined]
    for other in ({"zoom.factor": 2}, {"zoom.kernel": "psf"}):
        assert load_recipe(None, choices | other).restoration().scales == ()  # type: ignore[attr-defined]


def test_a_discrepancy_may_be_left_behind() -> None:
    plain, later = (load_recipe(None, {"stopper": [{"kind": "discrepancy", **more}]}) for more in ({}, {"times": 2}))
    assert plain.stopping() == Discrepancy()
    assert later.stopping() == Discrepancy(times=2.0)
    assert plain.told()["stopper"] == [{"kind": "discrepancy", "factor": 1.0, "interval": 10}]
    assert plain.digest(None) != later.digest(None)


def test_any_method_may_be_stopped_where_its_residual_outgrows_the_noise() -> None:
    recipe = load_recipe(None, {"method.name": "n2d", "scope": "tile", "stopper": [{"kind": "outgrown", "first": 50}]})
    assert recipe.stopping() == Outgrown(1.0, 100, 50)


def test_networks_are_shared_where_they_can_be() -> None:
    assert load_recipe().is_shared
    assert not load_recipe(None, {"scope": "tile"}).is_shared
    assert not load_recipe("nlm").is_shared


def test_the_start_is_one_of_the_choices_that_pixels_depend_on() -> None:
    by_name, by_id = load_recipe(), load_recipe(None, {"start": load_start("grey").card.id})
    assert by_name.digest(by_id.start) == by_id.digest(by_id.start) != by_name.digest("another")
    assert load_recipe(None, {"method.name": "zs_n2n"}).learned_start() is None


def test_the_ladder_is_for_starts_that_take_no_step() -> None:
    assert [method.name for method in load_recipe().input_methods()] == ["noise_tuning", "lidia"]
    assert [method.name for method in load_recipe(None, {"method.name": "gain_tuning"}).input_methods()] == [
        "gain_tuning"
    ]
    assert load_recipe(None, {"ladder": []}).input_methods() == ()


def test_files_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "broken.yaml").write_text("method: [")
    (tmp_path / "list.yaml").write_text("- a")
    with pytest.raises(RequestError, match="not YAML"):
        load_recipe(str(tmp_path / "broken.yaml"))
    with pytest.raises(RequestError, match="keys and values"):
        load_recipe(str(tmp_path / "list.yaml"))
    with pytest.raises(RequestError, match=r"neither a file nor one of .*identity"):
        load_recipe("identiti")


def test_a_file_and_settings(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(
        "method: {name: zs_n2n, steps: 7}\nscope: tile\nstopper: [{kind: plateau}, {kind: budget, steps: 5}]\n"
    )
    recipe = load_recipe(str(tmp_path / "mine.yaml"), {"method.rate": 0.5, "tiling.tile": 64})
    assert recipe.restoration().steps == 7  # type: ignore[attr-defined]
    assert recipe.restoration().rate == 0.5  # type: ignore[attr-defined]
    assert recipe.tiling.tile == 64
    stopper = recipe.stopping()
    assert isinstance(stopper, FirstOf)
    assert isinstance(stopper.stoppers[0], Plateau)


def test_the_digest_names_what_pixels_depend_on() -> None:
    plain = load_recipe()
    assert plain.digest(None) == load_recipe(None, {"bad_tiles": 0.5}).digest(None)
    assert plain.digest(None) == load_recipe(None, {"method.steps": plain.restoration().steps}).digest(None)  # type: ignore[attr-defined]
    assert plain.digest(None) != load_recipe(None, {"seed": 1}).digest(None)
    assert plain.digest(None) != load_recipe(None, {"method.steps": 3}).digest(None)
