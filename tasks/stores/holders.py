"""Who holds the folder of a collection, for whoever asks: nothing is tried, or a question could turn a run away.

A holder on another machine is only known by what it wrote. Of a lease the store tells when it was renewed; its clock
and this machine's may differ, so what is said here is for people, and no run decides by it.
"""

import json
import os
import platform
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tasks.stores.leases import FOLDER, Pace, newest_lease
from tasks.stores.locks import FACTS
from tasks.stores.place import Place

SINCE = "%Y-%m-%d %H:%M:%S UTC"


@dataclass(frozen=True)
class Holder:
    """A run that holds a folder, or once did. told: it in words. gone: why it holds it no more, or empty."""

    told: str
    gone: str = ""

    def sentence(self) -> str:
        """Of a holder that is gone."""
        return f"left behind by {self.told}: {self.gone}"


def holder_of(place: Place) -> Holder | None:
    """The run that holds a collection's folder, or that left it without a word; None where it is free."""
    return _of_lock(place) if place.local else _of_lease(place)


def _of_lock(place: Place) -> Holder | None:
    try:
        known = json.loads(place.read(FACTS))
        pid, since, host = int(known["pid"]), str(known["since"]), str(known.get("host", platform.node()))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if host != platform.node():
        return Holder(f"process {pid} on {host}, since {since}{_for(since)}, if that machine has not died")
    told = f"process {pid}, since {since}{_for(since)}"
    free = "there is no such process, the lock is free, and the next run takes it at once"
    return Holder(told) if _is_alive(pid) else Holder(told, free)


def _of_lease(place: Place) -> Holder | None:
    found = newest_lease(place / FOLDER)
    if found is None or found.facts.get("ended"):
        return None
    facts, pace = found.facts, Pace()
    since = str(facts.get("since", "?"))
    who = f"process {facts.get('pid', '?')} on {facts.get('host', '?')}, since {since}{_for(since)}"
    age = _age(place / FOLDER, found.name)
    if age is None:
        return Holder(f"{who}, by lease {found.number}")
    told = f"{who}, by lease {found.number}, renewed {_spent(age)} ago"
    if age <= pace.gone:
        return Holder(told)
    often = f"a lease is renewed every {pace.renew:.0f} s"
    return Holder(told, f"{often}; the next run watches it for {pace.gone:.0f} s and then takes the folder")


def _age(folder: Place, name: str) -> float | None:
    """Seconds since the store was given a lease; None where it does not tell."""
    try:
        written: Any = folder.modified(name)
    except (OSError, NotImplementedError):
        return None
    return max(0.0, (datetime.now(UTC) - written).total_seconds())


def _for(since: str) -> str:
    """How long ago a moment was; nothing of one that cannot be read."""
    try:
        began = datetime.strptime(since, SINCE).replace(tzinfo=UTC)
    except ValueError:
        return ""
    return f", for {_spent((datetime.now(UTC) - began).total_seconds())}"


def _spent(seconds: float) -> str:
    whole = max(0, round(seconds))
    days, hours, minutes = whole // 86400, whole // 3600 % 24, whole // 60 % 60
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min" if minutes >= 2 else f"{whole} s"


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True  # somebody else's
    except OSError:
        return False
    return True
