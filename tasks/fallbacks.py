"""How often tiles did without the learned start that they were given: a sign that it does not suit the collection."""

from collections.abc import Iterable
from dataclasses import dataclass

from tasks import ledger
from tasks.plan import Lot
from tasks.refereed import SCRATCH
from tasks.stores.place import Place

GIVEN_UP = 0.1  # a smaller share of the method in the result is the control's result
FEWEST = 30  # tiles from which a rate is told
ALARMING = 0.5  # of them


@dataclass(frozen=True)
class Fallbacks:
    """tiles: that were given a learned start and have a control beside it. given_up: of these, left to the control, or
    fitted from scratch.

    inputs: of these tiles.
    """

    start: str
    tiles: int
    given_up: int
    inputs: int = 1

    @property
    def notice(self) -> str:
        """A sentence for whoever looks after the starts; empty while nothing is wrong."""
        if self.tiles < FEWEST or self.given_up <= ALARMING * self.tiles:
            return ""
        id_ = self.start.rpartition(":")[2]
        return (
            f"{self.given_up} of {self.tiles} tiles were left to the control or fitted from scratch, so the start "
            f"{self.start} does not suit this collection: learn one from it (selfmend learn), or take it out of use "
            f"(selfmend starts quarantine {id_})."
        )


def fallbacks(work: Place, lots: Iterable[Lot], start: str) -> Fallbacks:
    """Of the lots that are done. start: name and id of the learned start."""
    found: list[tuple[str, str | None, float | None]] = []
    for lot in lots:
        if ledger.is_done(work, lot.id):
            rows = ledger.record(work, lot.id).rows
            found += zip(*(rows.column(name).to_pylist() for name in ("input", "rung", "share")), strict=True)
    given = [(name, rung, share) for name, rung, share in found if rung is not None and share is not None]
    given_up = sum(share < GIVEN_UP or rung == SCRATCH for _, rung, share in given)
    return Fallbacks(start, len(given), given_up, len({name for name, *_ in given}))
