"""The progress of a run as a person sees it in a terminal. Reads the ledger alone, so it works wherever lots run."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from tasks import ledger
from tasks.plan import Plan
from tasks.standing import PLAN

if TYPE_CHECKING:
    from tasks.stores.place import Place

LOOK = 1.0  # seconds between two looks
LINE = 15.0  # seconds between two plain lines, where there is no terminal


@contextmanager
def watched(work: "Place", console: Console) -> Iterator[None]:
    """A progress bar while the context lasts: tiles done, tiles/s, time to go; without a terminal plain lines."""
    ended = threading.Event()
    look = _bar if console.is_terminal else _lines
    thread = threading.Thread(target=look, args=(work, console, ended), daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _looks(work: "Place", ended: threading.Event) -> Iterator[tuple[int, int]]:
    """Tiles that are done and tiles in all, until the run ends or its work area is gone."""
    plan: Plan | None = None
    while not ended.wait(LOOK):
        try:
            if plan is None and work.exists(PLAN):
                plan = Plan.from_json(work.read(PLAN))
                tiles = {lot.id: lot.tiles for lot in plan.lots}
            if plan is not None:
                done = ledger.done_lots(work)
                yield sum(count for lot, count in tiles.items() if lot in done), sum(tiles.values())
        except FileNotFoundError:
            return


def _bar(work: "Place", console: Console, ended: threading.Event) -> None:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[speed]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=False) as progress:
        bar: TaskID = progress.add_task("surveying", total=None, speed="")
        began, before = time.monotonic(), -1
        for done, tiles in _looks(work, ended):
            if before < 0:
                before, began = done, time.monotonic()
            speed = (done - before) / max(1e-6, time.monotonic() - began)
            progress.update(bar, description="tiles", completed=done, total=tiles, speed=f"{speed:.2f} tiles/s")


def _lines(work: "Place", console: Console, ended: threading.Event) -> None:
    del console
    began, told, before = time.monotonic(), 0.0, -1
    for done, tiles in _looks(work, ended):
        now = time.monotonic()
        if done == before or (now - told < LINE and done < tiles):
            continue
        told, before = now, done
        sys.stderr.write(f"{done} of {tiles} tiles after {now - began:.0f} s\n")
