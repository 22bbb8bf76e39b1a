"""How often tiles did without the learned start that they were given: a sign that it does not suit the collection."""

from collections.abc import Iterable
from dataclasses import dataclass

from tasks import ledger
from tasks.plan import Lot
from tasks.stores.place import Place

GIVEN_UP = 0.1  # a smaller share of the method in the result is the control's result
FEWEST = 30  # tiles from which a rate is told
ALARMING = 0.5  # of them


@dataclass(frozen=True)
class Fallbacks:
    """tiles: that were given a learned start and have a control beside it. given_up: of these, left to the control."""

    start: str
    tiles: int
    given_up: int

    @property
    def notice(self) -> str:
        """A sentence for whoever looks after the starts; empty while nothing is wrong."""
        if self.tiles < FEWEST or self.given_up <= ALARMING * self.tiles:
            return ""
        id_ = self.start.rpartition(":")[2]
        return (
            f"{self.given_up} of {self.tiles} tiles were left to the control, so the start {self.start} does not suit "
            f"this collection: learn one from it (selfmend learn), or take it out of use (selfmend starts quarantine "
            f"{id_})."
        )


def fallbacks(work: Place, lots: Iterable[Lot], start: str) -> Fallbacks:
    """Of the lots that are done. start: name and id of the learned start."""
    shares = [
        share
        for lot in lots
        if ledger.is_done(work, lot.id)
        for rung, share in zip(
            *(ledger.record(work, lot.id).rows.column(name).to_pylist() for name in ("rung", "share")), strict=True
        )
        if rung is not None and share is not None
    ]
    return Fallbacks(start, len(shares), sum(share < GIVEN_UP for share in shares))
