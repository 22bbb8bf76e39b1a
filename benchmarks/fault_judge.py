"""What a run with a fault came to, held against the undisturbed one: from storage, and from notes of all writes."""

import hashlib
import io
import re
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.fault_points import Fault
from tasks.convergence import CONVERGENCE
from tasks.stores.place import Place

ATTEMPT = re.compile(r"/attempts/(\d+)\.\d+$")
RECORD = re.compile(r"/lots/(\d+)\.parquet$")
SAME = re.compile(r"/shards/|\.zarr/|/starts?/")  # what must have the same bytes whenever it is written
Digests = dict[str, str]
Tiles = Counter[tuple[str, int]]


@dataclass(frozen=True)
class Result:
    """Of a collection: its images, object by object, and its tiles, each with how often the table has it."""

    images: Digests
    tiles: Tiles
    attempts: int  # with which its lots were begun, summed over lots, as the table has it
    lots: int


@dataclass(frozen=True)
class Verdict:
    """Of a run with a fault and the runs that resumed it.

    lost: tiles that are not in the table, or whose image is not there. double: those that are in it twice. other: what
    was written again with other bytes. is_equal: the images are those of the undisturbed run, byte for byte.
    again: lots that were done again, and of them `in_flight` were begun and not done at the fault, or what is torn.
    """

    lost: int
    double: int
    other: int
    is_equal: bool
    again: int
    in_flight: int

    @property
    def is_good(self) -> bool:
        """Whether all that is promised was kept."""
        return self.is_equal and not (self.lost or self.double or self.other) and self.again <= self.in_flight


def result_of(collection: Place) -> Result:
    """What is published there."""
    names = [name for name in collection.names() if not name.startswith(".work/")]
    images = {name: hashlib.sha256(collection.read(name)).hexdigest() for name in names if ".zarr/" in name}
    tiles: Tiles = Counter()
    attempts: dict[tuple[str, str], int] = {}
    for name in names:
        if name.startswith(f"{CONVERGENCE}/"):
            try:
                rows = pq.read_table(io.BytesIO(collection.read(name)), columns=["input", "tile", "lot", "attempts"])
            except pa.ArrowException:
                continue  # its tiles are lost
            for row in rows.to_pylist():
                tiles[row["input"], row["tile"]] += 1
                attempts[row["input"], row["lot"]] = row["attempts"] or 1
    return Result(images, tiles, sum(attempts.values()), len(attempts))


def judged(found: Result, undisturbed: Result, fault: Fault, until: float, torn: int = 0) -> Verdict:
    """Judge a run.

    Args:
        until: of the monotonic clock; what was begun and not done then, was in flight.
        torn: lots that a spoiled file is of, which must be done again as well.
    """
    notes = fault.notes()
    missing = {name.split(".zarr/")[0] for name in undisturbed.images.keys() - found.images.keys()}
    lost = sum(1 for tile in undisturbed.tiles if not found.tiles[tile] or tile[0] in missing)
    written: dict[str, set[str]] = defaultdict(set)
    for note in notes:
        if SAME.search(note["name"]):
            written[note["name"]].add(note["digest"])
    begun = _lots(notes, ATTEMPT)
    again = sum(begun.values()) - len(begun) if notes else found.attempts - found.lots
    return Verdict(
        lost=lost,
        double=sum(count - 1 for count in found.tiles.values() if count > 1),
        other=sum(len(digests) > 1 for digests in written.values()),
        is_equal=found.images == undisturbed.images,
        again=again,
        in_flight=torn + len(in_flight(notes, until)) if notes else torn + found.lots,
    )


def in_flight(notes: list[dict[str, Any]], until: float) -> set[str]:
    """The lots that were begun and not done at a moment."""
    before = [note for note in notes if note["of"] <= until]
    return set(_lots(before, ATTEMPT)) - set(_lots(before, RECORD))


def _lots(notes: list[dict[str, Any]], pattern: re.Pattern[str]) -> Counter[str]:
    found = (pattern.search(note["name"]) for note in notes)
    return Counter(match[1] for match in found if match)
