"""The command line: one verb per flow, and catalog, starts, plan, status, report, methods, verify.

A command that runs no flow imports no Prefect, and no torch where it needs none: so imports stand inside the functions.
"""

import os
import signal
import sys
import threading
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.cli_catalog import catalog_app
from flows.cli_compare import compare_app
from flows.cli_doctor import doctor_app
from flows.cli_learn import learn_app
from flows.cli_nightly import nightly_app
from flows.cli_serve import serve_app
from flows.cli_starts import starts_app
from flows.environment import settle, where_prefect_is
from flows.failures import BAD, DONE, INTERRUPTED, WRONG_REQUEST, console, told
from flows.failures import guarded as _guarded
from flows.options import (
    CatalogFile,
    Cluster,
    Hours,
    Limit,
    MethodName,
    Out,
    OutOption,
    Overwrite,
    Quiet,
    RecipeName,
    Settings,
    Source,
    Until,
    Workers,
    chosen_settings,
)

if TYPE_CHECKING:
    from tasks.recipe import Recipe

__all__ = ["BAD", "DONE", "INTERRUPTED", "WRONG_REQUEST", "app", "main"]
GRACE = 5.0  # seconds from Ctrl-C to the end, for Prefect to be told

app = typer.Typer(
    name="selfmend",
    help="Restore archives of microscopy stacks and satellite scenes: every input trains its own network on itself.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(catalog_app, name="catalog")
app.add_typer(starts_app, name="starts")
app.add_typer(compare_app)
app.add_typer(learn_app)
app.add_typer(nightly_app)
app.add_typer(serve_app)
app.add_typer(doctor_app)


def main() -> None:
    """Entry point of the console script."""
    signal.signal(signal.SIGINT, _interrupt)
    sys.exit(_guarded(app))


def _interrupt(*_: Any) -> None:
    """Tell Prefect, but wait for no lot: whatever is not committed is done again, so leaving at once loses nothing."""
    told("Interrupted. Nothing is lost: the same command goes on from here.", INTERRUPTED)
    signal.signal(signal.SIGINT, lambda *_: os._exit(INTERRUPTED))
    deadline = threading.Timer(GRACE, os._exit, [INTERRUPTED])
    deadline.daemon = True
    deadline.start()
    raise KeyboardInterrupt


@app.command()
def restore(
    source: Source,
    catalog: CatalogFile = None,
    recipe: RecipeName = None,
    setting: Settings = None,
    method: MethodName = None,
    out: OutOption = "restored",
    limit: Limit = None,
    until: Until = None,
    hours: Hours = None,
    quiet: Quiet = None,
    cluster: Cluster = "local",
    workers: Workers = None,
    overwrite: Overwrite = False,
) -> None:
    """Restore a collection; the same command goes on where an interrupted run stopped."""
    settle(quiet=True)
    from tasks.limits import make_limits
    from tasks.preparation import prepare
    from tasks.requests import make_request
    from tasks.stores.leases import locked
    from tasks.workers import require_cluster

    require_cluster(cluster)
    chosen, limits = _recipe(recipe, setting, method), make_limits(inputs=limit, until=until, hours=hours, quiet=quiet)
    request = make_request(source, chosen, catalog=catalog, out=out)
    prepare(request, overwrite)
    with locked(request.out):  # who is turned away shall not wait for Prefect to start
        pass
    console.print(where_prefect_is(), soft_wrap=True)
    from prefect import tags

    from flows.restore import restore as flow
    from flows.watching import watched
    from tasks.summary import BadRun

    try:
        with watched(request.work, console), tags(request.collection, chosen.method.name):
            summary = flow(source, chosen, catalog, out, limits, cluster, workers, overwrite)
    except BadRun as error:
        raise typer.Exit(told(str(error), BAD)) from None
    typer.echo(summary.sentence())
    if summary.notice:
        typer.echo(summary.notice)
    typer.echo(f"Images, convergence table and report: {summary.out} (open report.html)")


@app.command()
def plan(
    source: Source,
    catalog: CatalogFile = None,
    recipe: RecipeName = None,
    setting: Settings = None,
    method: MethodName = None,
    out: OutOption = "restored",
    limit: Limit = None,
    cluster: Cluster = "local",
    workers: Workers = None,
) -> None:
    """Print what a restoration would do, need and cost. Reads metadata and sampled windows; writes nothing."""
    from flows.printing import print_plan
    from tasks.forecast import require_room
    from tasks.limits import make_limits
    from tasks.preparation import draft, to_survey
    from tasks.requests import make_request
    from tasks.standing import require_overwrite, standing
    from tasks.survey import survey_refs
    from tasks.workers import crew_for

    limits = make_limits(inputs=limit)
    request = make_request(source, _recipe(recipe, setting, method), catalog=catalog, out=out)
    found, crew = standing(request).within(limits), crew_for(cluster, workers)
    surveyed = survey_refs(request.collection, request.facts, to_survey(found))
    drafted, predicted = draft(request, found, surveyed, crew)
    print_plan(request, found, drafted, predicted, crew)
    require_overwrite(found, request)
    require_room(predicted, request.out, crew)


@app.command()
def status(out: Out) -> None:
    """Say how far a run is, or what a finished one came to."""
    from tasks.status import status_of
    from tasks.stores.place import Place

    for line in status_of(Place(out)).lines():
        typer.echo(line)


@app.command()
def report(out: Out) -> None:
    """Write OUT/<collection>/report.html again."""
    from tasks.report.page import write_report
    from tasks.stores.place import Place
    from tasks.summary import require_summary

    place = Place(out)
    typer.echo(write_report(place, require_summary(place)))


@app.command()
def methods() -> None:
    """List the restoration methods with their fields."""
    from dataclasses import fields

    from il_models.methods import known_methods

    for name, kind in known_methods().items():
        typer.echo(f"{name}: {kind.summary}\n    source: {kind.source}")
        chosen = ", ".join(f"{field.name}={field.default!r}" for field in fields(kind))
        typer.echo(f"    {chosen or 'no fields'}")
        for preset, settings in kind.presets.items():
            start = f"; from the start {kind.preset_starts[preset]}" if preset in kind.preset_starts else ""
            told = ", ".join(f"{key}={value!r}" for key, value in settings.items())
            typer.echo(f"    preset {preset}: {told}{start}")
        typer.echo("")


@app.command()
def verify(
    out: Out,
    tiles: Annotated[int, typer.Option("--tiles", min=1, help="How many random tiles.")] = 3,
    seed: Annotated[int, typer.Option("--seed", help="Of the choice.")] = 0,
) -> None:
    """Fit some random tiles again and compare them with the published pixels."""
    from tasks.stores.place import Place
    from tasks.verification import verify_tiles

    checked = list(verify_tiles(Place(out), tiles, seed))
    for each in checked:
        typer.echo(each.sentence())
    if not all(each.is_same for each in checked):
        raise typer.Exit(BAD)


def _recipe(name: str | None, settings: list[str] | None, method: str | None) -> "Recipe":
    from tasks.recipe import load_recipe

    return load_recipe(name, chosen_settings(settings), method)


if __name__ == "__main__":
    main()
