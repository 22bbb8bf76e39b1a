"""How far a collection is, or what it came to, from what lies on disk. Imports little, for it is asked often."""

from collections import Counter
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from tasks import ledger
from tasks.convergence import CONVERGENCE
from tasks.errors import RequestError
from tasks.plan import PLAN
from tasks.report.table import read_columns, table_files
from tasks.stores.encoding import ROOTS
from tasks.stores.holders import Holder, holder_of
from tasks.stores.place import Place
from tasks.stores.showing import published_key
from tasks.summary import LAST_RUN, Summary, read_summary

WORK = ".work"
NAMED = 10  # inputs that failed, told one by one
ORDER = ("good", "suspect", "failed", "empty")


@dataclass(frozen=True)
class WorkStatus:
    """A plan that is not carried out to its end: what it holds, and what of it is done. verdicts: of the tiles done.

    is_torn: the plan cannot be read.
    """

    key: str
    tiles: int
    tiles_done: int
    lots: int
    lots_done: int
    inputs: int
    inputs_published: int
    verdicts: dict[str, int]
    is_torn: bool = False

    def sentence(self) -> str:
        """How far it is."""
        if self.is_torn:
            return "its plan cannot be read; the next run does it again"
        share = f" ({self.tiles_done / self.tiles:.1%})" if self.tiles else ""
        told = f": {counted(self.verdicts)}" if self.verdicts else ""
        return (
            f"{self.tiles_done} of {self.tiles} tiles{share} in {self.lots_done} of {self.lots} lots, "
            f"{self.inputs_published} of {self.inputs} inputs published{told}"
        )


@dataclass(frozen=True)
class CollectionStatus:
    """One collection of an output.

    images: inputs that are published. verdicts: of all tiles in the convergence table, whichever run restored them.
    last: what the last run came to, or None while the first is under way. work: what is not finished.
    holder: the run that holds the folder, or that died in it.
    """

    name: str
    uri: str
    images: int
    verdicts: dict[str, int]
    last: Summary | None
    work: tuple[WorkStatus, ...]
    holder: Holder | None

    @property
    def at_work(self) -> str | None:
        """The run that holds the folder, in words, or None."""
        return self.holder.told if self.holder and not self.holder.gone else None

    def lines(self) -> list[str]:
        """The collection in a few lines."""
        tiles = sum(self.verdicts.values())
        told = f", {tiles} tiles: {counted(self.verdicts)}" if tiles else ""
        images = "1 image" if self.images == 1 else f"{self.images} images"
        return [f"{self.name}: {images} published{told}", *self._work_lines(), *self._last_lines()]

    def _work_lines(self) -> list[str]:
        if self.at_work and not self.work:
            return [f"  under way ({self.at_work}): looking at the inputs, nothing planned yet"]
        if self.at_work:
            return [f"  under way ({self.at_work}): {each.sentence()}" for each in self.work]
        hint = "no run is at work; the same `selfmend restore` goes on from here"
        left = [f"  {self.holder.sentence()}"] if self.holder else []
        return [*left, *(f"  unfinished: {each.sentence()}; {hint}" for each in self.work)]

    def _last_lines(self) -> list[str]:
        last = self.last
        if last is None:
            return []
        lines = [
            f"  last run '{last.run}', ended {last.finished_at}: {last.sentence()}",
            f"  {last.bad_share:.1%} of its tiles are suspect or failed, allowed are {last.allowed_bad:.1%}: "
            f"{'good' if last.is_good else 'look at it'}",
        ]
        lines += [f"  failed: '{name}': {reason}" for name, reason in list(last.failed.items())[:NAMED]]
        if len(last.failed) > NAMED:
            lines.append(f"  ... and {len(last.failed) - NAMED} more failed; {self.uri}/{LAST_RUN} lists them")
        return [*lines, f"  report: {self.uri}/report.html"]


@dataclass(frozen=True)
class Status:
    """All collections of an output, by name."""

    collections: tuple[CollectionStatus, ...]

    def lines(self) -> list[str]:
        """What `selfmend status` prints."""
        return [line for each in self.collections for line in each.lines()]


def status_of(out: Place) -> Status:
    """How things stand in an output.

    Args:
        out: OUT/<collection>, or OUT with its collections.

    Raises:
        RequestError: there is neither, or what lies there is damaged.
    """
    if is_collection(out):
        return Status((_collection(out),))
    found = [out / name for name in out.folders() if is_collection(out / name)]
    if not found:
        there = f"'{out.uri}' holds no results" if out.exists() else f"There is no '{out.uri}'"
        raise RequestError(f"{there}; give the --out of `selfmend restore`, or a collection's folder in it.")
    return Status(tuple(_collection(place) for place in found))


def counted(verdicts: dict[str, int]) -> str:
    """'10 good, 2 suspect'."""
    known = [name for name in ORDER if verdicts.get(name)]
    return ", ".join(f"{verdicts[name]} {name}" for name in [*known, *sorted(verdicts.keys() - set(ORDER))])


def is_collection(place: Place) -> bool:
    """Whether a folder holds the results, or the work, of a collection."""
    return any(place.exists(name) for name in (LAST_RUN, CONVERGENCE, WORK))


def _collection(place: Place) -> CollectionStatus:
    table = read_columns(place, table_files(place), ["input", "verdict"])
    names = [str(name) for name in pc.unique(table.column("input")).to_pylist()]
    # A row can be there before its image is: on a disk, looking costs nothing.
    images = (
        sum(any(place.exists(f"{name}.zarr/{root}") for root in ROOTS) for name in names) if place.local else len(names)
    )
    return CollectionStatus(
        name=place.uri.rpartition("/")[2],
        uri=place.uri,
        images=images,
        verdicts=_verdicts(table),
        last=read_summary(place),
        work=tuple(_work(place, key) for key in (place / WORK).folders() if (place / WORK / key).exists(PLAN)),
        holder=holder_of(place),
    )


def _work(out: Place, key: str) -> WorkStatus:
    place = out / WORK / key
    plan = ledger.kept_plan(place)
    if plan is None:
        return WorkStatus(key, 0, 0, 0, 0, 0, 0, {}, is_torn=True)
    done = ledger.done_lots(place)
    lots = [lot for lot in plan.lots if lot.id in done]
    try:
        table = read_columns(place, [f"{ledger.RECORDS}/{lot.id}.parquet" for lot in lots], ["verdict"])
    except RequestError:  # a torn record, which the next run makes again
        table = pa.table({"verdict": pa.array([], pa.string())})
    return WorkStatus(
        key=key,
        tiles=sum(lot.tiles for lot in plan.lots),
        tiles_done=sum(lot.tiles for lot in lots),
        lots=len(plan.lots),
        lots_done=len(lots),
        inputs=len(plan.inputs),
        inputs_published=sum(published_key(out, entry.name) == entry.key for entry in plan.inputs),
        verdicts=_verdicts(table),
    )


def _verdicts(table: pa.Table) -> dict[str, int]:
    counts = Counter[str]()
    for each in pc.value_counts(table.column("verdict").combine_chunks()).to_pylist():
        counts[str(each["values"] or "empty")] += int(each["counts"])
    return dict(counts)
