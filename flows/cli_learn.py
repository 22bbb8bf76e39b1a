"""The command `selfmend learn`."""

from typing import Annotated

import typer
from rich.console import Console

from flows.environment import settle, where_prefect_is
from flows.options import CatalogFile, Limit

learn_app = typer.Typer()

Source = Annotated[
    str | None, typer.Argument(help="Name of a collection, or a path, glob or URI; without it the packaged pictures.")
]
Name = Annotated[str, typer.Option("--name", help="What the start is called.")]
What = Annotated[
    str,
    typer.Option(
        "--what", "--size", help="A denoiser: lite, small or base. A start of zssr: zoom, kernels, mzsr, mlsr; mzsr-x3."
    ),
]
Steps = Annotated[int, typer.Option("--steps", help="Of the training; 60000 take an hour on one core.")]
Seed = Annotated[int, typer.Option("--seed", help="Of crops and noise.")]
Parent = Annotated[str | None, typer.Option("--parent", help="Name, id or path of the start to go on from.")]
OutFolder = Annotated[str | None, typer.Option("--out", help="Folder or URI for the start; default the registry.")]


@learn_app.command()
def learn(
    name: Name,
    source: Source = None,
    steps: Steps = 60_000,
    what: What = "small",
    seed: Seed = 17,
    parent: Parent = None,
    out: OutFolder = None,
    catalog: CatalogFile = None,
    limit: Limit = None,
) -> None:
    """Learn a start from a collection or from packaged pictures; the same command goes on after an interruption."""
    settle(quiet=True)
    from tasks.learning.lesson import make_lesson
    from tasks.stores.leases import locked

    lesson = make_lesson(
        name, source, what=what, steps=steps, seed=seed, parent=parent, catalog=catalog, limit=limit, out=out
    )
    with locked(lesson.work):  # who is turned away shall not wait for Prefect to start
        pass
    typer.echo(where_prefect_is(), err=True)
    from flows.learn_start import learn_start as flow
    from flows.watching import steps_taken, watched

    with watched(lesson.work, Console(stderr=True), steps_taken, "steps"):
        outcome = flow(name, source, what, steps, seed, parent, catalog, limit, out)
    for line in outcome.lines():
        typer.echo(line)
