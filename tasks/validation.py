"""A validation error of pydantic, said as a sentence: file, key, what is allowed, the nearest name."""

from collections.abc import Iterable
from typing import Any

from pydantic import ValidationError

from tasks.errors import nearest


def sentence(error: ValidationError, where: str, known: Iterable[str] = ()) -> str:
    """All that is wrong in one file, e.g. "recipe.yaml: 'tilling' is not a key of a recipe. Did you mean 'tiling'?".

    Args:
        error: what pydantic found.
        where: the file, and the entry in it, if there is one.
        known: keys that are allowed where an unknown one was found.
    """
    known = list(known)
    return " ".join(dict.fromkeys(_one(detail, where, known) for detail in error.errors(include_url=False)))


def _one(detail: Any, where: str, known: list[str]) -> str:
    path = [str(part) for part in detail["loc"] if not _is_tag(str(part))]
    key = ".".join(path)
    if detail["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        hint = nearest(path[-1], known) if path else ""
        allowed = f" Allowed: {', '.join(known)}." if known and len(known) <= 20 else ""
        return f"{where}: '{key}' is not a known key.{hint}{allowed}"
    if detail["type"] in ("missing", "missing_argument"):
        return f"{where}: '{key}' is missing; it must be given."
    if detail["type"] == "value_error":
        return f"{where}: {str(detail['msg']).removeprefix('Value error, ')}"
    got = "" if isinstance(detail.get("input"), dict) else f" It is {detail.get('input')!r}."
    return f"{where}: '{key}': {_lower_first(str(detail['msg']))}.{got}"


def _is_tag(part: str) -> bool:
    """Names of union members that pydantic puts into a location and that no user ever wrote."""
    prefixes = ("function-", "literal[", "constrained-")
    return part.startswith(prefixes) or part in ("int", "float", "str") or (part[:1].isupper() and part.isidentifier())


def _lower_first(text: str) -> str:
    return text[:1].lower() + text[1:].rstrip(".")
