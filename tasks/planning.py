"""Request and surveys -> Plan: grids and lots. Kept with the output, and followed to the letter."""

from dataclasses import replace
from importlib.metadata import version

from il_models.method import Method
from il_models.noise import is_signal_dependent
from tasks.catalog.inputs import InputRef
from tasks.errors import RequestError
from tasks.grids import grid_for
from tasks.instrument import border_of, instrument_of
from tasks.lots import lots_for
from tasks.plan import PIXELS_VERSION, GuidePlan, InputPlan, Lot, Plan, Survey
from tasks.recipe import Recipe
from tasks.requests import Request
from tasks.tiling import Five

VERSIONS = ("selfmend", "torch", "numpy", "scikit-image", "zarr")


def plan_input(
    request: Request,
    ref: InputRef,
    dims: tuple[str, ...],
    shape: Five,
    dtype: str,
    survey: Survey,
    guide: GuidePlan | None = None,
) -> InputPlan:
    """How one input will be cut and treated.

    Raises:
        RequestError: the recipe's tiling does not suit the method, or its zoom the guide.
    """
    if guide is not None and guide.factor != request.recipe.factor:
        raise RequestError(
            f"The guide of '{ref.name}' is {guide.factor} times as fine as it, and the recipe enlarges "
            f"{request.recipe.factor} times; set zoom.factor: {guide.factor}."
        )
    method, instrument = request.recipe.restoration(), instrument_of(request.recipe, request.facts)
    return InputPlan(
        name=ref.name,
        uri=ref.uri,
        fingerprint=ref.fingerprint,
        key=request.key_of(ref),
        dims=dims,
        dtype=dtype,
        grid=grid_for(shape, method, request.recipe, border_of(request.recipe, request.facts)),
        survey=survey,
        stabilised=instrument is None and _is_stabilised(request.recipe, method, survey),
        reference=ref.reference,
        factor=request.recipe.factor,
        mask=ref.mask,
        guide=guide,
    )


def make_plan(
    request: Request, entries: list[InputPlan], rejected: dict[str, str], batch: int, begun: Plan | None
) -> Plan:
    """A plan for new inputs, added to the plan of an interrupted run where there is one: its lots stay as they are."""
    method, recipe = request.recipe.restoration(), request.recipe
    before = begun.lots if begun else ()
    lots = lots_for(entries, method, recipe, batch, first=1 + max((int(lot.id) for lot in before), default=-1))
    return Plan(
        collection=request.collection,
        key=request.key,
        facts=request.facts.model_dump(mode="json"),
        recipe=recipe.told(),
        versions={**{name: version(name) for name in VERSIONS}, "pixels": PIXELS_VERSION},
        inputs=(*(begun.inputs if begun else ()), *entries),
        lots=(*before, *lots),
        rejected=rejected,
        start=request.start_id,
    )


def without(plan: Plan, names: set[str]) -> Plan:
    """The plan without some inputs: their parts leave its lots, and lots of them alone are gone. All else stays."""
    kept = [_lot_without(lot, plan, names) for lot in plan.lots]
    inputs = tuple(entry for entry in plan.inputs if entry.name not in names)
    return replace(plan, inputs=inputs, lots=tuple(lot for lot in kept if lot.parts))


def _lot_without(lot: Lot, plan: Plan, names: set[str]) -> Lot:
    parts = tuple(part for part in lot.parts if part.input not in names)
    if parts == lot.parts:
        return lot
    shards = [(plan.input(part.input).grid, shard) for part in parts for shard in range(part.first, part.stop)]
    return replace(lot, parts=parts, tiles=sum(len(grid.tiles_of(shard)) for grid, shard in shards))


def _is_stabilised(recipe: Recipe, method: Method, survey: Survey) -> bool:
    if not method.stabilises or recipe.stabilise == "never":
        return False
    if any(noise.speckle for noise in survey.noise):
        return True
    channels = zip(survey.noise, survey.low, survey.high, strict=True)
    dependent = [is_signal_dependent(noise.gain, noise.variance, low, high) for noise, low, high in channels]
    return any(dependent) if recipe.stabilise == "auto" else any(noise.gain > 0 for noise in survey.noise)
