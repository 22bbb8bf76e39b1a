"""One run at a time in a folder of an object store, which knows no locks: a lease that its holder renews.

Leases are numbered and never taken back, so that a number belongs to one holder for ever. Whoever wants the folder puts
the next number there, if it is absent: when the last holder has ended, or when nothing has changed for so long that it
must be gone. How long that is, the waiting one measures by its own clock alone; no two clocks are ever compared. A
holder that was only slow finds a higher number, and stops before it commits anything more.
"""

import json
import os
import platform
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tasks.errors import RequestError
from tasks.stores.locks import held
from tasks.stores.place import Place

FOLDER = ".lease"


@dataclass(frozen=True)
class Pace:
    """Seconds: between two renewals, without a change after which a holder is gone, and between two looks at it."""

    renew: float = 5.0
    gone: float = 30.0
    look: float = 1.0
    clock: Callable[[], float] = time.monotonic
    wait: Callable[[float], None] = time.sleep


class Overtaken(RequestError):  # noqa: N818 - what happened
    """Another run has taken this one for dead, and the folder; nothing more may be committed there."""


@dataclass(frozen=True)
class Lease:
    """The right to write in a folder. folder: where leases lie, below it. number: of this one."""

    folder: Place
    number: int

    def require(self) -> None:
        """Ask the store, before something is committed.

        Raises:
            Overtaken: somebody holds a later lease, or all of them are gone.
        """
        if _numbers(self.folder)[-1:] != [self.number]:
            raise Overtaken(
                f"Another run took over '{_above(self.folder)}', for this one was silent for too long; it stops here. "
                "What it had committed stays; the other one does the rest."
            )


@dataclass(frozen=True)
class Found:
    """A lease as it lies in the store. facts: what its holder wrote; empty where that cannot be read."""

    number: int
    facts: dict[str, Any]

    @property
    def name(self) -> str:
        """Of its file."""
        return _name(self.number)


def newest_lease(folder: Place) -> Found | None:
    """The latest lease of those that lie in a folder, whoever holds it; None where nobody ever did."""
    newest = _newest(folder)
    return None if newest is None else Found(newest[0], _facts(newest))


def locked(place: Place, pace: Pace = Pace()) -> AbstractContextManager[Lease | None]:
    """Keep a second run out of a folder while the context lasts; a run that died holds nobody back.

    Gives the lease, by which workers know whether they may still commit; None on a local disk, which has locks.

    Raises:
        RequestError: another run holds it, or nothing can be written there.
    """
    place.require_writable()
    return held(place.local) if place.local else leased(place, pace)


@contextmanager
def leased(place: Place, pace: Pace) -> Iterator[Lease]:
    """Hold the lease of a folder while the context lasts.

    Raises:
        RequestError: another run holds it, and is alive.
        OSError: the store cannot be written.
    """
    lease, facts = _taken(place / FOLDER, pace)
    ended = threading.Event()
    renewing = threading.Thread(target=_renew, args=(lease, facts, ended, pace), name="lease", daemon=True)
    renewing.start()
    try:
        yield lease
    finally:
        ended.set()
        renewing.join()
        with suppress(OSError, Overtaken):  # it expires by itself
            lease.require()
            _put(lease, {**facts, "ended": True})


def _taken(folder: Place, pace: Pace) -> tuple[Lease, dict[str, Any]]:
    since = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"
    own = {"pid": os.getpid(), "host": platform.node(), "since": since, "token": uuid.uuid4().hex}
    seen: tuple[int, bytes] | None = None
    began = pace.clock()
    while True:
        newest = _newest(folder)
        facts = _facts(newest)
        is_free = newest is None or bool(facts.get("ended"))
        if not is_free and seen is not None and newest != seen:
            who = f"process {facts.get('pid', '?')} on {facts.get('host', '?')}, since {facts.get('since', '?')}"
            raise RequestError(
                f"Another run ({who}) is at work in '{_above(folder)}'; wait until it has ended, or stop it."
            )
        if is_free or (seen is not None and pace.clock() - began >= pace.gone):
            lease = Lease(folder, 1 + (newest[0] if newest else 0))
            if folder.write_new(_name(lease.number), json.dumps(own).encode()):
                for number in _numbers(folder):
                    if number < lease.number:
                        folder.remove(_name(number))
                return lease, own
            seen = None  # somebody was faster; is it alive?
        elif seen is None:
            seen, began = newest, pace.clock()
        pace.wait(pace.look)


def _renew(lease: Lease, facts: dict[str, Any], ended: threading.Event, pace: Pace) -> None:
    beat = 0
    while not ended.wait(pace.renew):
        beat += 1
        try:
            lease.require()
            _put(lease, {**facts, "beat": beat})
        except Overtaken:
            return
        except OSError:
            continue  # the store may answer again in time


def _put(lease: Lease, facts: dict[str, Any]) -> None:
    lease.folder.write(_name(lease.number), json.dumps(facts).encode())


def _newest(folder: Place) -> tuple[int, bytes] | None:
    for number in reversed(_numbers(folder)):
        with suppress(FileNotFoundError):  # removed since, by a later holder
            return number, folder.read(_name(number))
    return None


def _facts(newest: tuple[int, bytes] | None) -> dict[str, Any]:
    try:
        found = json.loads(newest[1]) if newest else {}
    except ValueError:
        found = {}
    return found if isinstance(found, dict) else {}


def _numbers(folder: Place) -> list[int]:
    names = (name.removesuffix(".json") for name in folder.names())
    return sorted(int(name) for name in names if name.isdecimal())


def _name(number: int) -> str:
    return f"{number:010d}.json"


def _above(folder: Place) -> str:
    return folder.uri.removesuffix(f"/{FOLDER}")
