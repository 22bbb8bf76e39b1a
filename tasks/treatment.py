"""Recipe and facts -> what is done to each tile."""

from dataclasses import dataclass
from typing import Literal

import torch

from il_models.fitting import Stopper
from il_models.method import Direct, Fitted, Method
from tasks.catalog.facts import Facts
from tasks.recipe import Recipe
from tasks.registry.artifact import LearnedStart


@dataclass(frozen=True)
class Treatment:
    """How tiles are restored.

    input_methods: fitted once per input, where tiles go on from their input's own network; none otherwise. Several are
        rungs of a ladder, each from what the last one left, and only where the learned start is in doubt.
    method: of a tile's own fit. input_stopper, stopper: what ends them early.
    controls: what tiles are compared with, several of them mixed by risk.
    share: of the method in the result, the rest is the controls'; auto: by risk.
    start: the learned weights that every fit begins from; None: random ones.
    affine: gain and offset are fitted before an estimate is compared with its reference.
    """

    input_methods: tuple[Fitted, ...]
    input_stopper: Stopper | None
    method: Method
    stopper: Stopper | None
    controls: tuple[Direct, ...]
    share: Literal["auto"] | float
    batch: int
    device: torch.device
    start: LearnedStart | None = None
    affine: bool = False

    @property
    def start_name(self) -> str:
        """For the table: random, or name and id of the learned start."""
        return "random" if self.start is None else f"{self.start.card.name}:{self.start.card.id}"


def treatment_of(recipe: Recipe, facts: Facts, batch: int, device: str, start: LearnedStart | None = None) -> Treatment:
    """What a recipe wants to be done to each tile of a collection, `batch` tiles at once on a device.

    Args:
        start: the learned weights that fits begin from; the recipe's own word for them is not looked up.
    """
    method, stopper = recipe.restoration(), recipe.stopping()
    shared = recipe.is_shared
    return Treatment(
        input_methods=tuple(each.on_input() for each in recipe.input_methods()),
        input_stopper=stopper if shared else None,
        method=method.own_steps(recipe.own_steps) if shared and isinstance(method, Fitted) else method,
        stopper=None if shared else stopper,
        controls=recipe.controls() if method.name != "identity" else (),
        share=recipe.share if isinstance(method, Fitted) else 1.0,
        batch=batch,
        device=torch.device(device),
        start=start,
        affine=facts.reference is not None and facts.reference.match == "affine",
    )
