"""Who is compared: recipes by name or file, methods by name, and suites of them that ship or that a user writes."""

from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field

from tasks.errors import RequestError, nearest
from tasks.recipe import Recipe, checked_recipe, load_recipe, set_choice

SUITES = Path(__file__).parents[2] / "deployments" / "comparisons"
DEFAULT = "denoising"


class Contender(BaseModel):
    """A recipe under the name that tables and pictures have for it."""

    model_config = ConfigDict(frozen=True)
    name: str = Field(description="What tables and pictures call it.")
    recipe: Recipe = Field(description="Method, scope, tiling, stopper and output.")


def contenders(
    recipes: list[str], methods: list[str], suites: list[str], settings: dict[str, Any] | None = None
) -> list[Contender]:
    """All who were asked for, in that order: recipes, methods, suites; the shipped suite where nobody was.

    Their starts are named by id, so that every trial begins from the same weights.

    Args:
        recipes: shipped recipes or files. methods: by name, with their defaults. suites: shipped suites or files.
        settings: by dotted key, for every one of them, e.g. {"tiling.tile": 128}.

    Raises:
        RequestError: one of them does not exist or is not allowed, or two have one name.
    """
    found = [Contender(name=Path(name).stem, recipe=load_recipe(name, settings)) for name in recipes]
    found += [Contender(name=name, recipe=load_recipe(None, settings, name)) for name in methods]
    for suite in suites or ([] if found else [DEFAULT]):
        found += suite_of(suite, settings)
    names = [each.name for each in found]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise RequestError(f"Two recipes to compare are called '{twice}'; give one of them another name.")
    enlarging = next((each.name for each in found if each.recipe.zoom is not None), None)
    if enlarging is not None:
        raise RequestError(
            f"'{enlarging}' enlarges images, and only images on the grid of the measurement are compared; restore with "
            "each recipe, and look at psnr and skill in their convergence tables."
        )
    return [_pinned(each) for each in found]


def known_suites() -> dict[str, Path]:
    """The suites that ship, by name."""
    return {file.stem: file for file in sorted(SUITES.glob("*.yaml"))}


def suite_of(name: str, settings: dict[str, Any] | None = None) -> list[Contender]:
    """The recipes of a suite: a YAML list of names of recipes, or of recipes with a name.

    Raises:
        RequestError: no such suite, not such a list, or a recipe in it that is not allowed.
    """
    known = known_suites()
    file = known.get(name) or Path(name)
    if not file.is_file():
        raise RequestError(
            f"There is no suite '{name}': neither a file nor one of {', '.join(known)}.{nearest(name, known)}"
        )
    try:
        entries = yaml.safe_load(file.read_bytes())
    except yaml.YAMLError as error:
        raise RequestError(f"Suite '{name}' is not YAML: {' '.join(str(error).split())}.") from None
    if not isinstance(entries, list) or not entries:
        raise RequestError(f"Suite '{name}' must be a list of recipes, such as '- fast'; it holds {entries!r}.")
    return [_contender(entry, f"Suite '{name}'", settings) for entry in entries]


def _contender(entry: Any, where: str, settings: dict[str, Any] | None) -> Contender:
    if isinstance(entry, str):
        return Contender(name=Path(entry).stem, recipe=load_recipe(entry, settings))
    if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
        raise RequestError(f"{where}: {entry!r} is neither the name of a recipe nor a recipe with a 'name'.")
    choices = {key: value for key, value in entry.items() if key != "name"}
    where = f"{where}, '{entry['name']}'"
    for key, value in (settings or {}).items():
        set_choice(choices, key, value, where)
    return Contender(name=entry["name"], recipe=checked_recipe(choices, where))


def _pinned(contender: Contender) -> Contender:
    """The same with the id of its start in place of a name, which may come to stand for another one."""
    start = contender.recipe.learned_start()
    if start is None:
        return contender
    return Contender(name=contender.name, recipe=contender.recipe.model_copy(update={"start": start.card.id}))
