"""Recipe and facts -> what is done to each tile."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from il_models.degradations import Blur, Identity
from il_models.fitting import Stopper
from il_models.method import Direct, Fitted, Method
from il_models.methods.wiener import Wiener
from tasks.catalog.facts import Facts
from tasks.errors import RequestError
from tasks.filling import Filling
from tasks.psf import inverts_blur, psf_of, with_psf
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
    psf: (channels or 1, k, l), which the method and the controls undo; None: they only take noise away.
    filling: of gaps; None: they stay.
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
    psf: Tensor | None = None
    filling: Filling | None = None

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
    psf = psf_of(method, facts)
    shared = recipe.is_shared
    return Treatment(
        input_methods=tuple(each.on_input() for each in recipe.input_methods()),
        input_stopper=stopper if shared else None,
        method=method.own_steps(recipe.own_steps) if shared and isinstance(method, Fitted) else method,
        stopper=None if shared else stopper,
        controls=controls_of(recipe, facts),
        # Risk is that of the measurement, which tells little of what the PSF has taken away: nothing is mixed by it.
        share=recipe.share if isinstance(method, Fitted) and psf is None else 1.0,
        batch=batch,
        device=torch.device(device),
        start=start,
        affine=facts.reference is not None and facts.reference.match == "affine",
        psf=psf,
        filling=filling_of(recipe),
    )


def filling_of(recipe: Recipe) -> Filling | None:
    """How gaps are filled, or None."""
    fill = recipe.fill
    return None if fill is None else Filling(fill.filler, fill.start, fill.within)


def controls_of(recipe: Recipe, facts: Facts) -> tuple[Direct, ...]:
    """What tiles are compared with: methods that undo the same degradation, or none."""
    method = recipe.restoration()
    if method.name == "identity":
        return ()
    if inverts_blur(method, facts) and recipe.control == "classical":
        return tuple(each for each in (Wiener(),) if each.name != method.name)
    return recipe.controls()


def settled_facts(collection: str, facts: Facts, recipe: Recipe) -> Facts:
    """The facts as a recipe needs them: with the pixels of the PSF, where its method undoes it.

    Raises:
        RequestError: method, control and facts do not go together, or the PSF is none.
    """
    facts = with_psf(collection, facts, recipe.restoration())
    _require_controls(recipe, facts)
    if recipe.fill is not None and inverts_blur(recipe.restoration(), facts):
        raise RequestError(
            f"The recipe sharpens by {recipe.method.name} and fills gaps, which cannot go together yet: what is filled "
            "would stay blurred. Leave `fill` out, or remove noise only."
        )
    return facts


def _require_controls(recipe: Recipe, facts: Facts) -> None:
    """Refuse a control that removes noise where the method undoes a blur, or the other way round."""
    wanted = Blur if inverts_blur(recipe.restoration(), facts) else Identity
    for control in controls_of(recipe, facts):
        if wanted not in control.serves:
            does, other = ("sharpens", "removes noise") if wanted is Blur else ("removes noise", "sharpens")
            raise RequestError(
                f"The recipe's method {recipe.method.name} {does}, and its control {control.name} {other}, so that "
                "they cannot be compared; set control: classical, or none."
            )
