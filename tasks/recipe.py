"""The user's choices: method, start, scope, tiling, stopper, output. One model for YAML, command line and Prefect."""

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, ValidationError, model_validator

from il_models.fitting import Stopper, require_judge
from il_models.method import Direct, Fitted, Method
from tasks.errors import RequestError, nearest
from tasks.method_choice import AUTOMATIC, MethodChoice, chosen_controls, chosen_method, chosen_rung, start_asked
from tasks.recipe_parts import Auto, Choices, Fill, Fold, Output, Tiling, Zoom
from tasks.registry.artifact import LearnedStart
from tasks.registry.suited import start_for
from tasks.stopping import StopperChoice, joined
from tasks.validation import sentence

_SCOPES = "set scope: input or tile, or a method such as pretrained or lidia"
UNSEEN = ("audit", "bad_tiles", "fold")  # choices that no pixel depends on
RECIPES = Path(__file__).parents[1] / "deployments" / "recipes"


class Recipe(Choices):
    """All choices of a restoration; what is true of the data stands in the catalogue instead."""

    method: MethodChoice = Field(
        default_factory=lambda: MethodChoice(), description="Restoration method and its fields."
    )
    start: str = Field(
        "auto",
        description="Where a fit begins: random, or a learned start by name, id, path or URI. auto: the one that "
        "ships, for a method or a preset that needs one; otherwise random.",
    )
    ladder: tuple[MethodChoice, ...] | Auto = Field(
        "auto",
        description="For a method that takes no step from a learned start: what is tried on each input whose start is "
        "in doubt, one after the other, each kept only if it is surely better. auto: noise_tuning, then lidia.",
    )
    scope: Literal["auto", "tile", "input", "collection"] = Field(
        "auto",
        description="tile: every tile its own network. input: one network per input, then own_steps per tile. "
        "collection: a learned start is adapted once, for all inputs. auto: input, if one network can serve all tiles.",
    )
    own_steps: int = Field(0, ge=0, description="With a shared network: steps that each tile takes itself from there.")
    tiling: Tiling = Field(default_factory=Tiling)
    stopper: tuple[StopperChoice, ...] = Field(
        (), description="What ends a tile early; the first to fire counts. Without any the method's own, if it has one."
    )
    channels: Literal["joint", "separate"] = Field("joint", description="Channels by one network, or each by its own.")
    stabilise: Literal["auto", "never", "always"] = Field(
        "auto",
        description="Generalised Anscombe transform around the method; auto: if the noise depends on the signal.",
    )
    zoom: Zoom | None = Field(
        None,
        description="By how much images are enlarged, such as 2, and what a measured pixel sees. None: not at all.",
    )
    control: Literal[
        "classical", "nlm", "dct", "bm3d", "wiener", "richardson_lucy", "bicubic", "glp", "gsa", "none"
    ] = Field(
        "classical",
        description="What every tile is compared with. classical: nlm and dct, mixed per tile by risk; wiener for "
        "methods that sharpen, bicubic for those that enlarge, glp with a guide. bm3d: for non-commercial use only.",
    )
    share: Annotated[float, Field(ge=0, le=1)] | Auto = Field(
        "auto", description="Weight of the method's estimate, the rest is the control's. auto: per tile, by risk."
    )
    fill: Fill | None = Field(None, description="How gaps are filled; nothing: they stay as they came.")
    bad_tiles: float = Field(0.05, ge=0, le=1, description="Share of suspect and failed tiles above which a run fails.")
    audit: float = Field(
        0.01,
        ge=0,
        le=1,
        description="Share of the inputs on one tile of which a learned start is also held against a fit from scratch; "
        "no pixel depends on it.",
    )
    fold: Fold | None = Field(None, description="What a night learns for the next ones; nothing: starts stay as are.")
    output: Output = Field(default_factory=Output)
    seed: int = Field(0, ge=0, description="Seed of the run.")

    @model_validator(mode="after")
    def _rest_goes_somewhere(self) -> "Recipe":
        if self.control == "none" and self.share not in ("auto", 1):
            raise ValueError(f"share = {self.share} leaves the rest to a control; set control: classical, or share: 1.")
        return self

    @property
    def factor(self) -> int:
        """Pixels of the image per measured one, along y and along x."""
        return 1 if self.zoom is None else self.zoom.factor

    @property
    def is_shared(self) -> bool:
        """Whether one network per input is fitted, from which its tiles go on."""
        return bool(self.input_methods())

    @property
    def is_mixed(self) -> bool:
        """Whether the control has a share in the result."""
        return self.control != "none" and self.share != 1 and isinstance(self.restoration(), Fitted)

    def input_methods(self) -> tuple[Fitted, ...]:
        """What is fitted to each whole input, one after the other; none where every tile has a network of its own."""
        method = self.restoration()
        if not isinstance(method, Fitted) or self.scope == "tile" or (self.scope == "auto" and not method.can_share):
            return ()
        if method.steps or not method.needs_start:
            return (method,)
        rungs = AUTOMATIC if self.ladder == "auto" else self.ladder
        return tuple(chosen_rung(choice, method) for choice in rungs)

    def controls(self) -> tuple[Direct, ...]:
        """The classical methods that make up the control; the method itself is none of them."""
        return chosen_controls(self.control, self.method.name)

    def restoration(self) -> Method:
        """The method with its fields checked.

        Raises:
            RequestError: unknown method, or a field that it does not have.
        """
        method = chosen_method(self.method, "recipe")
        return method if self.zoom is None or self.zoom.kernel == "psf" else method.enlarging(self.zoom.factor)

    def learned_start(self) -> LearnedStart | None:
        """The learned weights that every fit of the recipe begins from; None: random ones.

        Raises:
            RequestError: there is no such start, it is broken, it is not one for the method's network, or the method
                needs one and is told to begin at random.
        """
        method = self.restoration()
        named = start_asked(self.start, self.method, method)
        return start_for(method, named, self.factor) if named and isinstance(method, Fitted) else None

    def stopping(self) -> Stopper | None:
        """The stopper, or None where the method's own counts."""
        return joined(self.stopper)

    def told(self) -> dict[str, Any]:
        """All choices as plain values. One that is not wanted, such as a zoom, is left out: it is no choice."""
        return {name: value for name, value in self.model_dump(mode="json").items() if value is not None}

    def digest(self, start: str | None) -> str:
        """Names the choices that pixels depend on: 12 hexadecimal digits.

        Args:
            start: id of the learned start, whose name may come to stand for another one; None: fits begin at random.
        """
        chosen = {name: value for name, value in self.told().items() if name not in UNSEEN}
        if self.fill is not None:
            chosen["fill"] = self.fill.told()
        chosen["method"] = {"name": self.method.name, **asdict(self.restoration())}
        chosen["start"] = start or "random"
        return hashlib.blake2b(json.dumps(chosen, sort_keys=True).encode(), digest_size=6).hexdigest()


