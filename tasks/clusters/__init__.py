"""Clusters: where lots run. One kind per file, the folder is the registry; cluster files say which, and how.

A kind is a module with exactly one Cluster, whose field `kind` has the name of the file. Names that begin with '_' are
what kinds share.
"""

import importlib
import pkgutil
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from tasks.clusters._cluster import Cluster, visible_devices
from tasks.errors import RequestError, nearest
from tasks.validation import sentence

CLUSTERS = Path(__file__).parents[2] / "deployments" / "clusters"
HERE, NONE = "local", "none"  # words that need no file: processes of this machine; this very process


@cache
def known_kinds() -> dict[str, type[Cluster]]:
    """Every kind by its name, which is the name of its file."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_"))
    return {name: _kind_of(name) for name in names}


def known_clusters() -> dict[str, Path]:
    """The cluster files that ship, by name."""
    return {file.stem: file for file in sorted(CLUSTERS.glob("*.yaml"))}


def load_cluster(word: str) -> Cluster:
    """A cluster by the name of a file that ships, a YAML file, the address of a scheduler, or 'local'.

    Raises:
        RequestError: none of these; not YAML; an unknown kind or key, or a value that is not allowed.
    """
    if word == HERE:
        return known_kinds()["gpus" if visible_devices() else "local"]()
    if "://" in word:
        return checked_cluster({"kind": "scheduler", "address": word}, f"--cluster {word}")
    file = known_clusters().get(word) or Path(word)
    if not file.is_file():
        known = [HERE, NONE, *known_clusters()]
        raise RequestError(
            f"--cluster {word} is not known: neither a file nor one of {', '.join(known)}, nor the address of a Dask "
            f"scheduler such as tcp://host:8786.{nearest(word, known)}"
        )
    where = f"Cluster '{word}'"
    try:
        told = yaml.safe_load(file.read_bytes())
    except yaml.YAMLError as error:
        raise RequestError(f"{where} is not YAML: {' '.join(str(error).split())}.") from None
    if not isinstance(told, dict):
        raise RequestError(f"{where} must hold keys and values, such as 'kind: slurm'; it holds {told!r}.")
    return checked_cluster(told, where)


def checked_cluster(told: dict[str, Any], where: str = "Cluster") -> Cluster:
    """A cluster from plain values.

    Raises:
        RequestError: an unknown kind or key, or a value that is not allowed.
    """
    kinds = known_kinds()
    kind = told.get("kind")
    if not isinstance(kind, str) or kind not in kinds:
        hint = nearest(kind, kinds) if isinstance(kind, str) else ""
        raise RequestError(f"{where}: there is no kind {kind!r}; known: {', '.join(kinds)}.{hint}")
    try:
        return kinds[kind].model_validate(told)
    except ValidationError as error:
        raise RequestError(sentence(error, where, kinds[kind].model_fields)) from None


def _kind_of(name: str) -> type[Cluster]:
    module = importlib.import_module(f"{__name__}.{name}")
    found = [
        kind
        for kind in vars(module).values()
        if isinstance(kind, type) and issubclass(kind, Cluster) and kind.__module__ == module.__name__
    ]
    if len(found) != 1 or found[0].model_fields["kind"].default != name:
        raise ImportError(f"tasks/clusters/{name}.py must define exactly one Cluster with kind = {name!r}.")
    return found[0]
