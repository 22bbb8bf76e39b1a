"""What the flow learns of a lot: read off its record, so that it is the same whoever did the lot, and whenever."""

import logging
import os
import platform
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pyarrow as pa

NAMED = 5  # bad tiles that a lot tells one by one; the convergence table has them all
HEARD = 20  # warnings of libraries that a lot passes on


@dataclass(frozen=True)
class BadTile:
    """A tile that is not good, and why."""

    input: str
    shard: int
    tile: int
    verdict: str
    reason: str


@dataclass(frozen=True)
class LotDone:
    """A lot that is committed.

    statuses: tiles by how their fit ended. device_seconds: of the tiles' fits. seconds: of the whole lot in its worker,
    0 where it had been done before. worker: machine and process. attempts: how often the lot was begun.
    bad: its first bad tiles. said: what libraries warned of meanwhile.
    """

    id: str
    tiles: int
    verdicts: dict[str, int]
    statuses: dict[str, int]
    device_seconds: float
    seconds: float
    worker: str
    attempts: int
    bad: tuple[BadTile, ...] = ()
    said: tuple[str, ...] = ()


def lot_done(lot: str, rows: pa.Table, seconds: float, said: list[str]) -> LotDone:
    """From the rows of its record."""
    verdicts, statuses = (rows.column(name).to_pylist() for name in ("verdict", "status"))
    places = [place for place, verdict in enumerate(verdicts) if verdict in ("suspect", "failed")]
    told = rows.select(["input", "shard", "tile", "verdict", "verdict_reason"]).take(
        pa.array(places[:NAMED], pa.int64())
    )
    return LotDone(
        id=lot,
        tiles=len(verdicts),
        verdicts=dict(Counter(verdicts)),
        statuses=dict(Counter(statuses)),
        device_seconds=sum(value or 0.0 for value in rows.column("seconds").to_pylist()),
        seconds=seconds,
        worker=f"{platform.node()}:{os.getpid()}",
        attempts=max((value or 1 for value in rows.column("attempts").to_pylist()), default=1),
        bad=tuple(BadTile(*row.values()) for row in told.to_pylist()),
        said=tuple(said[:HEARD]),
    )


@contextmanager
def heard() -> Iterator[list[str]]:
    """What libraries log as a warning, or worse, in this thread while the context lasts: a worker's own log is lost."""
    ears = _Ears()
    root = logging.getLogger()
    root.addHandler(ears)
    try:
        yield ears.said
    finally:
        root.removeHandler(ears)


class _Ears(logging.Handler):
    """Keeps the first messages of one thread; another lot may be under way in the next."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.said: list[str] = []
        self.ours = threading.get_ident()

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a message."""
        if record.thread == self.ours and len(self.said) < HEARD:
            self.said.append(f"{record.name}: {record.getMessage()}"[:500])
