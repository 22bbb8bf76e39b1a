"""Lots that killed a process: in one of their own, then tile by tile, so that all but the guilty tiles are saved."""

import pickle
from collections import Counter
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from tasks import ledger
from tasks.alone import Died, alone
from tasks.lot_done import LotDone
from tasks.lot_job import COMPUTING, LotJob
from tasks.lot_starts import learn_start
from tasks.measured import Pixels
from tasks.restoration import Restored, given_up, restore_tiles
from tasks.restore_lot import restore_lot
from tasks.starts import COLLECTION, Start
from tasks.tiles import Tile
from tasks.treatment import Treatment

TRIES = 2  # of a tile: its process may have been killed for something else
BEGUN_OFTEN = 3  # a lot that was begun so often and never done is not trusted with a process of others
GIVEN_UP = 2  # deaths of a lot, outside of any tile, after which later runs leave it alone


class LotDied(Exception):  # noqa: N818 - what happened
    """A lot ends its process while no tile is fitted; nothing of it can be saved."""


def is_suspect(job: LotJob) -> bool:
    """Whether a lot was begun again and again and never done: by a process that it killed, or by interruptions."""
    return ledger.was_begun(job.work, job.lot.id, BEGUN_OFTEN)


def restore_alone(job: LotJob) -> LotDone:
    """Restore a lot and commit it, without trusting it. On a CPU its bytes are those of `restore_lot`.

    A tile that ends its process TRIES times keeps its measurement and is marked failed.

    Raises:
        LotDied: it ends its process outside of any tile: while it is read, say.
        InputError, OSError: as restore_lot.
    """
    with COMPUTING:
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        if (reasons := ledger.deaths(job.work, job.lot.id)) and len(reasons) >= GIVEN_UP:
            raise LotDied(_sentence(job, reasons[-1]))
        try:
            return alone(restore_lot, job)
        except Died:
            return _tile_by_tile(job)


def learn_alone(job: LotJob, name: str | None) -> None:
    """Fit the network of an input, or of the collection, in a process of its own.

    Raises:
        LotDied: it ends that process, now or in an earlier task run.
    """
    key = COLLECTION if name is None else next(each.key for each in job.entries if each.name == name)
    with COMPUTING:
        if not (reasons := ledger.deaths(job.work, f"start-{key}")):
            try:
                return alone(learn_start, job, name)
            except Died as died:
                reasons = [str(died)]
                ledger.note_death(job.work, f"start-{key}", reasons[0])
    raise LotDied(
        f"'{name or job.collection}' ends its process while its own network is fitted ({reasons[0]}); choose scope: "
        "tile, or another method."
    )


def _tile_by_tile(job: LotJob) -> LotDone:
    with TemporaryDirectory(prefix="selfmend-") as folder:
        scratch = Path(folder)
        while True:
            before = len(_begun(scratch))
            try:
                return alone(restore_saving, job, scratch)
            except Died as died:
                begun = _begun(scratch)
                if len(begun) == before:
                    ledger.note_death(job.work, job.lot.id, str(died))
                    raise LotDied(_sentence(job, str(died))) from None
                (scratch / f"{begun[-1]}.reason").write_text(str(died))


def restore_saving(job: LotJob, scratch: Path) -> LotDone:
    """Restore a lot one tile after the other, each saved as it is done: what was done before a death is not done again.

    Args:
        scratch: local folder. `begun` names every tile that was tried, in order; <place> is a restored tile.
    """

    def one_by_one(
        tiles: list[Tile], starts: dict[str, Start], treatment: Treatment, references: dict[int, Pixels]
    ) -> list[Restored]:
        single, tried = replace(treatment, batch=1), Counter(_begun(scratch))
        found = []
        for place, tile in enumerate(tiles):
            done = scratch / str(place)
            if not done.exists() and tried[place] < TRIES:
                with (scratch / "begun").open("a") as file:
                    file.write(f"{place}\n")
                twin = {0: references[place]} if place in references else {}
                (restored,) = restore_tiles([tile], starts, single, twin)
                done.with_suffix(".partial").write_bytes(pickle.dumps(restored))
                done.with_suffix(".partial").rename(done)
            if done.exists():
                found.append(pickle.loads(done.read_bytes()))
            else:
                reason = (scratch / f"{place}.reason").read_text()
                found.append(given_up(tile, f"its process died at this tile {TRIES} times, alone: {reason}"))
        return found

    return restore_lot(job, one_by_one)


def _begun(scratch: Path) -> list[int]:
    file = scratch / "begun"
    return [int(line) for line in file.read_text().split()] if file.exists() else []


def _sentence(job: LotJob, reason: str) -> str:
    names = sorted({part.input for part in job.lot.parts})
    return (
        f"Lot {job.lot.id} ({names[0]}{' ...' if len(names) > 1 else ''}) ends its process while it is read or written "
        f"({reason}); check the file. Later runs leave it alone after {GIVEN_UP} such deaths; to try again, remove "
        f"{job.work.uri}/{ledger.ATTEMPTS}/{job.lot.id}.*."
    )
