"""Faults that happen at a chosen moment: every step by which a run changes its storage is counted, and one is spoiled.

A step is the beginning or the end of a write, removal, rename or wait for the disk, an `fsync` or a rename inside of
them, and the same of objects in a store. The n-th of a process is as good as a random moment, and comes back as often
as one likes. What is written is also noted, so that whoever judges knows what was done twice.
"""

import errno
import hashlib
import json
import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any

from tasks.stores.place import Place

DAY = 86_400.0


@dataclass(frozen=True)
class Fault:
    """What happens, once.

    what: "nothing"; "count" the steps; "kill" the process that meets it; "kill other", whose number stands in the file
    `victim`; "full": nothing can be written from then on; "vanish": the file `aim` goes away; "jump": the clock.
    at: step of a process. who: of the "flow", or of a "worker". folder: where this fault keeps its files, empty at
    first. aim: a file. by: seconds that the clock jumps.
    """

    what: str
    at: int
    who: str
    folder: str
    aim: str = ""
    by: float = 0.0

    @property
    def fired(self) -> Path:
        """There once it has happened."""
        return Path(self.folder) / "fired"

    @property
    def victim(self) -> Path:
        """Holds the number of the process that is killed."""
        return Path(self.folder) / "victim"

    def steps(self, who: str) -> list[int]:
        """How many steps each process took so far."""
        return [int(file.read_text()) for file in Path(self.folder).glob(f"steps.{who}.*")]

    def notes(self) -> list[dict[str, Any]]:
        """What was written, in order: {"name", "digest", "of" (seconds of the monotonic clock)}."""
        lines = [line for file in Path(self.folder).glob("notes.*") for line in file.read_text().splitlines()]
        return sorted(map(json.loads, lines), key=lambda note: float(note["of"]))


class _Watch:
    """Counts the steps of this process, and lets its fault happen."""

    def __init__(self) -> None:
        self.fault: Fault | None = None
        self.who, self.count, self.lock = "", 0, threading.Lock()

    def step(self) -> None:
        """One more."""
        if self.fault is None:
            return
        with self.lock:
            self.count += 1
            if self.fault.what == "count":
                (Path(self.fault.folder) / f"steps.{self.who}.{os.getpid()}").write_text(str(self.count))
            elif self.count >= self.fault.at and self.who == self.fault.who and self.is_first():
                self.happen(self.fault)

    def is_first(self) -> bool:
        """Whether no other process, nor this one, met it before."""
        assert self.fault is not None
        try:
            with open(self.fault.fired, "x") as file:
                file.write(str(time.monotonic()))
        except FileExistsError:
            return False
        return True

    def happen(self, fault: Fault) -> None:
        """Let it happen."""
        if fault.what == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        elif fault.what == "kill other":
            os.kill(int(fault.victim.read_text()), signal.SIGKILL)
        elif fault.what == "vanish":
            os.rename(fault.aim, f"{fault.aim}.away")
        elif fault.what == "jump":
            told = time.time
            time.time = lambda: told() + fault.by

    def require_room(self) -> None:
        """Raise what a full disk raises."""
        if self.fault is not None and self.fault.what == "full" and self.fault.fired.exists():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def note(self, name: str, data: bytes) -> None:
        """Keep what was written; a line is one write, which comes whole or not at all."""
        if self.fault is not None:
            told = {"name": name, "digest": hashlib.sha256(data).hexdigest(), "of": time.monotonic()}
            handle = os.open(Path(self.fault.folder) / f"notes.{os.getpid()}", os.O_APPEND | os.O_CREAT | os.O_WRONLY)
            os.write(handle, (json.dumps(told) + "\n").encode())
            os.close(handle)


_watch = _Watch()


def arm(fault: Fault, who: str) -> None:
    """Let a fault happen in this process, which is the "flow" or a "worker"; doing it again changes nothing."""
    if _watch.fault is None:
        _watch.who = who
        for owner, name in ((Place, "remove"), (Place, "move"), (Place, "sync"), (os, "fsync"), (os, "replace")):
            setattr(owner, name, _stepping(getattr(owner, name)))
        Place._put = _putting(Place._put)  # type: ignore[method-assign]
    _watch.fault = fault


def _stepping(live: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(live)
    def stepping(*given: Any, **named: Any) -> Any:
        _watch.step()
        result = live(*given, **named)
        _watch.step()
        return result

    return stepping


def _putting(live: Callable[..., None]) -> Callable[..., None]:
    @wraps(live)
    def putting(place: Place, name: str, data: bytes, *more: Any) -> None:
        _watch.step()
        _watch.require_room()
        live(place, name, data, *more)
        _watch.note(f"{place.uri}/{name}", data)
        _watch.step()

    return putting


def armed(fault: Fault, work: Callable[..., Any], *given: Any) -> Any:
    """Call a function in a process in which a fault may happen."""
    arm(fault, "worker")
    return work(*given)


class Arming(Executor):
    """An executor whose processes are armed. twice: every call is made two times at once, and the later answer counts.

    threads: the executor's work is done in this process, which is armed as the flow.
    """

    def __init__(self, pool: Executor, fault: Fault, threads: bool, twice: bool = False) -> None:
        """Stand before `pool`."""
        self.pool, self.fault, self.threads, self.twice = pool, fault, threads, twice

    def submit(self, work: Callable[..., Any], /, *given: Any, **named: Any) -> Future[Any]:
        """As executors do."""
        call = (work,) if self.threads else (armed, self.fault, work)
        first = self.pool.submit(*call, *given, **named)
        if not self.twice:
            return first
        later = self.pool.submit(*call, *given, **named)
        both: Future[Any] = Future()
        later.add_done_callback(lambda done: first.add_done_callback(lambda _: _settle(both, done)))
        return both


def _settle(both: Future[Any], done: Future[Any]) -> None:
    error = done.exception()
    if error is not None:
        both.set_exception(error)
    else:
        both.set_result(done.result())
