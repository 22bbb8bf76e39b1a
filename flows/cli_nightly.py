"""The commands `selfmend nightly` and `selfmend tidy`."""

from typing import Annotated

import typer

from flows.environment import settle, where_prefect_is
from flows.options import (
    CatalogFile,
    Cluster,
    Hours,
    Limit,
    Out,
    OutOption,
    Quiet,
    RecipeName,
    Settings,
    Until,
    Workers,
    chosen_settings,
)

nightly_app = typer.Typer()

Collections = Annotated[
    list[str] | None, typer.Option("--collection", help="A collection, in the order of turns; default all. Repeatable.")
]
Notify = Annotated[
    list[str] | None,
    typer.Option("--notify", help="A notification block of Prefect, such as slack-webhook/facility. Repeatable."),
]


@nightly_app.command()
def tidy(
    out: Out,
    days: Annotated[float, typer.Option("--days", min=0, help="Since something was last written there.")] = 30,
    keep: Annotated[int, typer.Option("--keep", min=1, help="Of each collection, whatever their age.")] = 1,
    remove: Annotated[bool, typer.Option("--remove/--show", help="Remove them, or only say which.")] = False,
) -> None:
    """Show or remove old work areas of runs that were interrupted and never taken up again; nothing else."""
    from tasks.retention import old_work, remove_work
    from tasks.stores.place import Place

    found = old_work(Place(out), days, keep)
    for each in found:
        if remove:
            remove_work(each)
        typer.echo(f"{'removed' if remove else 'may go'}: {each.sentence()}")
    if not found:
        typer.echo("Nothing to tidy up.")


@nightly_app.command()
def nightly(
    collection: Collections = None,
    catalog: CatalogFile = None,
    recipe: RecipeName = None,
    setting: Settings = None,
    out: OutOption = "restored",
    until: Until = None,
    hours: Hours = None,
    limit: Limit = None,
    quiet: Quiet = None,
    cluster: Cluster = "local",
    workers: Workers = None,
    notify: Notify = None,
) -> None:
    """Restore what is new or changed in every collection, and say what the night came to."""
    settle(quiet=True)
    from tasks.limits import make_limits
    from tasks.night import BadNight, asked_for
    from tasks.recipe import load_recipe
    from tasks.workers import require_cluster

    require_cluster(cluster)
    limits = make_limits(inputs=limit, until=until, hours=hours, quiet=quiet)
    chosen = load_recipe(recipe, chosen_settings(setting))
    asked_for(collection, catalog)  # who is turned away shall not wait for Prefect to start
    typer.echo(where_prefect_is(), err=True)
    from flows.nightly import nightly as flow

    try:
        night = flow(collection, chosen, catalog, out, limits, cluster, workers, notify)
    except BadNight as bad:
        night = bad.night
    typer.echo(night.text())
    if night.failed:
        raise typer.Exit(1)
