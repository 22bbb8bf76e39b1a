"""A collection and a recipe -> restored Zarr stores, the convergence table and the report."""

import time
from dataclasses import replace

from prefect import flow, runtime
from prefect.logging import get_run_logger
from prefect.task_runners import ThreadPoolTaskRunner

from flows.aside import untagged
from flows.following import WINDOW, follow
from flows.stopped import stopped_state
from flows.telling import ROWS, tell, told
from tasks.conclusion import conclude
from tasks.doors import survey_inputs
from tasks.lateness import put_off
from tasks.limits import Limits
from tasks.pacing import paced
from tasks.preparation import draft, give_up_stale, prepare, to_survey, undertake
from tasks.recipe import Recipe
from tasks.report.page import write_report
from tasks.report.table import bad_tiles
from tasks.requests import make_request
from tasks.stores.leases import locked
from tasks.summary import BadRun, Summary
from tasks.workers import hired, require_cluster, shrink


@flow(
    name="restore",
    flow_run_name="restore {source}",
    task_runner=ThreadPoolTaskRunner(max_workers=WINDOW),  # type: ignore[arg-type]
    persist_result=False,
)
def restore(
    source: str,
    recipe: Recipe = Recipe(),  # noqa: B008 - frozen
    catalog: str | None = None,
    out: str = "restored",
    limits: Limits = Limits(),  # noqa: B008 - frozen
    cluster: str = "local",
    workers: int | None = None,
    overwrite: bool = False,
) -> Summary:
    """Restore a collection, publish each input as it gets done, and say which tiles to look at.

    Args:
        source: Name of a collection in the catalogue, or a path, glob or URI.
        recipe: Method, scope, tiling, stopper and output; all defaults without it.
        catalog: File of the catalogue; without it ./data_catalog.yaml, or the one that ships.
        out: Folder or URI for the results.
        limits: Where to stop, cleanly: inputs, a deadline, device hours. What is left, the next run does.
        cluster: "local" (processes of this machine), "none" (this process), the address of a Dask scheduler, a cluster
            file, or the name of one that ships.
        workers: Processes, jobs or pods, in place of what the cluster's file says; without either one per core or GPU.
        overwrite: Replace what another recipe, other facts or another file made.

    Raises:
        RequestError: the request cannot be carried out; nothing was touched.
        BadRun: it finished, but inputs failed, or more tiles are bad than the recipe allows.
    """
    began = time.time()
    limits = limits.settled()
    require_cluster(cluster)
    request = make_request(source, recipe, catalog=catalog, out=out)
    with locked(request.out) as lease, untagged():
        found = put_off(prepare(request, overwrite), limits.quiet or 0).within(limits)
        for torn in give_up_stale(request, found):
            get_run_logger().warning("%s", torn)
        with hired(cluster if found.left else "none", workers) as (pool, crew):
            surveyed = survey_inputs(request.collection, request.facts, to_survey(found), pool)
            plan, predicted = draft(request, found, surveyed, crew, pool)
            run = replace(undertake(request, plan, predicted, crew, str(runtime.flow_run.id)), lease=lease)
            shrink(pool, run.crew.workers)
            with told(run, found, began):
                run, outcome = follow(run, found.left, paced(pool, limits, run.crew.workers))
        if lease:
            lease.require()
        summary = conclude(run, found, outcome, began)
    write_report(request.out, summary)
    worst = bad_tiles(request.out, ROWS)
    tell(summary, worst, run, began)
    if not summary.is_good:
        raise BadRun(summary, worst)
    return stopped_state(summary) if summary.stopped else summary
