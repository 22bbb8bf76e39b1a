"""The command line: one verb per flow, and catalog, plan, status, report, methods, verify.

A command that runs no flow imports no Prefect, and no torch where it needs none: so imports stand inside the functions.
"""

import os
import sys
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Annotated, Any

import typer
import yaml
from rich.console import Console
from rich.table import Table

from tasks.errors import InputError, RequestError

if TYPE_CHECKING:
    from tasks.recipe import Recipe

DONE, BAD, WRONG_REQUEST, INTERRUPTED = 0, 1, 2, 130

app = typer.Typer(
    name="selfmend",
    help="Restore archives of microscopy stacks and satellite scenes: every input trains its own network on itself.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
catalog_app = typer.Typer(help="Show the collections of the catalogue, or check one.", invoke_without_command=True)
app.add_typer(catalog_app, name="catalog")
console = Console(stderr=True)

Source = Annotated[str, typer.Argument(help="Name of a collection, or a path, glob or URI.")]
Out = Annotated[str, typer.Argument(help="Folder of results: OUT, or OUT/<collection>.")]
CatalogFile = Annotated[str | None, typer.Option("--catalog", help="Catalogue; default ./data_catalog.yaml or the shipped one.")]
RecipeName = Annotated[str | None, typer.Option("--recipe", help="Recipe that ships, or a YAML file.")]
Settings = Annotated[list[str] | None, typer.Option("--set", help="Any key of the recipe, e.g. method.steps=20. Repeatable.")]
MethodName = Annotated[str | None, typer.Option("--method", help="Another method, with its defaults.")]
OutOption = Annotated[str, typer.Option("--out", help="Folder or URI for the results.")]
Limit = Annotated[int | None, typer.Option("--limit", help="Only so many inputs.")]
Cluster = Annotated[str, typer.Option("--cluster", help="local, none, or tcp://host:port of a Dask scheduler.")]
Workers = Annotated[int | None, typer.Option("--workers", min=1, help="Processes of a local cluster.")]
Overwrite = Annotated[bool, typer.Option("--overwrite/--resume", help="Replace results of another recipe, or go on.")]


def main() -> None:
    """Entry point of the console script."""
    sys.exit(_guarded(app))


def _guarded(run: Callable[[], Any]) -> int:
    """Every failure as one sentence and a code: 1 finished badly, 2 wrong request, 130 interrupted."""
    try:
        run()
    except SystemExit as ended:
        return int(ended.code or 0)
    except (RequestError, InputError) as error:
        return _told(str(error), WRONG_REQUEST)
    except KeyboardInterrupt:
        return _told("Interrupted. Nothing is lost: the same command goes on from here.", INTERRUPTED)
    except OSError as error:
        return _told(f"{error.strerror or error} The same command goes on from here once this is mended.", BAD)
    return DONE


def _told(sentence: str, code: int) -> int:
    console.print(f"[bold red]selfmend:[/] {_plain(sentence)}", soft_wrap=True, highlight=False)
    return code


def _plain(text: str) -> str:
    return text.replace("[", r"\[")


@app.command()
def restore(
    source: Source,
    catalog: CatalogFile = None,
    recipe: RecipeName = None,
    setting: Settings = None,
    method: MethodName = None,
    out: OutOption = "restored",
    limit: Limit = None,
    cluster: Cluster = "local",
    workers: Workers = None,
    overwrite: Overwrite = False,
) -> None:
    """Restore a collection; the same command goes on where an interrupted run stopped."""
    from flows.environment import settle

    settle(quiet=True)
    from tasks.preparation import prepare
    from tasks.requests import make_request

    chosen = _recipe(recipe, setting, method)
    request = make_request(source, chosen, catalog=catalog, out=out, limit=limit)
    prepare(request, overwrite)
    _say_where_prefect_is()
    from flows.restore import restore as flow
    from flows.watching import watched
    from tasks.summary import BadRun

    try:
        with watched(request.work, console):
            summary = flow(source, chosen, catalog, out, limit, cluster, workers, overwrite)
    except BadRun as error:
        raise typer.Exit(_told(str(error), BAD)) from None
    typer.echo(summary.sentence())
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
    from tasks.forecast import require_room, size, workers_that_fit
    from tasks.preparation import draft, to_survey
    from tasks.requests import make_request
    from tasks.standing import require_overwrite, standing
    from tasks.survey import survey_refs
    from tasks.workers import crew_for

    request = make_request(source, _recipe(recipe, setting, method), catalog=catalog, out=out, limit=limit)
    found, crew = standing(request), crew_for(cluster, workers)
    surveyed = survey_refs(request.collection, request.facts, to_survey(found))
    drafted, predicted = draft(request, found, surveyed, crew)
    for name, reason in drafted.rejected.items():
        console.print(f"[yellow]'{_plain(name)}' is left out:[/] {_plain(reason)}", soft_wrap=True)
    _print_inputs(drafted)
    fitting = workers_that_fit(predicted, crew)
    rows = {
        "inputs": f"{len(request.inputs)}, of which {len(found.done)} are done and {len(drafted.rejected)} cannot be read",
        "tiles": f"{predicted.tiles} in {predicted.lots} lots to do",
        "workers": f"{fitting} × {crew.threads} thread on {crew.device}, {size(predicted.worker_bytes)} each",
        "to be written": f"{size(predicted.work_bytes)} of work, {size(predicted.image_bytes)} of images before compression",
        "time": f"about {_duration(predicted.seconds * crew.workers / fitting)}",
        "results": request.out.uri,
    }
    _print_rows("Plan", rows)
    require_overwrite(found, request)
    require_room(predicted, request.out)


@app.command()
def status(out: Out) -> None:
    """Say how far a run is, or what a finished one came to."""
    from tasks.place import Place
    from tasks.status import status_of

    for line in status_of(Place(out)).lines():
        typer.echo(line)


@app.command()
def report(out: Out) -> None:
    """Write OUT/<collection>/report.html again."""
    from tasks.place import Place
    from tasks.report import read_summary, write_report

    place = Place(out)
    summary = read_summary(place)
    if summary is None:
        raise RequestError(f"'{place.uri}' holds no finished run; give OUT/<collection>, as `selfmend restore` named it.")
    typer.echo(write_report(place, summary))


@app.command()
def methods() -> None:
    """List the restoration methods with their fields."""
    from dataclasses import fields

    from il_models.methods import known_methods

    for name, kind in known_methods().items():
        typer.echo(f"{name}: {kind.summary}\n    source: {kind.source}")
        chosen = ", ".join(f"{field.name}={field.default!r}" for field in fields(kind))
        typer.echo(f"    {chosen or 'no fields'}\n")


@app.command()
def verify(
    out: Out,
    tiles: Annotated[int, typer.Option("--tiles", min=1, help="How many random tiles.")] = 3,
    seed: Annotated[int, typer.Option("--seed", help="Of the choice.")] = 0,
) -> None:
    """Fit some random tiles again and compare them with the published pixels."""
    from tasks.place import Place
    from tasks.verification import verify_tiles

    checked = list(verify_tiles(Place(out), tiles, seed))
    for each in checked:
        typer.echo(each.sentence())
    if not all(each.is_same for each in checked):
        raise typer.Exit(BAD)


@catalog_app.callback()
def catalog(context: typer.Context, catalog: CatalogFile = None) -> None:
    """Show the collections of the catalogue."""
    if context.invoked_subcommand is not None:
        return
    from tasks.catalog import find_catalog, load_catalog

    file = find_catalog(catalog)
    for name, facts in load_catalog(file).items():
        typer.echo(f"{name}: {facts.title}")
    typer.echo(f"({file})")


@catalog_app.command()
def check(name: Source, catalog: CatalogFile = None) -> None:
    """Open every input of a collection, without its pixels, and say what is wrong with any."""
    from tasks.catalog import facts_of, find_catalog, find_inputs, load_catalog
    from tasks.readers import open_input

    collection, facts = facts_of(name, load_catalog(find_catalog(catalog)))
    bad = 0
    for ref in find_inputs(collection, facts):
        try:
            array = open_input(ref.uri, facts)
        except InputError as error:
            bad += 1
            typer.echo(f"{ref.name}: {error}")
            continue
        shape = " ".join(f"{axis}={length}" for axis, length in array.sizes.items())
        typer.echo(f"{ref.name}: {shape} {array.dtype}, {array.attrs['layout']}")
    if bad:
        raise typer.Exit(BAD)


def _recipe(name: str | None, settings: list[str] | None, method: str | None) -> "Recipe":
    from tasks.recipe import load_recipe

    return load_recipe(name, dict(_setting(text) for text in settings or []), method)


def _setting(text: str) -> tuple[str, Any]:
    key, sign, value = text.partition("=")
    if not sign or not key:
        raise RequestError(f"--set {text} is not of the form key=value, such as method.steps=20.")
    return key.strip(), yaml.safe_load(value)


def _say_where_prefect_is() -> None:
    if url := os.environ.get("PREFECT_API_URL"):
        console.print(f"Reporting to the Prefect server at {url}.")
    else:
        console.print("Starting Prefect's own embedded server (7 to 40 s; PREFECT_API_URL names another) ...")


def _print_inputs(drafted: Any) -> None:
    table = Table("input", "axes", "pixels", "type", "tiles", "shards", "noise", title="Inputs to do")
    for entry in drafted.inputs[:20]:
        sizes = [n for axis, n in zip("tczyx", entry.grid.shape, strict=True) if axis in entry.dims]
        noise = entry.survey.noise[0]
        told = f"gain {noise.gain:.3g}, variance {noise.variance:.3g}" if noise.gain else f"σ {noise.variance**0.5:.3g}"
        colour = f", correlated {noise.correlation:.2f}" if noise.correlation > 0.2 else ""
        table.add_row(
            entry.name, "".join(entry.dims), "×".join(map(str, sizes)), entry.dtype,
            str(entry.grid.tiles), str(entry.grid.shards), told + colour,
        )  # fmt: skip
    if len(drafted.inputs) > 20:
        table.add_row(f"… and {len(drafted.inputs) - 20} more", *[""] * 6)
    Console().print(table)


def _print_rows(title: str, rows: dict[str, str]) -> None:
    table = Table(title=title, show_header=False)
    for name, value in rows.items():
        table.add_row(name, value)
    Console().print(table)


def _duration(seconds: float) -> str:
    for unit, length in (("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.0f} s"
