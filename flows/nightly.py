"""Every collection that has something new -> restored, judged, reported; and what the night came to, told."""

import time
from dataclasses import replace
from datetime import datetime

from prefect import flow

from flows.fold_start import fold_start
from flows.notifying import notifiers, notify_all, tell_night
from flows.restore import restore
from flows.stopped import stopped_state
from tasks.limits import Limits
from tasks.night import BadNight, Night, Row, asked_for, failed_row, left_row, remaining, row_of
from tasks.recipe import Recipe
from tasks.stores.place import Place
from tasks.summary import BadRun
from tasks.workers import require_cluster

QUIET = 60.0  # seconds for which an input must not have been written to


@flow(name="nightly", flow_run_name=lambda: f"night of {datetime.now():%Y-%m-%d %H:%M}", persist_result=False)
def nightly(
    collections: list[str] | None = None,
    recipe: Recipe = Recipe(),  # noqa: B008 - frozen
    catalog: str | None = None,
    out: str = "restored",
    limits: Limits = Limits(),  # noqa: B008 - frozen
    cluster: str = "local",
    workers: int | None = None,
    notify: list[str] | None = None,
) -> Night:
    """Restore what is new or changed in each collection, and say what the night came to.

    Args:
        collections: Names in the catalogue, or paths, globs and URIs, in the order of their turns; default all of the
            catalogue.
        recipe: Method, scope, tiling, stopper and output; all defaults without it.
        catalog: File of the catalogue; without it ./data_catalog.yaml, or the one that ships.
        out: Folder or URI for the results.
        limits: Where the night ends, cleanly: a deadline, device hours, inputs. What is left, the next night does.
        cluster: Where lots run: "local", "none", a scheduler's address, or a cluster file.
        workers: Processes, jobs or pods, in place of what the cluster's file says; without either one per core or GPU.
        notify: Prefect's notification blocks that get the summary, such as slack-webhook/facility.

    Raises:
        RequestError: a collection, cluster or notification block is not known, or the deadline has passed; nothing
            was begun.
        BadNight: some collections failed; all others were done.
    """
    began = time.time()
    limits = limits.settled()
    require_cluster(cluster)
    blocks = notifiers(notify or [])
    rows: list[Row] = []
    for name in asked_for(collections, catalog):
        own = remaining(limits, rows, QUIET)
        if isinstance(own, str):
            rows.append(left_row(name, own))
            continue
        row = _restored(name, recipe, catalog, out, own, cluster, workers)
        rows.append(_folded(row, recipe, catalog, out) if recipe.fold is not None else row)
    night = Night(tuple(rows), time.time() - began)
    night.keep(Place(out))
    tell_night(night)
    notify_all(blocks, night)
    if night.failed:
        raise BadNight(night)
    return stopped_state(night) if night.stopped else night


def _restored(
    name: str, recipe: Recipe, catalog: str | None, out: str, limits: Limits, cluster: str, workers: int | None
) -> Row:
    """A collection's turn. Whatever becomes of it, the next one has its own."""
    began = time.time()
    try:
        return row_of(name, restore(name, recipe, catalog, out, limits, cluster, workers))
    except BadRun as bad:
        return row_of(name, bad.summary, str(bad))
    except Exception as error:  # noqa: BLE001 - told in the summary, and the night ends as failed
        return failed_row(name, error, time.time() - began)


def _folded(row: Row, recipe: Recipe, catalog: str | None, out: str) -> Row:
    """The row of a collection with what was learned from its night; that it could not be is no failure of the night."""
    if row.problem or row.stopped or not row.inputs:
        return row
    try:
        outcome = fold_start(row.collection, recipe, catalog, out, row.run or None)
        return replace(row, folded=outcome.candidate())
    except Exception as error:  # noqa: BLE001 - told in the summary; the images are there
        return replace(row, folded=f"nothing: {' '.join(str(error).split()) or type(error).__name__}")
