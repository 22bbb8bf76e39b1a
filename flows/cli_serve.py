"""The commands `selfmend serve` and `selfmend deploy`: the pipeline as a service."""

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from flows.environment import settle
from flows.options import CatalogFile, RecipeName, Settings, Workers, chosen_settings
from tasks.errors import RequestError

if TYPE_CHECKING:
    from flows.prefect_yaml import Declared, PrefectFile

serve_app = typer.Typer()
console = Console(stderr=True)
NIGHT = "0 1 * * *"

Cron = Annotated[str | None, typer.Option("--cron", help="When the night begins; default 0 1 * * *, one o'clock.")]
Zone = Annotated[str | None, typer.Option("--timezone", help="Such as Europe/Berlin; default that of this machine.")]
Collections = Annotated[
    list[str] | None, typer.Option("--collection", help="A collection of the night; default all. Repeatable.")
]
Until = Annotated[str | None, typer.Option("--until", help="When the night ends: 07:00, or 'none'.")]
Hours = Annotated[float | None, typer.Option("--hours", help="Device hours that a night may use.")]
Root = Annotated[str | None, typer.Option("--out", help="Folder or URI for the results of all deployments.")]
File = Annotated[Path | None, typer.Option("--file", help="Another prefect.yaml than the one that ships.")]
Host = Annotated[str, typer.Option("--host", help="Address at which the server listens.")]
Port = Annotated[int, typer.Option("--port", min=1, max=65535, help="Of the server and its pages.")]
Runs = Annotated[int, typer.Option("--runs", min=1, help="How many runs may go on at the same time.")]
PlaceOfLots = Annotated[
    str | None, typer.Option("--cluster", help="local, none, a cluster file or its name, or tcp://host:port.")
]
PoolName = Annotated[str, typer.Option("--pool", help="Work pool of the server.")]
Queue = Annotated[str | None, typer.Option("--work-queue", help="Queue of the work pool.")]
Create = Annotated[str | None, typer.Option("--create", help="Make the pool: process, docker or kubernetes.")]


@serve_app.command()
def serve(
    cron: Cron = None,
    timezone: Zone = None,
    collection: Collections = None,
    until: Until = None,
    hours: Hours = None,
    catalog: CatalogFile = None,
    recipe: RecipeName = None,
    setting: Settings = None,
    out: Root = None,
    cluster: PlaceOfLots = None,
    workers: Workers = None,
    host: Host = "127.0.0.1",
    port: Port = 4200,
    runs: Runs = 1,
    file: File = None,
) -> None:
    """Keep one machine restoring: a Prefect server with its pages, nights by the clock, other runs on demand."""
    settle()
    from flows.own_server import LOOPBACK, api_url, own_server, require_answer, require_port
    from tasks.workers import require_cluster

    own = api_url(host, port)
    url = os.environ.setdefault("PREFECT_API_URL", own).rstrip("/").replace("//localhost:", "//127.0.0.1:")
    if url == own:
        require_port(host, port)
    else:
        require_answer(url)
    if file is None:  # what ships is written for a server: here a night is one of this machine, and so are its folders
        out, cron = out or "restored", cron or NIGHT
    choices = _choices(collection, until, hours, catalog, recipe, setting, out, cluster, workers)
    declared = _declared(_file(file), choices, cron, timezone)
    for word in {each.parameters["cluster"] for each in declared if "cluster" in each.parameters}:
        require_cluster(word)
    _share_password()
    if url != own:
        return _serve(declared, runs, url, alone=False)
    if host not in LOOPBACK and not os.environ.get("PREFECT_SERVER_API_AUTH_STRING"):
        console.print(
            f"[bold yellow]Whoever reaches {host}:{port} can start and stop runs:[/] set "
            "PREFECT_SERVER_API_AUTH_STRING=user:password, and put TLS in front (docs/deployments.md).",
            soft_wrap=True,
        )
    console.print("Starting a Prefect server (7 to 40 s) ...")
    with own_server(host, port, Path(os.environ.get("PREFECT_HOME", "~/.prefect")).expanduser() / "server.log"):
        _serve(declared, runs, url, alone=True)
    return None


