"""The whole pipeline without Prefect: the rooms in the flow's order, lots in any order, in any executor."""

import random
import time
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from tasks import ledger
from tasks.completion import complete_input, completion_job, keep_rows
from tasks.conclusion import conclude
from tasks.lots import groups_of, inputs_of
from tasks.preparation import draft, give_up_stale, prepare, to_survey, undertake
from tasks.recipe import load_recipe
from tasks.requests import make_request
from tasks.restore_lot import restore_lot
from tasks.run import Outcome, Run
from tasks.summary import Summary
from tasks.survey import survey_refs
from tasks.workers import crew_for


def begun(
    source: str, out: Path, overwrite: bool = False, catalog: Path | None = None, **settings: Any
) -> tuple[Run, Any]:
    """A run whose plan is made and kept, and what stood when it began."""
    method = settings.pop("method", None)
    dotted = {name.replace("__", "."): value for name, value in settings.items()}
    recipe = load_recipe(None, dotted, method)
    request = make_request(source, recipe, out=str(out), catalog=str(catalog) if catalog else None)
    found = prepare(request, overwrite)
    give_up_stale(request, found)
    crew = crew_for("none")
    plan, predicted = draft(request, found, survey_refs(request.collection, request.facts, to_survey(found)), crew)
    return undertake(request, plan, predicted, crew, "test"), found


def restored(
    source: str, out: Path, pool: Executor | None = None, shuffle: int | None = None, **settings: Any
) -> Summary:
    """Run a restoration to its end."""
    run, found = begun(source, out, **settings)
    lots = ledger.left(run.plan, run.work)
    if shuffle is not None:
        random.Random(shuffle).shuffle(lots)
    with ThreadPoolExecutor(1) as own:
        list((pool or own).map(restore_lot, [run.job(lot) for lot in lots]))
        return finished(run, found)


def finished(run: Run, found: Any) -> Summary:
    """Publish all inputs of a run whose lots are done, and conclude it."""
    names = []
    for group in groups_of(run.lots_of({ref.name for ref in found.left})):
        lots = [lot for handful in group.handfuls for lot in handful]
        keep_rows(run, f"{run.plan.key}-{lots[0].id}", list(group.inputs), lots)
        for name in group.inputs:
            complete_input(completion_job(run, name, [lot for lot in lots if name in inputs_of([lot])]))
            names.append(name)
    return conclude(run, found, Outcome(names), time.time())


def pixels(out: Path, name: str) -> np.ndarray:
    """The full resolution of a published image, on its own axes."""
    import zarr

    group = zarr.open_group(out / f"{name}.zarr", mode="r")
    return np.asarray(group["image" if "image" in group else "0"][...])
