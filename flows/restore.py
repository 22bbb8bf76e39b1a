"""A collection and a recipe -> restored Zarr stores, the convergence table and the report."""

import time

from prefect import flow, runtime, tags
from prefect.task_runners import ThreadPoolTaskRunner

from flows.following import WINDOW, follow, tell
from tasks.conclusion import conclude
from tasks.doors import survey_inputs
from tasks.lots import groups_of
from tasks.preparation import draft, give_up_stale, prepare, to_survey, undertake
from tasks.recipe import Recipe
from tasks.report.page import write_report
from tasks.requests import make_request
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
    limit: int | None = None,
    cluster: str = "local",
    workers: int | None = None,
    overwrite: bool = False,
) -> Summary:
    """Restore a collection, publish each input as it gets done, and say which tiles to look at.

    Args:
        source: name of a collection in the catalogue, or a path, glob or URI.
        recipe: method, scope, tiling, stopper and output; all defaults without it.
        catalog: file of the catalogue; without it ./data_catalog.yaml, or the one that ships.
        out: folder or URI for the results.
        limit: restore only so many inputs.
        cluster: "local" (processes of this machine), "none" (this process), the address of a Dask scheduler, a cluster
            file, or the name of one that ships.
        workers: processes, jobs or pods, in place of what the cluster's file says; without either one per core or GPU.
        overwrite: replace what another recipe, other facts or another file made.

    Raises:
        RequestError: the request cannot be carried out; nothing was touched.
        BadRun: it finished, but inputs failed, or more tiles are bad than the recipe allows.
    """
    began = time.time()
    require_cluster(cluster)
    request = make_request(source, recipe, catalog=catalog, out=out, limit=limit)
    with request.out.lock(), tags(request.collection, recipe.method.name):
        found = prepare(request, overwrite)
        give_up_stale(request, found)
        with hired(cluster if found.left else "none", workers) as (pool, crew):
            surveyed = survey_inputs(request.collection, request.facts, to_survey(found), pool)
            plan, predicted = draft(request, found, surveyed, crew, pool)
            run = undertake(request, plan, predicted, crew, str(runtime.flow_run.name))
            shrink(pool, run.crew.workers)
            outcome = follow(run, groups_of(run.lots_of({ref.name for ref in found.left})), pool)
        summary = conclude(run, found, outcome.published, outcome.failed, began)
    write_report(request.out, summary)
    tell(summary)
    if not summary.is_good:
        raise BadRun(summary)
    return summary