def _serve(declared: "list[Declared]", runs: int, url: str, alone: bool) -> None:
    from flows.cron import next_time
    from flows.serving import serve_all

    for each in declared:
        ahead = "".join(f", next at {next_time(one):%Y-%m-%d %H:%M} {one.timezone}" for one in each.schedules)
        console.print(f"  {each.name}{ahead or ', on demand'}", highlight=False)
    console.print(
        f"Pages: {url.removesuffix('/api')} (Ctrl-C ends; what is not finished goes on next time)", soft_wrap=True
    )
    signal.signal(signal.SIGINT, signal.default_int_handler)  # Prefect ends its runs before it ends itself
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))  # also until its runner listens
    serve_all(declared, runs, alone)


@serve_app.command()
def deploy(
    pool: PoolName,
    queue: Queue = None,
    create: Create = None,
    cron: Cron = None,
    timezone: Zone = None,
    collection: Collections = None,
    until: Until = None,
    hours: Hours = None,
    catalog: CatalogFile = None,
    recipe: RecipeName = None,
    setting: Settings = None,
    out: Root = None,
    cluster: PlaceOfLots = None,
    workers: Workers = None,
    file: File = None,
) -> None:
    """Register the deployments of prefect.yaml with the server at PREFECT_API_URL, on one of its work pools."""
    settle(quiet=True)
    from flows.own_server import require_answer

    url = os.environ.get("PREFECT_API_URL")
    if not url:
        raise RequestError(
            "PREFECT_API_URL names no server to deploy to; set it, such as http://host:4200/api. "
            "For one machine without a server there is `selfmend serve`."
        )
    require_answer(url)
    _share_password()
    from flows.deploying import deploy_all
    from tasks.workers import require_cluster

    content = _file(file)
    choices = _choices(collection, until, hours, catalog, recipe, setting, out, cluster, workers)
    if cluster and "/" not in cluster:  # a file may be there for the pool's workers alone
        require_cluster(cluster)
    registered = deploy_all(content, _declared(content, choices, cron, timezone), pool, queue, create)
    for name in registered.names:
        typer.echo(name)
    typer.echo(f"Registered on the {registered.kind} pool '{pool}'; {registered.workers} workers serve it.")
    if not registered.workers:
        typer.echo(f"Start one: prefect worker start --pool {pool} --type {registered.kind}")


def _file(file: Path | None) -> "PrefectFile":
    from flows.prefect_yaml import read_prefect_yaml

    return read_prefect_yaml(file)


def _choices(
    collection: list[str] | None,
    until: str | None,
    hours: float | None,
    catalog: str | None,
    recipe: str | None,
    setting: list[str] | None,
    out: str | None,
    cluster: str | None,
    workers: int | None,
) -> dict[str, Any]:
    """Parameters of flows, checked as far as that is possible before there is a run."""
    from tasks.catalog.document import facts_of, find_catalog, load_catalog
    from tasks.limits import make_limits
    from tasks.recipe import load_recipe

    chosen = load_recipe(recipe, chosen_settings(setting)) if recipe or setting else None
    if collection:
        known = load_catalog(find_catalog(catalog))
        for name in collection:
            facts_of(name, known)
    limits = {"until": None if until == "none" else until, "hours": hours}
    make_limits(**limits)
    return {
        "collections": collection or None,
        "recipe": chosen and chosen.model_dump(mode="json", exclude_unset=True),
        "catalog": catalog and str(Path(catalog).absolute()),
        "out": out if out is None or "://" in out else str(Path(out).absolute()),
        "limits": limits if until or hours else None,
        "cluster": str(Path(cluster).absolute()) if cluster and Path(cluster).is_file() else cluster,
        "workers": workers,
    }


def _declared(
    content: "PrefectFile", choices: dict[str, Any], cron: str | None, timezone: str | None
) -> "list[Declared]":
    from flows.cron import checked_schedule

    schedule = checked_schedule(cron or NIGHT, timezone) if cron or timezone else None
    declared = [each.having(choices, schedule) for each in content.deployments]
    for one in (one for each in declared for one in each.schedules):
        checked_schedule(one.cron, one.timezone)
    return declared


def _share_password() -> None:
    """A server of our own has a password: we are its client, and so are its runs."""
    if password := os.environ.get("PREFECT_SERVER_API_AUTH_STRING"):
        os.environ.setdefault("PREFECT_API_AUTH_STRING", password)
