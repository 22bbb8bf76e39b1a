"""Work areas that nobody came back to: of runs that were interrupted, and whose recipe or facts were given up since.

Images, tables, reports and the newest work area of a collection, with which its next run goes on, are never touched.
"""

import os
import time
from dataclasses import dataclass

from tasks.errors import RequestError
from tasks.status import is_collection
from tasks.stores.leases import locked
from tasks.stores.place import Place

WORK = ".work"


@dataclass(frozen=True)
class OldWork:
    """A work area that may go. days: since something was written there. size: bytes."""

    place: Place
    days: float
    size: int

    def sentence(self) -> str:
        """What it is."""
        return f"{self.place.uri}: {self.size / 2**20:.1f} MiB, {self.days:.0f} days old"


def old_work(out: Place, days: float, keep: int = 1) -> list[OldWork]:
    """Work areas of all collections of an output that may go.

    Args:
        out: OUT/<collection>, or OUT with its collections.
        days: for which nothing may have been written there.
        keep: so many of each collection stay however old they are, the newest ones; at least 1.

    Raises:
        RequestError: there is neither, or it is on an object store, where this is not yet possible.
    """
    if out.local is None:
        raise RequestError(f"'{out.uri}' is no local folder; work areas on object stores cannot be tidied up yet.")
    found = [out] if is_collection(out) else [out / name for name in out.folders() if is_collection(out / name)]
    if not found:
        raise RequestError(f"'{out.uri}' holds no results; give the --out of `selfmend restore`.")
    return [each for collection in found for each in _aged(collection)[max(1, keep) :] if each.days > days]


def remove_work(old: OldWork) -> None:
    """Remove a work area.

    Raises:
        RequestError: a run is at work in its collection.
    """
    with locked(Place(old.place.uri.rpartition(f"/{WORK}/")[0])):
        old.place.remove()


def _aged(collection: Place) -> list[OldWork]:
    """The work areas of a collection, the newest first."""
    area = collection / WORK
    found = [OldWork(area / key, _days(area / key), (area / key).size()) for key in area.folders()]
    return sorted(found, key=lambda each: each.days)


def _days(place: Place) -> float:
    times = [os.stat(at).st_mtime for at, _, _ in os.walk(place.uri)]  # a folder's changes as files come and go
    return (time.time() - max(times)) / 86400
