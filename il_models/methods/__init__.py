"""Restoration methods, one per file: the folder is the registry."""

import importlib
import pkgutil
from functools import cache

from il_models.method import Method


@cache
def known_methods() -> dict[str, type[Method]]:
    """Every method by its name, which is the name of its file."""
    files = (module.name for module in pkgutil.iter_modules(__path__))
    return {name: _method_of(name) for name in sorted(files)}


def _method_of(name: str) -> type[Method]:
    module = importlib.import_module(f"{__name__}.{name}")
    found = [
        kind
        for kind in vars(module).values()
        if isinstance(kind, type) and issubclass(kind, Method) and kind.__module__ == module.__name__
    ]
    if len(found) != 1 or found[0].name != name:
        raise ImportError(f"il_models/methods/{name}.py must define exactly one Method with name = {name!r}.")
    return found[0]
