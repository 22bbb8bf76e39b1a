"""One run of a plan: what all its task runs share."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from tasks import ledger
from tasks.adapted import FOLDER as ADAPTED
from tasks.lot_job import LotJob
from tasks.lots import inputs_of
from tasks.plan import InputPlan, Lot, Plan
from tasks.requests import Request
from tasks.stores.leases import Lease
from tasks.stores.place import Place
from tasks.tally import Tally
from tasks.workers import Crew


@dataclass(frozen=True)
class Run:
    """A plan under way. tally: how far it is, counted by the task runs that share it. lease: of an object store."""

    id: str
    request: Request
    plan: Plan
    crew: Crew
    tally: Tally = field(default_factory=Tally, compare=False)
    lease: Lease | None = None

    @property
    def work(self) -> Place:
        """The work area."""
        return self.request.work

    def entry(self, name: str) -> InputPlan:
        """An input of the plan."""
        return self.plan.input(name)

    def count_from(self, left: int, done: int) -> None:
        """Let the tally begin with what earlier runs of this plan left.

        Args:
            left: inputs to do. done: inputs that are published.
        """
        before, plan = ledger.done_lots(self.work), self.plan
        known = [lot for lot in plan.lots if lot.id in before]
        self.tally.tiles, self.tally.lots = sum(lot.tiles for lot in plan.lots), len(plan.lots)
        self.tally.inputs, self.tally.inputs_before = left, done
        self.tally.failed = len(plan.rejected)
        self.tally.begin(verdict_counts(self.work, known), len(known))

    def lots_of(self, inputs: set[str]) -> list[Lot]:
        """The lots, done or not, that hold a part of these inputs, with those that share a lot with them."""
        return [lot for lot in self.plan.lots if inputs & set(inputs_of([lot]))]

    def job(self, lot: Lot) -> LotJob:
        """What a worker needs for a lot."""
        return LotJob(
            work=self.work,
            run=self.id,
            collection=self.plan.collection,
            facts=self.request.facts,
            recipe=self.request.recipe,
            lot=lot,
            entries=tuple(self.plan.input(name) for name in inputs_of([lot])),
            device=self.crew.device,
            threads=self.plan.threads,
            start=self.plan.start,
            lease=self.lease,
            adapted=self.request.out / ADAPTED,
        )


@dataclass
class Outcome:
    """What became of a run's lots.

    published: names of inputs. failed: inputs that could not be restored or published, and why. late: inputs that went
    away or changed meanwhile, and what happened. before: lots that
    earlier runs had done. stopped: why some were not begun, as Summary has it. device_seconds: where they are counted.
    """

    published: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    late: dict[str, str] = field(default_factory=dict)
    before: set[str] = field(default_factory=set)
    stopped: str = ""
    device_seconds: float = 0.0


class LotsFailed(RuntimeError):  # noqa: N818 - what happened
    """Lots of a handful could not be restored. reasons: by input. lasting: trying again would not help."""

    def __init__(self, reasons: dict[str, str], lasting: bool) -> None:
        """Say which inputs."""
        super().__init__("; ".join(f"'{name}': {reason}" for name, reason in reasons.items()))
        self.reasons = reasons
        self.lasting = lasting


def verdict_counts(work: Place, lots: Iterable[Lot]) -> Counter[str]:
    """How many tiles of the lots that are done have which verdict."""
    counts: Counter[str] = Counter()
    for lot in lots:
        if ledger.is_done(work, lot.id):
            rows = ledger.record(work, lot.id).rows
            counts.update(
                rows.filter(pc.is_in(rows.column("input"), pa.array(inputs_of([lot])))).column("verdict").to_pylist()
            )
    return counts
