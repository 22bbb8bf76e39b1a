"""What a run came to: kept beside the images, and told again by the report and `selfmend status`."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Protocol

from tasks.amounts import amount
from tasks.errors import RequestError
from tasks.stores.place import Place

LAST_RUN = "last_run.json"
NAMED = 10  # bad tiles in what a failed run says; its report has them all
STOPPED = {
    "deadline": "the deadline had come",
    "hours": "the device hours were used up",
    "inputs": "no more inputs were allowed",
}


class Told(Protocol):
    """What a run, or a night of runs, came to. stopped: by which limit, as STOPPED names them; empty by none."""

    @property
    def stopped(self) -> str:
        """The limit."""

    def sentence(self) -> str:
        """All of it in a line."""


@dataclass(frozen=True)
class Summary:
    """What a run came to. Kept as last_run.json, from which the report and `selfmend status` tell it again.

    failed: inputs that could not be restored, with the reason. done_before: inputs that earlier runs had published.
    start: how the learned start does in this collection, as known after this run; empty without one.
    notice: what else somebody should know; empty if there is nothing. restored: of verdicts, what this run restored.
    late: inputs that could not be taken up yet, with the reason. left: inputs for which there was no time or budget any
    more, as stopped says: deadline, hours or inputs. device_seconds: of this run, where something limited it.
    """

    collection: str
    out: str
    run: str
    method: str
    recipe: dict[str, Any]
    workers: int
    device: str
    published: int
    done_before: int
    tiles: int
    verdicts: dict[str, int]
    seconds: float
    allowed_bad: float
    finished_at: str
    failed: dict[str, str] = field(default_factory=dict)
    notice: str = ""
    restored: dict[str, int] = field(default_factory=dict)
    late: dict[str, str] = field(default_factory=dict)
    left: int = 0
    stopped: str = ""
    device_seconds: float = 0.0
    start: str = ""

    @property
    def bad_share(self) -> float:
        """Suspect and failed tiles as a share of those that were restored; empty ones do not count."""
        judged = sum(count for name, count in self.verdicts.items() if name != "empty")
        return (self.verdicts.get("suspect", 0) + self.verdicts.get("failed", 0)) / judged if judged else 0.0

    @property
    def is_good(self) -> bool:
        """No input failed, and no more tiles are bad than the recipe allows."""
        return not self.failed and self.bad_share <= self.allowed_bad

    def sentence(self) -> str:
        """The run in a line."""
        counts = ", ".join(f"{count} {name}" for name, count in sorted(self.verdicts.items()))
        before = f", {self.done_before} had been done before" if self.done_before else ""
        failed = f"; {len(self.failed)} failed" if self.failed else ""
        tiles = f": {amount(self.tiles, 'tile')} ({counts})" if self.tiles else ""
        published = amount(self.published, "input")
        told = f"{self.collection}: {published} published{before}{failed}{tiles} in {self.seconds:.0f} s."
        late = f" Late, and left for the next run: {len(self.late)}." if self.late else ""
        stopped = f" Left for the next run, for {STOPPED[self.stopped]}: {self.left}." if self.stopped else ""
        return f"{told}{late}{stopped}"

    def to_json(self) -> bytes:
        """As it is kept."""
        return json.dumps(asdict(self), indent=1).encode()


class BadRun(RuntimeError):  # noqa: N818 - what it is called everywhere
    """A run finished, but inputs failed or more tiles are bad than the recipe allows. `summary` tells which."""

    def __init__(self, summary: Summary, worst: Sequence[Mapping[str, Any]] = ()) -> None:
        """Say what is wrong.

        Args:
            worst: tiles to look at first: input, tile, verdict and reason of each.
        """
        first = next(iter(summary.failed.items()), None)
        failed = f" {amount(len(summary.failed), 'input')} failed, first '{first[0]}': {first[1]}" if first else ""
        share = f" {summary.bad_share:.1%} of the tiles are suspect or failed, allowed are {summary.allowed_bad:.1%}."
        tiles = [f"tile {each['tile']} of '{each['input']}' ({each['verdict']}: {each['reason']})" for each in worst]
        shown = f" Look first at {'; '.join(tiles[:NAMED])}." if tiles else ""
        told = share + shown if summary.bad_share > summary.allowed_bad else ""
        super().__init__(f"{summary.sentence()}{told}{failed} See {summary.out}/report.html.")
        self.summary = summary


def read_summary(out: Place) -> Summary | None:
    """The last run of a collection, or None where none has finished.

    Args:
        out: folder of the collection.

    Raises:
        RequestError: what lies there is not the summary of a run.
    """
    try:
        kept = json.loads(out.read(LAST_RUN))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except ValueError:
        kept = None
    known = {each.name for each in fields(Summary)}
    try:
        return Summary(**{name: value for name, value in kept.items() if name in known})
    except (AttributeError, TypeError) as error:
        raise RequestError(
            f"'{out.uri}/{LAST_RUN}' is not the summary of a run; restore the collection again, and it is replaced."
        ) from error


def require_summary(out: Place) -> Summary:
    """The last run of a collection.

    Args:
        out: folder of the collection.

    Raises:
        RequestError: none has finished there.
    """
    summary = read_summary(out)
    if summary is None:
        raise RequestError(f"'{out.uri}' holds no finished run; give OUT/<collection>, as `selfmend restore` named it.")
    return summary
