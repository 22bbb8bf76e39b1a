"""Where results go: can they be written, is there room, and do its clock and ours agree?"""

import os
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tasks.doctor.finding import Finding, bad, doubtful, good
from tasks.errors import RequestError
from tasks.stores.place import Place

LITTLE, TOO_LITTLE = 20 * 2**30, 2**30  # bytes
SKEW = 2.0  # seconds between two clocks
ADVICE = (
    "Two runs that begin in one folder in the same moment may both go on: have one schedule per collection, "
    "or take a store that knows If-None-Match."
)


def storage_findings(out: str) -> list[Finding]:
    """Findings on a folder or URI for results. Writes a small file there, and takes it away again."""
    place = Place(out)
    try:
        place.require_writable()
    except (RequestError, OSError, ImportError, ValueError) as error:
        return [bad("output", out, f"{error}")]
    if place.local:
        place = Place(str(next(path for path in (place.local, *place.local.parents) if path.is_dir())))
    return [good("output", f"{out} can be written"), _room(place), *_clock(place), *_conditions(place)]


def _room(place: Place) -> Finding:
    free = place.free_bytes()
    if free is None:
        return good("room", "an object store: no limit is known")
    found = f"{free / 2**30:.1f} GiB free at {place.uri}"
    if free < TOO_LITTLE:
        return bad("room", found, "No run can be finished with so little; free some, or choose another --out.")
    if free < LITTLE:
        return doubtful("room", found, "A night may fill it; `selfmend plan` says how much a collection needs.")
    return good("room", found)


def _clock(place: Place) -> list[Finding]:
    """Locks and changed files are told by the times of files, which on a network disk another machine writes."""
    if not place.local:
        return []
    probe = Path(place.local) / f".clock-{os.getpid()}"
    try:
        before = time.time()
        probe.write_bytes(b"")
        skew = probe.stat().st_mtime - before
        probe.unlink()
    except OSError as error:
        return [bad("file times", place.uri, f"{error.strerror}.")]
    if abs(skew) > SKEW:
        return [
            doubtful("file times", f"{skew:+.1f} s from this machine's clock", "Have both machines keep time by NTP.")
        ]
    return [good("file times", "agree with this machine's clock")]


def _conditions(place: Place) -> list[Finding]:
    """Two runs are kept apart on an object store by files that are put there only if absent."""
    if place.local:
        return []
    what, name = "conditional writes", f".probe-{uuid.uuid4().hex}"
    try:
        with _taken_away(place, name):
            first, again = place.write_new(name, b"first"), place.write_new(name, b"second")
            kept = place.read(name)
    except (OSError, NotImplementedError, ValueError) as error:
        return [doubtful(what, f"cannot be tried: {error}", ADVICE)]
    if first and not again and kept == b"first":
        return [good(what, "known: two runs never write in one folder")]
    return [doubtful(what, "a file that was there was written over", ADVICE)]


@contextmanager
def _taken_away(place: Place, name: str) -> Iterator[None]:
    """Take the probe away again, whatever came of it."""
    try:
        yield
    finally:
        with suppress(OSError):
            place.remove(name)
