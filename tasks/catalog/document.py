"""data_catalog.yaml -> validated facts. Everything a user can get wrong in it is told in one sentence with its key."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from tasks.catalog.companions import Guide, PixelMask, Reference
from tasks.catalog.fact import Fact, Location
from tasks.catalog.facts import Facts, PixelSize
from tasks.catalog.inputs import InputRef, find_inputs, sources
from tasks.catalog.listing import is_path
from tasks.catalog.locations import plain, scheme
from tasks.catalog.naming import collection_name
from tasks.catalog.noise import KINDS
from tasks.errors import RequestError, nearest

__all__ = [
    "Catalog",
    "Facts",
    "InputRef",
    "facts_of",
    "find_catalog",
    "find_inputs",
    "load_catalog",
    "shipped_catalog_path",
]

Catalog = dict[str, Facts]

_VARIABLE = re.compile(r"\$(?:(\w+)|\{(\w+)\})")
_PLAIN = {"tuple_type": "expected a list", "string_type": "expected a text"}
_INNER: dict[str, type[Fact]] = {"pixel_size": PixelSize, "reference": Reference, "mask": PixelMask, "guide": Guide}


def shipped_catalog_path() -> Path:
    """The catalogue that comes with the package: in a wheel in tasks/, in a checkout one folder up."""
    here = Path(__file__).resolve().parents[1]
    inside = here / "data_catalog.yaml"
    return inside if inside.exists() else here.parent / "data_catalog.yaml"


def find_catalog(path: str | Path | None = None) -> Path:
    """The given file, else ./data_catalog.yaml, else the shipped one. Raises RequestError without the given one."""
    if path is not None:
        given = Path(path).expanduser()
        if not given.is_file():
            raise RequestError(
                f"There is no catalogue '{given}'; leave it out to use ./data_catalog.yaml or the shipped one."
            )
        return given
    own = Path("data_catalog.yaml")
    return own if own.is_file() else shipped_catalog_path()


def load_catalog(path: str | Path) -> Catalog:
    """Collections by their names, with absolute sources. Raises RequestError with file, key and what is allowed."""
    file = Path(path)
    raw = _collections(file)
    folder = file.resolve().parent
    return {name: _resolved(_facts(file.name, name, entry), folder) for name, entry in raw.items()}


def facts_of(source_or_name: str, catalog: Catalog) -> tuple[str, Facts]:
    """Name and facts of a collection, or of a path, glob or URI, which becomes a collection of its own.

    Raises RequestError for a name that nobody knows, and for an environment variable that is not set.
    """
    if source_or_name in catalog:
        facts = catalog[source_or_name]
        _check_variables(f"Collection '{source_or_name}'", facts)
        return source_or_name, facts
    if not is_path(source_or_name):
        known = ", ".join(sorted(catalog)) or "none"
        raise RequestError(
            f"There is no collection '{source_or_name}' in the catalogue, and no file or folder of that name; "
            f"known: {known}.{nearest(source_or_name, catalog)}"
        )
    facts = _resolved(Facts(title=source_or_name, source=source_or_name), Path.cwd())
    _check_variables(f"'{source_or_name}'", facts)
    return collection_name(sources(facts.source)[0]), facts


def _collections(file: Path) -> Mapping[str, Any]:
    """The entries of a catalogue as YAML has them."""
    try:
        raw = yaml.load(file.read_text(encoding="utf-8"), _UniqueKeys)
    except OSError as error:
        raise RequestError(f"The catalogue '{file}' cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise RequestError(f"{file.name} is not a text in UTF-8 (byte {error.start}).") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f" in line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise RequestError(f"{file.name} is not valid YAML{place}: {error.problem}.") from error
    except yaml.YAMLError as error:
        raise RequestError(f"{file.name} is not valid YAML: {' '.join(str(error).split())}.") from error
    if raw is None:
        raise RequestError(f"{file.name} is empty; it needs a mapping 'collections:' of names to facts.")
    wrong = next((key for key in raw if key != "collections"), None) if isinstance(raw, dict) else None
    if wrong is not None:
        hint = nearest(str(wrong), ["collections"])
        raise RequestError(f"{file.name}: '{wrong}' is not a known key; allowed: collections.{hint}")
    if not isinstance(raw, dict) or not isinstance(raw.get("collections"), dict):
        raise RequestError(f"{file.name}: expected a mapping 'collections:' of names to facts, not {_kind_of(raw)}.")
    return raw["collections"]


def _facts(file: str, name: Any, entry: Any) -> Facts:
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z0-9][\w.\-]{0,99}", name, re.ASCII):
        raise RequestError(
            f"{file}: collections.{name}: a name is up to 100 letters, digits, '_', '-' and '.', for it names a folder."
        )
    try:
        return Facts.model_validate(entry)
    except ValidationError as error:
        details = error.errors(include_url=False)
        more = f" {len(details) - 1} more to mend in this collection." if len(details) > 1 else ""
        raise RequestError(f"{file}: {_sentence(details[0], name, entry)}{more}") from error


def _sentence(detail: Any, name: str, entry: Any) -> str:
    """One error of pydantic, said with its key as the user wrote it."""
    key, parent = _key_of(detail["loc"], entry)
    spelled = ".".join(["collections", name, *key])
    if detail["type"] == "extra_forbidden":
        known = list(_model_at(key[:-1], parent).model_fields)
        return f"{spelled} is not a known key; allowed: {', '.join(known)}.{nearest(key[-1], known)}"
    if detail["type"] == "missing":
        return f"{spelled} is missing; it must be given."
    if detail["type"] == "model_type":
        return f"{spelled}: expected a mapping with {', '.join(_model_at(key, entry).model_fields)}."
    text = _PLAIN.get(detail["type"], detail["msg"].removeprefix("Value error, ").removeprefix("Input ").rstrip("."))
    got = repr(detail["input"])
    return f"{spelled}: {text}" + ("" if text.endswith("?") else f", not {got if len(got) < 80 else got[:77] + '...'}.")


def _key_of(loc: tuple[int | str, ...], entry: Any) -> tuple[list[str], Any]:
    """The keys that lead to an error, without the members of unions, and the mapping that holds the last."""
    key: list[str] = []
    node, parent = entry, entry
    for place, part in enumerate(loc):
        known = (isinstance(node, dict) and part in node) or (isinstance(node, (list, tuple)) and isinstance(part, int))
        if known or (place == len(loc) - 1 and isinstance(node, dict)):
            key.append(str(part))
            parent, node = node, node[part] if known else None
    return key, parent


def _model_at(key: list[str], node: Any) -> type[BaseModel]:
    if key == ["noise"]:
        return KINDS[node["kind"]]
    return _INNER[key[0]] if key else Facts


def _resolved(facts: Facts, folder: Path) -> Facts:
    """The same facts with absolute places."""
    changes: dict[str, Any] = {"source": _absolute(facts.source, folder)}
    if isinstance(facts.psf, str):
        changes["psf"] = _absolute(facts.psf, folder)
    for key, beside in (("reference", facts.reference), ("mask", facts.mask), ("guide", facts.guide)):
        if beside is not None:
            changes[key] = beside.model_copy(update={"source": _absolute(beside.source, folder)})
    return facts.model_copy(update=changes)


def _absolute(location: Location, folder: Path) -> Location:
    if isinstance(location, tuple):
        return tuple(str(_absolute(one, folder)) for one in location)
    # A variable that is not set stays as it is, so that it spoils its own collection only.
    place = plain(os.path.expandvars(location))
    return place if scheme(place) or _VARIABLE.search(place) else str(folder / Path(place).expanduser())


def _check_variables(what: str, facts: Facts) -> None:
    places = [
        ("source", facts.source),
        ("psf", facts.psf if isinstance(facts.psf, str) else ""),
        ("reference", (facts.reference and facts.reference.source) or ""),
        ("mask", (facts.mask and facts.mask.source) or ""),
        ("guide", (facts.guide and facts.guide.source) or ""),
    ]
    for key, location in places:
        for one in sources(location):
            unset = _VARIABLE.search(one)
            if unset:
                variable = unset.group(1) or unset.group(2)
                raise RequestError(f"{what}: the environment variable {variable} in {key} '{one}' is not set.")


def _kind_of(raw: Any) -> str:
    return {"dict": "a mapping without it", "list": "a list", "str": "a text"}.get(type(raw).__name__, repr(raw))


class _UniqueKeys(yaml.SafeLoader):
    """A safe loader that does not keep the last of two equal keys in silence."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """The mapping, if none of its keys stands there twice."""
        seen: set[str] = set()
        for key, _ in node.value:
            if key.value != "<<" and key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key '{key.value}' is there twice", key.start_mark
                )
            seen.add(str(key.value))
        return super().construct_mapping(node, deep)
