"""One run of a plan: what all its task runs share."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from tasks import ledger
from tasks.lots import inputs_of
from tasks.plan import InputPlan, Lot, Plan
from tasks.requests import Request
from tasks.restore_lot import LotJob
from tasks.stores.place import Place
from tasks.workers import Crew


@dataclass(frozen=True)
class Run:
    """A plan under way."""

    id: str
    request: Request
    plan: Plan
    crew: Crew

    @property
    def work(self) -> Place:
        """The work area."""
        return self.request.work

    def entry(self, name: str) -> InputPlan:
        """An input of the plan."""
        return self.plan.input(name)

    @property
    def done_tiles(self) -> int:
        """Tiles of the lots that are done."""
        done = ledger.done_lots(self.work)
        return sum(lot.tiles for lot in self.plan.lots if lot.id in done)

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
        )


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
            counts.update(ledger.record(work, lot.id).rows.column("verdict").to_pylist())
    return counts
