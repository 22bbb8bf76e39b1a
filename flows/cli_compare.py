"""The command `selfmend compare`."""

from typing import Annotated

import typer

from flows.environment import settle, where_prefect_is
from flows.options import CatalogFile, Cluster, Limit, OutOption, Settings, Source, Workers, chosen_settings

compare_app = typer.Typer()

Recipes = Annotated[list[str] | None, typer.Option("--recipe", help="A recipe to compare. Repeatable.")]
Methods = Annotated[list[str] | None, typer.Option("--method", help="A method with its defaults. Repeatable.")]
Suites = Annotated[
    list[str] | None, typer.Option("--suite", help="A list of recipes that ships, or a YAML file. Repeatable.")
]
Tiles = Annotated[int, typer.Option("--tiles", min=1, help="Tiles of each input, from the smooth to the textured.")]
Degrade = Annotated[
    str | None,
    typer.Option("--degrade", help="Compare on spoiled references: noise:25 (of 255), blur:3 (px), jpeg:30."),
]


@compare_app.command()
def compare(
    source: Source,
    recipe: Recipes = None,
    method: Methods = None,
    suite: Suites = None,
    setting: Settings = None,
    tiles: Tiles = 4,
    limit: Limit = None,
    degrade: Degrade = None,
    catalog: CatalogFile = None,
    out: OutOption = "restored",
    cluster: Cluster = "local",
    workers: Workers = None,
) -> None:
    """Try several recipes on the same tiles and rank them: by PSNR with a reference, otherwise by estimated risk."""
    settle(quiet=True)
    from tasks.comparison.challenge import make_challenge
    from tasks.comparison.contenders import contenders
    from tasks.stores.leases import locked
    from tasks.workers import require_cluster

    require_cluster(cluster)
    chosen = contenders(recipe or [], method or [], suite or [], chosen_settings(setting))
    asked = make_challenge(source, chosen, catalog=catalog, out=out, tiles=tiles, limit=limit, degrade=degrade)
    with locked(asked.out):  # who is turned away shall not wait for Prefect to start
        pass
    typer.echo(where_prefect_is(), err=True)
    from flows.compare import compare as flow

    outcome = flow(source, chosen, catalog, out, tiles, limit, degrade, cluster, workers)
    typer.echo(outcome.sentence())
    for line in outcome.lines():
        typer.echo(line)
    typer.echo(f"Table, pictures and page: {outcome.out} (open compare.html)")