def known_recipes() -> dict[str, Path]:
    """The recipes that ship, by name."""
    return {file.stem: file for file in sorted(RECIPES.glob("*.yaml"))}


def load_recipe(name: str | None = None, settings: dict[str, Any] | None = None, method: str | None = None) -> Recipe:
    """A recipe by name or file, with some of its keys set otherwise.

    Args:
        name: a shipped recipe or a YAML file; None: all defaults.
        settings: values by dotted key, e.g. {"method.steps": 20, "tiling.tile": 128}.
        method: another method, with its own defaults.

    Raises:
        RequestError: no such recipe, not YAML, an unknown key or a value that is not allowed.
    """
    where = f"Recipe '{name}'" if name else "Recipe"
    choices = _read(name) if name else {}
    if method is not None:
        choices["method"] = {"name": method}
    for key, value in (settings or {}).items():
        set_choice(choices, key, value, where)
    return checked_recipe(choices, where)


def checked_recipe(choices: dict[str, Any], where: str = "Recipe") -> Recipe:
    """A recipe from plain values.

    Raises:
        RequestError: an unknown key or a value that is not allowed.
    """
    try:
        recipe = Recipe.model_validate(choices)
    except ValidationError as error:
        raise RequestError(sentence(error, where, _keys())) from None
    method = chosen_method(recipe.method, where)
    try:
        recipe.controls()
        if recipe.learned_start() is None and recipe.scope == "collection":
            raise ValueError(f"scope: collection adapts a learned start, and {method.name} begins at none; {_SCOPES}.")
        if recipe.fill is not None:
            recipe.fill.learned_start()
        if recipe.is_shared and isinstance(method, Fitted):
            method.on_input().own_steps(recipe.own_steps)
        if (stopper := recipe.stopping()) is not None:
            require_judge(stopper, method)
    except (NotImplementedError, ValueError) as error:
        raise RequestError(f"{where}: {error}") from None
    return recipe


def _read(name: str) -> dict[str, Any]:
    known = known_recipes()
    file = known.get(name) or Path(name)
    if not file.is_file():
        raise RequestError(
            f"There is no recipe '{name}': neither a file nor one of {', '.join(known)}.{nearest(name, known)}"
        )
    try:
        choices = yaml.safe_load(file.read_bytes())
    except yaml.YAMLError as error:
        raise RequestError(f"Recipe '{name}' is not YAML: {' '.join(str(error).split())}.") from None
    if not isinstance(choices or {}, dict):
        raise RequestError(f"Recipe '{name}' must hold keys and values, such as 'scope: tile'; it holds {choices!r}.")
    return choices or {}


def set_choice(choices: dict[str, Any], key: str, value: Any, where: str) -> None:
    """Set a dotted key in plain values.

    Raises:
        RequestError: a part of the key is a single value.
    """
    *parents, last = key.split(".")
    for parent in parents:
        choices = choices.setdefault(parent, {})
        if not isinstance(choices, dict):
            raise RequestError(f"{where}: '{key}' cannot be set, for '{parent}' is a single value.")
    choices[last] = value


def _keys() -> list[str]:
    parts = (Recipe, Tiling, Output, Fill, Zoom, Fold)
    return list(dict.fromkeys(name for part in parts for name in part.model_fields))
