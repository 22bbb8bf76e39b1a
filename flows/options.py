"""Arguments and options that several commands share."""

from typing import Annotated, Any

import typer
import yaml

from tasks.errors import RequestError

Source = Annotated[str, typer.Argument(help="Name of a collection, or a path, glob or URI.")]
Out = Annotated[str, typer.Argument(help="Folder of results: OUT, or OUT/<collection>.")]
CatalogFile = Annotated[
    str | None, typer.Option("--catalog", help="Catalogue; default ./data_catalog.yaml or the shipped one.")
]
RecipeName = Annotated[str | None, typer.Option("--recipe", help="Recipe that ships, or a YAML file.")]
Settings = Annotated[
    list[str] | None, typer.Option("--set", help="Any key of the recipe, e.g. method.steps=20. Repeatable.")
]
MethodName = Annotated[str | None, typer.Option("--method", help="Another method, with its defaults.")]
OutOption = Annotated[str, typer.Option("--out", help="Folder or URI for the results.")]
Limit = Annotated[int | None, typer.Option("--limit", help="Only so many inputs.")]
Until = Annotated[
    str | None,
    typer.Option("--until", help="Deadline: the next 07:00, or an ISO time. What is left waits."),
]
Hours = Annotated[float | None, typer.Option("--hours", help="Device hours that may be used.")]
Quiet = Annotated[
    float | None, typer.Option("--quiet", help="Seconds for which an input must not have been written to, or it waits.")
]
Cluster = Annotated[str, typer.Option("--cluster", help="local, none, a cluster file or its name, or tcp://host:port.")]
Workers = Annotated[int | None, typer.Option("--workers", min=1, help="Processes, jobs or pods of the cluster.")]
Overwrite = Annotated[bool, typer.Option("--overwrite/--resume", help="Replace results of another recipe, or go on.")]


def chosen_settings(words: list[str] | None) -> dict[str, Any]:
    """The values of --set by dotted key.

    Raises:
        RequestError: a word is not of the form key=value, or its value is not YAML.
    """
    return dict(_setting(word) for word in words or [])


def _setting(text: str) -> tuple[str, Any]:
    key, sign, value = text.partition("=")
    if not sign or not key:
        raise RequestError(f"--set {text} is not of the form key=value, such as method.steps=20.")
    try:
        return key.strip(), yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise RequestError(f"The value of --set {text} is not YAML: {' '.join(str(error).split())}.") from None
