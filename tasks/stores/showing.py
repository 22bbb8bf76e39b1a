"""Making a finished image visible: whole, or not at all. Killed between any two steps, a second run ends the same.

On a local disk an image is built aside, in the work area, and renamed; an older one is first moved into the work area,
and removed at the end. An object store cannot rename: there the older goes first, and the root of the new comes last.
Two workers may do so at the same time, where one of them was believed dead: neither touches what the other builds.
"""

import math
import uuid
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from tasks.catalog.listing import STORE_MARKERS
from tasks.errors import InputError
from tasks.stores.encoding import ROOT_DOCUMENTS, root_attributes
from tasks.stores.place import Place

MARK = "selfmend"  # the attribute of the root by which an image is known to be ours, and complete


def published_facts(out: Place, name: str) -> dict[str, Any] | None:
    """What a published image says of how it was made, or None where there is no complete one of ours.

    Args:
        out: folder of the collection.
        name: of the input.
    """
    return _facts(out / f"{name}.zarr")


def published_key(out: Place, name: str) -> str | None:
    """The key of the restoration that is published under a name, or None where there is none."""
    facts = published_facts(out, name)
    return None if facts is None else str(facts.get("key"))


def waiting_key(work: Place, name: str) -> str | None:
    """The key of an image that is complete in the work area but not shown, or None where there is none."""
    facts = _facts(_made(work, name))
    return None if facts is None else str(facts.get("key"))


@dataclass(frozen=True)
class Site(Place):
    """Where an image is built, and what was written there: another worker may build the same image at the same time."""

    written: set[str] = field(default_factory=set, compare=False)

    def write(self, name: str, data: bytes, lasting: bool = True) -> None:
        """As places do."""
        super().write(name, data, lasting)
        self.written.add(name)

    def tidy(self) -> None:
        """Remove what was left of others, once all but the root is there."""
        for name in set(self.names()) - self.written:
            self.remove(name)


def building_site(out: Place, work: Place, name: str) -> Site:
    """Where an image is to be built: on a local disk a folder of its own, empty; on an object store what readers see.

    There only the root of what is to be replaced is taken away: objects of the same name are replaced, and the others
    are removed by `tidy`. So nobody ever removes what another worker has written for the same image.

    Raises:
        InputError: what is to be replaced was not made by this program.
    """
    goal = out / f"{name}.zarr"
    # On an object store what is there without a root is ours, half made or half removed.
    there = goal.exists() if goal.local else any(map(goal.exists, STORE_MARKERS))
    if there and _facts(goal) is None:
        raise InputError(f"'{goal.uri}' was not made by selfmend, so it is not replaced; move it away, and run again.")
    if goal.local:
        return Site((work / "building" / uuid.uuid4().hex / f"{name}.zarr").uri)
    _remove_root(goal)
    return Site(goal.uri)


def show(out: Place, work: Place, name: str, key: str) -> None:
    """Put an image that is complete where readers look; where another worker did so meanwhile, its own is dropped.

    Raises:
        OSError: it cannot be moved there.
    """
    goal, made, old = out / f"{name}.zarr", _made(work, name), _old(work, name)
    if goal.local is None:
        return
    try:
        if goal.exists() and published_key(out, name) != key:
            _discard(old)
            goal.move(old)
        made.move(goal)
    except OSError:
        recover(out, work, name)
        if published_key(out, name) != key:
            raise
    _discard(made)
    _discard(old)


def set_aside(site: Site, work: Place, name: str, key: str) -> None:
    """Put an image that is complete where it waits to be shown; one that waits there already is as good.

    Raises:
        OSError: it cannot be moved there.
    """
    if site.local is None:
        return
    made = _made(work, name)
    if waiting_key(work, name) != key:
        _discard(made)
        try:
            site.move(made)
        except OSError:
            if waiting_key(work, name) != key:
                raise
    _discard(site)


def recover(out: Place, work: Place, name: str) -> None:
    """Tidy up after a run that died while it made an image visible: one complete image is visible again."""
    goal, made, old = out / f"{name}.zarr", _made(work, name), _old(work, name)
    if goal.local is None:
        return
    whole = [store for store in (made, old) if _facts(store) is not None]
    if old in whole and not goal.exists():
        with suppress(OSError):  # another worker did so meanwhile
            whole[0].move(goal)
    _discard(old)


def json_safe(value: Any) -> Any:
    """The same value with null for numbers that JSON does not have: NaN and the infinities."""
    if isinstance(value, dict):
        return {str(key): json_safe(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [json_safe(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _discard(store: Place) -> None:
    """Remove a store, its root first: what is half removed must not pass for complete."""
    _remove_root(store)
    store.remove()


def _remove_root(store: Place) -> None:
    for name in reversed(ROOT_DOCUMENTS):
        store.remove(name)


def _made(work: Place, name: str) -> Place:
    return work / "made" / f"{name}.zarr"


def _old(work: Place, name: str) -> Place:
    return work / "old" / f"{name}.zarr"


def _facts(store: Place) -> dict[str, Any] | None:
    facts = (root_attributes(store) or {}).get(MARK)
    return facts if isinstance(facts, dict) else None
