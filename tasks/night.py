"""What a night came to: a row per collection, as text, as table, and as a file beside the collections."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from tasks.catalog.document import facts_of, find_catalog, load_catalog
from tasks.errors import RequestError
from tasks.limits import Limits
from tasks.stores.place import Place
from tasks.summary import STOPPED, Summary

LAST_NIGHT = "last_night"  # .json and .md, in OUT
LISTED = 20  # late or failed inputs of a collection that the text names
TOO_SHORT = timedelta(seconds=1)
COLUMNS = ("collection", "inputs", "tiles", "suspect", "failed", "late", "left", "seconds", "what became of it")


@dataclass(frozen=True)
class Row:
    """A collection's part of a night.

    inputs: published. tiles, suspect, failed: restored in this night, and the bad ones of them. late: inputs that could
    not be taken up yet, and broken those that failed, with the reasons. left: inputs for which no time or budget was
    left; None where nobody looked. stopped: by which limit. problem: why the collection counts as failed; empty if it
    does not. run: id of its flow run. folded: what was learned from it for the next nights, or why nothing was.
    """

    collection: str
    inputs: int = 0
    tiles: int = 0
    suspect: int = 0
    failed: int = 0
    late: dict[str, str] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)
    left: int | None = 0
    seconds: float = 0.0
    device_seconds: float = 0.0
    stopped: str = ""
    problem: str = ""
    out: str = ""
    run: str = ""
    folded: str = ""

    @property
    def end(self) -> str:
        """What became of it, in a word or two."""
        if self.problem:
            return "failed"
        if self.left is None:
            return "not begun"
        if self.stopped:
            return "stopped"
        return "restored" if self.inputs else "nothing new"

    def cells(self) -> list[str]:
        """The row as text, in the order of COLUMNS."""
        left = "?" if self.left is None else str(self.left)
        numbers = [self.inputs, self.tiles, self.suspect, self.failed, len(self.late)]
        return [self.collection, *map(str, numbers), left, f"{self.seconds:.0f}", self.end]


def row_of(collection: str, summary: Summary, problem: str = "") -> Row:
    """The row of a collection that was looked at to its end, good or bad."""
    restored = summary.restored
    return Row(
        collection=collection,
        inputs=summary.published,
        tiles=sum(restored.values()),
        suspect=restored.get("suspect", 0),
        failed=restored.get("failed", 0),
        late=summary.late,
        broken=summary.failed,
        left=summary.left,
        seconds=summary.seconds,
        device_seconds=summary.device_seconds,
        stopped=summary.stopped,
        problem=problem,
        out=summary.out,
        run=summary.run,
    )


def left_row(collection: str, stopped: str) -> Row:
    """The row of a collection that did not get its turn."""
    return Row(collection, left=None, stopped=stopped)


def failed_row(collection: str, error: Exception, seconds: float) -> Row:
    """The row of a collection whose run ended early."""
    return Row(collection, seconds=seconds, problem=" ".join(str(error).split()) or type(error).__name__)


@dataclass(frozen=True)
class Night:
    """All rows of a night, in the order of their turns. seconds: it took."""

    rows: tuple[Row, ...]
    seconds: float
    ended_at: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))

    @property
    def failed(self) -> tuple[str, ...]:
        """The collections that failed."""
        return tuple(row.collection for row in self.rows if row.problem)

    @property
    def stopped(self) -> str:
        """The limit that stopped the night; empty if all was done."""
        return next((row.stopped for row in reversed(self.rows) if row.stopped), "")

    def sentence(self) -> str:
        """The night in a line."""
        tiles, inputs = sum(row.tiles for row in self.rows), sum(row.inputs for row in self.rows)
        late = sum(len(row.late) for row in self.rows)
        what = "1 collection" if len(self.rows) == 1 else f"{len(self.rows)} collections"
        told = f"{what}: {inputs} inputs published, {tiles} tiles restored, {self.seconds:.0f} s."
        told += f" Late, and left for the next night: {late}." if late else ""
        told += f" The rest is left for the next night, for {STOPPED[self.stopped]}." if self.stopped else ""
        return told + (f" Failed: {', '.join(self.failed)}." if self.failed else "")

    def title(self) -> str:
        """What a person must know first."""
        if self.failed:
            return f"selfmend: {len(self.failed)} of {len(self.rows)} collections failed"
        return "selfmend: stopped in time, goes on next night" if self.stopped else "selfmend: all done"

    def text(self) -> str:
        """The night for a message: sentence, table, and what to look at."""
        return "\n".join([self.sentence(), "", *_aligned([row.cells() for row in self.rows]), *self._details()])

    def markdown(self) -> str:
        """The night for a page."""
        table = [COLUMNS, ["---"] * len(COLUMNS), *(row.cells() for row in self.rows)]
        lines = [f"| {' | '.join(cells)} |" for cells in table]
        return "\n".join([f"# {self.title()}", "", self.sentence(), "", *lines, *self._details()]) + "\n"

    def lines(self) -> list[str]:
        """The night for a terminal: the text without its first sentence."""
        return self.text().splitlines()[2:]

    def keep(self, out: Place) -> None:
        """Write it beside the collections, in place of the night before."""
        out.write(f"{LAST_NIGHT}.json", json.dumps(asdict(self), indent=1).encode())
        out.write(f"{LAST_NIGHT}.md", self.markdown().encode())

    def _details(self) -> list[str]:
        lines: list[str] = []
        for row in self.rows:
            lines += [f"* {row.collection} failed: {row.problem}"] if row.problem else []
            inputs = _listed("late", row.late) + _listed("failed", row.broken)
            lines += [f"* {row.collection}: {line}" for line in inputs]
            lines += [f"* {row.collection} folded: {row.folded}"] if row.folded else []
        reports = [f"* {row.collection}: {row.out}/report.html" for row in self.rows if row.out and row.inputs]
        return ([""] if lines or reports else []) + lines + reports


class BadNight(RuntimeError):  # noqa: N818 - what it is
    """A night is over, and collections failed. `night` tells which."""

    def __init__(self, night: Night) -> None:
        """Say which, and why the first of them."""
        first = next(row for row in night.rows if row.problem)
        super().__init__(f"{night.sentence()} First '{first.collection}': {first.problem}")
        self.night = night


def asked_for(collections: Sequence[str] | None, catalog: str | None) -> list[str]:
    """The collections of a night, each once, in their order.

    Raises:
        RequestError: one of them is not known, or there is none.
    """
    known = load_catalog(find_catalog(catalog))
    if collections is None:
        return list(known)
    if not collections:
        raise RequestError("A night of no collections restores nothing; name some, or leave them out to take all.")
    for name in collections:
        facts_of(name, known)
    return list(dict.fromkeys(collections))


def remaining(limits: Limits, rows: Sequence[Row], quiet: float) -> Limits | str:
    """What the next collection may take; or the limit by which the night is over.

    Args:
        limits: of the night, with the deadline as a moment.
        rows: of the collections that had their turn.
        quiet: seconds for which an input must not have been written to, where the limits do not say.
    """
    moment = limits.deadline()
    if moment is not None and moment - datetime.now(UTC) < TOO_SHORT:
        return "deadline"
    changes: dict[str, Any] = {"quiet": quiet if limits.quiet is None else limits.quiet}
    if limits.hours is not None:
        changes["hours"] = limits.hours - sum(row.device_seconds for row in rows) / 3600
    if limits.inputs is not None:
        changes["inputs"] = limits.inputs - sum(row.inputs + len(row.broken) for row in rows)
    over = next((name for name in ("hours", "inputs") if changes.get(name, 1) <= 0), None)
    stopped = next((row.stopped for row in rows if row.stopped in ("deadline", "hours")), None)
    return over or stopped or limits.model_copy(update=changes)


def _aligned(rows: list[list[str]]) -> list[str]:
    table = [list(COLUMNS), *rows]
    widths = [max(len(cells[column]) for cells in table) for column in range(len(COLUMNS))]
    signs = ["<", *">" * (len(COLUMNS) - 2), "<"]
    lines = [zip(cells, signs, widths, strict=True) for cells in table]
    return ["  ".join(f"{cell:{sign}{width}}" for cell, sign, width in line).rstrip() for line in lines]


def _listed(word: str, reasons: dict[str, str]) -> list[str]:
    lines = [f"'{name}' {word}: {reason}" for name, reason in list(reasons.items())[:LISTED]]
    return lines + ([f"... and {len(reasons) - LISTED} more {word}"] if len(reasons) > LISTED else [])
