"""The progress of a run as a person sees it in a terminal. Reads the ledger alone, so it works wherever lots run."""

import sys
import threading
import time
from collections.abc import Callable, Iterator
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
from tasks.learning.keeping import told_progress
from tasks.plan import Plan
from tasks.standing import PLAN

if TYPE_CHECKING:
    from tasks.stores.place import Place

LOOK = 1.0  # seconds between two looks
LINE = 15.0  # seconds between two plain lines, where there is no terminal


Looks = Callable[["Place", threading.Event], Iterator[tuple[int, int]]]


def tiles_done(work: "Place", ended: threading.Event) -> Iterator[tuple[int, int]]:
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


def steps_taken(work: "Place", ended: threading.Event) -> Iterator[tuple[int, int]]:
    """Steps that a lesson has taken and steps in all, until it ends."""
    while not ended.wait(LOOK):
        try:
            told = told_progress(work)
        except FileNotFoundError:
            return
        if told is not None:
            yield told


@contextmanager
def watched(work: "Place", console: Console, looks: Looks = tiles_done, unit: str = "tiles") -> Iterator[None]:
    """A progress bar while the context lasts: done, speed, time to go; without a terminal plain lines.

    Args:
        work: where to look. console: where to draw.
        looks: how many of how many units are done, whenever it looks.
        unit: their name.
    """
    ended = threading.Event()
    show = _bar if console.is_terminal else _lines
    thread = threading.Thread(target=show, args=(looks(work, ended), console, unit), daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _bar(looks: Iterator[tuple[int, int]], console: Console, unit: str) -> None:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[speed]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=False) as progress:
        bar: TaskID = progress.add_task("preparing", total=None, speed="")
        began, before = time.monotonic(), -1
        for done, whole in looks:
            if before < 0:
                before, began = done, time.monotonic()
            speed = (done - before) / max(1e-6, time.monotonic() - began)
            progress.update(bar, description=unit, completed=done, total=whole, speed=f"{speed:.2f} {unit}/s")


def _lines(looks: Iterator[tuple[int, int]], console: Console, unit: str) -> None:
    del console
    began, told, before = time.monotonic(), 0.0, -1
    for done, whole in looks:
        now = time.monotonic()
        if done == before or (now - told < LINE and done < whole):
            continue
        told, before = now, done
        sys.stderr.write(f"{done} of {whole} {unit} after {now - began:.0f} s\n")
