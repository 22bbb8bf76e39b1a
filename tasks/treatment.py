"""Recipe and facts -> what is done to each tile."""

from dataclasses import dataclass
from typing import Literal

import torch

from il_models.degradations import Blur, Degradation, Downsample, Guided, Identity, Subsample
from il_models.fitting import Stopper
from il_models.method import Direct, Fitted, Method
from il_models.methods.bicubic import Bicubic
from il_models.methods.glp import LaplacianPyramid
from il_models.methods.wiener import Wiener
from tasks.catalog.facts import Facts
from tasks.errors import RequestError
from tasks.filling import Filling
from tasks.instrument import WORDS, Instrument, instrument_of, undone_by, with_psf
from tasks.measured import Pixels
from tasks.recipe import Recipe
from tasks.registry.artifact import LearnedStart

# What is held against methods that undo more than noise.
CLASSICAL: dict[type[Degradation], Direct] = {
    Blur: Wiener(),
    Downsample: Bicubic(),
    Subsample: Bicubic(),
    Guided: LaplacianPyramid(),
}


@dataclass(frozen=True)
class Treatment:
    """How tiles are restored.

    input_methods: fitted once per input, where tiles go on from their input's own network; none otherwise. Several are
        rungs of a ladder, each from what the last one left, and only where the learned start is in doubt.
    method: of a tile's own fit. input_stopper, stopper: what ends them early.
    controls: what tiles are compared with, several of them mixed by risk.
    share: of the method in the result, the rest is the controls'; auto: by risk.
    start: the learned weights that every fit begins from; None: random ones.
    affine: a reference is brought to the scale of its input before an estimate is compared with it.
    instrument: what the method and the controls undo; None: they only take noise away.
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
    instrument: Instrument | None = None
    filling: Filling | None = None

    @property
    def start_name(self) -> str:
        """For the table: random, or name and id of the learned start."""
        return "random" if self.start is None else f"{self.start.card.name}:{self.start.card.id}"

    def anchor(self, measured: Pixels, restored: Pixels) -> Pixels:
        """What shows the scale of an input: the measurement; the image where a PSF is undone or pixels are split."""
        return measured if self.instrument is None else restored


def treatment_of(recipe: Recipe, facts: Facts, batch: int, device: str, start: LearnedStart | None = None) -> Treatment:
    """What a recipe wants to be done to each tile of a collection, `batch` tiles at once on a device.

    Args:
        start: the learned weights that fits begin from; the recipe's own word for them is not looked up.
    """
    method, stopper = recipe.restoration(), recipe.stopping()
    instrument = instrument_of(recipe, facts)
    shared = recipe.is_shared
    return Treatment(
        input_methods=tuple(each.on_input() for each in recipe.input_methods()),
        input_stopper=stopper if shared else None,
        method=method.own_steps(recipe.own_steps) if shared and isinstance(method, Fitted) else method,
        stopper=None if shared else stopper,
        controls=controls_of(recipe, facts),
        # Risk is that of the measurement, which tells little of what a PSF has taken away: nothing is mixed by it. What
        # coarse pixels hold it tells well (docs/zoom.md).
        share=recipe.share if isinstance(method, Fitted) and (instrument is None or instrument.enlarges) else 1.0,
        batch=batch,
        device=torch.device(device),
        start=start,
        affine=facts.reference is not None and facts.reference.match == "affine",
        instrument=instrument,
        filling=filling_of(recipe),
    )


def filling_of(recipe: Recipe) -> Filling | None:
    """How gaps are filled, or None."""
    fill = recipe.fill
    return None if fill is None else Filling(fill.filler, fill.learned_start(), fill.within)


def controls_of(recipe: Recipe, facts: Facts) -> tuple[Direct, ...]:
    """What tiles are compared with: methods that undo the same degradation, or none."""
    method = recipe.restoration()
    if method.name == "identity":
        return ()
    kind = undone_by(recipe, facts)
    if kind in CLASSICAL and recipe.control == "classical":
        return () if CLASSICAL[kind] == method else (CLASSICAL[kind],)
    return recipe.controls()


def settled_facts(collection: str, facts: Facts, recipe: Recipe, example: str | None = None) -> Facts:
    """The facts as a recipe needs them: with the pixels of the PSF, where its method undoes it.

    Args:
        example: URI of an input, which is opened where a PSF needs a pixel size that the facts do not state.

    Raises:
        RequestError: method, control and facts do not go together, or the PSF is none.
    """
    facts = with_psf(collection, facts, recipe, example)
    _require_controls(recipe, facts)
    kind = undone_by(recipe, facts)
    if recipe.fill is not None and kind is not Identity:
        raise RequestError(
            f"The recipe's method {recipe.method.name} {WORDS[kind]}, which cannot go together with `fill` "
            "yet: what is filled would stay as coarse as it was measured. Leave `fill` out, or remove noise only."
        )
    return facts


def _require_controls(recipe: Recipe, facts: Facts) -> None:
    """Refuse a control that undoes something else than the method."""
    wanted = undone_by(recipe, facts)
    for control in controls_of(recipe, facts):
        if wanted not in control.serves:
            raise RequestError(
                f"The recipe's method {recipe.method.name} {WORDS[wanted]}, and its control {control.name} "
                f"{WORDS[control.serves[0]]}, so that they cannot be compared; set control: classical, or none."
            )
