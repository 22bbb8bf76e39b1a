"""Request -> Run: what stands in the way is refused, what was begun is taken up, what is new gets a plan."""

from concurrent.futures import Executor
from dataclasses import replace

from tasks import ledger
from tasks.catalog.inputs import InputRef
from tasks.forecast import Forecast, batch_size, calibrate, dearest, forecast, require_room, workers_that_fit
from tasks.handful import measured
from tasks.plan import PLAN, InputPlan, Plan
from tasks.planning import make_plan, plan_input, without
from tasks.pooled_noise import pin_noise
from tasks.registry.pinned import pin_start
from tasks.requests import Request
from tasks.run import Run
from tasks.standing import Standing, require_overwrite, standing
from tasks.stores.shards import work_array
from tasks.survey import Surveyed
from tasks.table_mending import mend_table
from tasks.workers import Crew


def prepare(request: Request, overwrite: bool) -> Standing:
    """How things stand. Changes nothing, so it may be asked before the output is locked.

    Raises:
        RequestError: something else stands there and is not to be overwritten, or nothing can be written there.
    """
    found = standing(request)
    if not overwrite:
        require_overwrite(found, request)
    request.out.require_writable()
    return found


def give_up_stale(request: Request, found: Standing) -> tuple[str, ...]:
    """Remove the work of interrupted runs that asked for something else, or saw other inputs. Only under the lock.

    And what cannot be read: without its plan a work area tells nothing, without its record a lot is not done. Returns
    a sentence on each of these.
    """
    torn = []
    for key in found.stale_work:
        (request.out / ".work" / key).remove()
    for name in found.changed:
        work_array(request.work, name).remove()
    if found.begun is None and request.work.exists(PLAN):
        request.work.remove()
        torn.append(f"The plan in '{request.work.uri}' could not be read; the work there is done again.")
    elif found.begun is not None and (lots := ledger.mend(request.work, found.begun.lots)):
        torn.append(f"The records of {len(lots)} lots could not be read (the first: {lots[0]}); these are done again.")
    published = {ref.name: ref.uri for ref in found.done}
    return (*torn, *mend_table(request.out, request.work, found.begun, published))


def to_survey(found: Standing) -> list[InputRef]:
    """The inputs that no plan knows yet."""
    known = {entry.name for entry in found.begun.inputs} if found.begun else set()
    return [ref for ref in found.left if ref.name not in known]


def draft(
    request: Request, found: Standing, surveyed: list[Surveyed], crew: Crew, pool: Executor | None = None
) -> tuple[Plan, Forecast]:
    """The plan and what is left of it will cost.

    Args:
        pool: where a tile is measured; without it in this process.

    Raises:
        RequestError: the recipe does not suit the inputs.
    """
    entries = [_entry(request, each) for each in surveyed if each.survey is not None]
    rejected = {each.ref.name: each.reason for each in surveyed if each.survey is None}
    known = (*(found.begun.inputs if found.begun else ()), *entries)
    if not known:
        empty = make_plan(request, [], rejected, 1, found.begun)
        return empty, Forecast(0, 0, 0, 0, 0, 0.0)
    given = (dearest(list(known)), request.facts, request.recipe, request.collection, crew)
    calibration = calibrate(*given) if pool is None else measured(pool, *given)
    plan = make_plan(request, entries, rejected, batch_size(request.recipe, calibration, crew), found.begun)
    plan = replace(plan, threads=found.begun.threads if found.begun else crew.threads)
    left = ledger.left(plan, request.work) if found.begun else list(plan.lots)
    return plan, forecast(plan, left, request.recipe, calibration, crew)


def undertake(request: Request, plan: Plan, predicted: Forecast, crew: Crew, id: str) -> Run:
    """Keep the plan: from here on it is followed to the letter.

    Raises:
        RequestError: memory or disk do not suffice.
    """
    if plan.lots:
        require_room(predicted, request.out, crew)
        if request.start is not None:
            pin_start(request.work, request.start)
        pin_noise(request.out, request.facts)
        request.work.write(PLAN, plan.to_json())
    return Run(id, request, plan, replace(crew, workers=workers_that_fit(predicted, crew)))


def going_on_without(run: Run, names: set[str]) -> Run:
    """The same run after some inputs changed or went away: the plan is kept without them, and their shards are gone."""
    plan = without(run.plan, names)
    for name in names:
        work_array(run.work, name).remove()
    run.work.write(PLAN, plan.to_json())
    return replace(run, plan=plan)


def _entry(request: Request, each: Surveyed) -> InputPlan:
    assert each.survey is not None
    return plan_input(request, each.ref, each.dims, each.shape, each.dtype, each.survey, each.guide)
