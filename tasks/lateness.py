"""Inputs that are not ready: half copied, written to while they were read, or gone. They are left for the next run."""

import os
import time
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any

from tasks.catalog.inputs import InputRef, stamp_of
from tasks.catalog.locations import connect, scheme, split_variable
from tasks.errors import RequestError
from tasks.standing import Standing

TIMES = ("LastModified", "last_modified", "mtime", "modified", "created")  # as file systems behind fsspec call it


def put_off(found: Standing, quiet: float) -> Standing:
    """The same without the inputs that were written to a moment ago: somebody may still be copying them.

    Args:
        found: how things stand.
        quiet: seconds for which an input must not have been written to; 0 puts off nothing.
    """
    ages = {ref.name: _age(ref) for ref in found.left} if quiet else {}
    late = {name: age for name, age in ages.items() if age is not None and age < quiet}
    told = {
        name: f"written to {age:.0f} s before the run looked, and {quiet:g} s are asked for"
        for name, age in late.items()
    }
    return replace(found, left=tuple(ref for ref in found.left if ref.name not in late), late=found.late | told)


def excused(refs: Iterable[InputRef], failed: Iterable[str]) -> dict[str, str]:
    """Which of the inputs that failed are not at fault, for they changed or went away meanwhile; and what happened.

    Args:
        refs: the inputs, as they were found before.
        failed: names.
    """
    names = set(failed)
    return {ref.name: told for ref in refs if ref.name in names and (told := _change(ref))}


def _change(ref: InputRef) -> str:
    try:
        now = stamp_of(ref.uri, ref.mask, ref.guide)
    except RequestError:
        return f"'{ref.uri}' went away while the run was under way"
    return "" if now == ref.fingerprint else f"'{ref.uri}' was written to while the run was under way"


def _age(ref: InputRef) -> float | None:
    """Seconds since an input, its mask or guide was written to; None if nobody knows, or its clock is ahead of ours."""
    places = [split_variable(uri)[0] for uri in (ref.uri, ref.mask, ref.guide) if uri is not None]
    try:
        written = [_local_time(place) if scheme(place) == "" else _remote_time(place) for place in places]
    except (OSError, RequestError):
        return None
    age = min((time.time() - moment for moment in written if moment is not None), default=-1.0)
    return None if age < 0 else age


def _local_time(path: str) -> float:
    inside = (os.path.join(at, name) for at, _, names in os.walk(path) for name in names)
    return max(os.stat(each).st_mtime for each in (path, *inside))


def _remote_time(uri: str) -> float | None:
    if scheme(uri) == "skimage":
        return None
    files, path = connect(uri, RequestError)
    info = files.info(path)
    rows = [info] if info["type"] != "directory" else files.find(path, detail=True).values()
    times = [time for row in rows if (time := _time(row)) is not None]
    return max(times, default=None)


def _time(row: dict[str, Any]) -> float | None:
    found = next((row[key] for key in TIMES if row.get(key)), None)
    if isinstance(found, datetime):
        return found.timestamp()
    return float(found) if isinstance(found, int | float) else None
