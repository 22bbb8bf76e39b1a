"""The journal of a run: one JSON object a line, with collection, run, lot, input, shard and tile wherever they apply.

It holds what Prefect's logs hold, whose text says the same; and more than Prefect's database should be given.
"""

import logging
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pythonjsonlogger.core import RESERVED_ATTRS
from pythonjsonlogger.json import JsonFormatter

from tasks.amounts import amount
from tasks.lot_done import LotDone
from tasks.lots import Group, inputs_of
from tasks.plan import Lot
from tasks.run import Run
from tasks.stores.place import Place

LOGS = "logs"  # folder beside the images of a collection
COPIED = 60.0  # seconds between two copies to an object store, to which nothing can be appended
PREFECT = ("prefect.flow_runs", "prefect.task_runs")  # the loggers of its runs
_OF_PREFECT = ["deployment_name", "flow_run_id", "flow_run_name", "flow_name", "task_run_id", "task_name"]

Log = logging.Logger | logging.LoggerAdapter[Any]
detail = logging.getLogger("selfmend")  # for the journal alone
detail.propagate = False
detail.setLevel(logging.INFO)


@contextmanager
def journal(run: Run) -> Iterator[None]:
    """Keep what is logged of a run, while the context lasts, in OUT/<collection>/logs/<run>.jsonl; lines are added."""
    place, name = run.request.out / LOGS, f"{run.id}.jsonl"
    with tempfile.TemporaryDirectory() as aside:
        file = (place.local or Path(aside)) / name
        file.parent.mkdir(parents=True, exist_ok=True)
        if not place.local and place.exists(name):
            file.write_bytes(place.read(name))
        page = _Page(run, file)
        loggers = [detail, *map(logging.getLogger, PREFECT)]
        for logger in loggers:
            logger.addHandler(page)
        ended = threading.Event()
        copier = threading.Thread(target=_copy, args=(file, place, name, ended), daemon=True)
        if not place.local:
            copier.start()
        try:
            yield
        finally:
            for logger in loggers:
                logger.removeHandler(page)
            page.close()
            ended.set()
            if not place.local:
                copier.join()


def note_lot(log: Log, run: Run, lot: Lot, done: LotDone) -> None:
    """Count a lot that is done, and say so: its tiles, its first bad ones, what libraries warned of."""
    run.tally.restored(done)
    at: dict[str, Any] = {"lot": lot.id, **_named(lot), "worker": done.worker, "attempt": done.attempts}
    counts = ", ".join(f"{count} {verdict}" for verdict, count in sorted(done.verdicts.items()))
    told = {"tiles": done.tiles, "verdicts": done.verdicts, "statuses": done.statuses}
    spent = {"seconds": round(done.seconds, 3), "device_seconds": round(done.device_seconds, 3)}
    log.info(
        "Lot %s of %s: %s in %.1f s on %s%s.", lot.id, _words(lot), counts, done.seconds, done.worker,
        f", attempt {done.attempts}" if done.attempts > 1 else "", extra=at | told | spent,
    )  # fmt: skip
    for bad in done.bad:
        where = {"input": bad.input, "shard": bad.shard, "tile": bad.tile, "verdict": bad.verdict, "reason": bad.reason}
        log.warning("Tile %d of '%s' is %s: %s.", bad.tile, bad.input, bad.verdict, bad.reason, extra=at | where)
    for said in done.said:
        log.warning("Lot %s: %s", lot.id, said, extra=at)


def note_failed_lot(log: Log, lot: Lot, error: BaseException) -> None:
    """Say why a lot could not be restored."""
    reason = f"{error}" or type(error).__name__
    at = {"lot": lot.id, **_named(lot), "error": type(error).__name__}
    log.error("Lot %s of %s could not be restored: %s", lot.id, _words(lot), reason, extra=at)


def note_published(run: Run, name: str, size: int, clipped: dict[str, int]) -> None:
    """Count an image that is published. In the journal alone: a collection may have a hundred thousand."""
    run.tally.shown(name, size)
    told = {"run": run.id, "input": name, "bytes": size, "clipped": {key: n for key, n in clipped.items() if n}}
    detail.info("Published '%s', %d bytes.", name, size, extra=told)


def note_group(log: Log, group: Group, published: list[str], clipped: dict[str, dict[str, int]]) -> None:
    """Say how many inputs of a group are published, and whose pixels the type could not hold, by channel."""
    log.info("Published %d of %s of %s.", len(published), amount(len(group.inputs), "input"), group.name)
    if clipped:
        name, counts = next(iter(clipped.items()))
        told = f"Pixels of {len(clipped)} images were clipped, first '%s', by channel: %s"
        log.warning(told, name, counts, extra={"input": name, "clipped": counts})


class _Page(logging.FileHandler):
    """A file of JSON lines for the records of one run."""

    def __init__(self, run: Run, file: Path) -> None:
        super().__init__(file, encoding="utf-8")
        self.run = run.id
        self.setFormatter(
            JsonFormatter(
                ["levelname", "message"],
                rename_fields={"levelname": "level", "task_run_name": "task"},
                static_fields={"run": run.id, "collection": run.plan.collection},
                reserved_attrs=[*RESERVED_ATTRS, *_OF_PREFECT, "run"],
                timestamp="time",
            )
        )

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether it is of this run: another collection may be under way in this process."""
        return self.run in (getattr(record, "flow_run_id", None), getattr(record, "run", None))


def _copy(file: Path, place: Place, name: str, ended: threading.Event) -> None:
    last = False
    while not last:
        last = ended.wait(COPIED)
        place.write(name, file.read_bytes())


def _named(lot: Lot) -> dict[str, Any]:
    """The place of a lot as facts: one input and its shards, or how many inputs."""
    names = inputs_of([lot])
    if len(names) > 1:
        return {"inputs": [names[0], names[-1]], "input_count": len(names)}
    return {"input": names[0], "shards": [lot.parts[0].first, lot.parts[-1].stop - 1]}


def _words(lot: Lot) -> str:
    names = inputs_of([lot])
    return f"'{names[0]}'" if len(names) == 1 else f"'{names[0]}' … '{names[-1]}' ({len(names)} inputs)"
