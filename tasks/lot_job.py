"""What a worker is sent to restore a lot, or to fit a network that several lots go on from."""

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tasks.catalog.facts import Facts
from tasks.plan import InputPlan, Lot
from tasks.readers import open_input
from tasks.recipe import Recipe
from tasks.registry.pinned import pinned_start
from tasks.stores.leases import Lease
from tasks.stores.place import Place
from tasks.treatment import Treatment, treatment_of

if TYPE_CHECKING:
    import xarray as xr

COMPUTING = threading.Lock()  # a worker holds two lots: one computes while the other reads or writes


@dataclass(frozen=True)
class LotJob:
    """All that a worker needs to restore a lot; small enough to be sent."""

    work: Place
    run: str
    collection: str
    facts: Facts
    recipe: Recipe
    lot: Lot
    entries: tuple[InputPlan, ...]  # the inputs of the lot
    device: str = "cpu"
    threads: int = 1
    start: str | None = None  # id of the learned start, whose files lie in the work area
    lease: Lease | None = None  # by which the run may write, on an object store
    adapted: Place | None = None  # where adaptations are kept from run to run

    @property
    def treatment(self) -> Treatment:
        """What is done to each tile of the lot.

        Raises:
            InputError: the work area does not hold the learned start.
        """
        start = pinned_start(self.work, self.start) if self.start else None
        return treatment_of(self.recipe, self.facts, self.lot.batch, self.device, start)

    def opened(self, entry: InputPlan) -> "xr.DataArray":
        """An input with its mask and its guide, lazily.

        Raises:
            InputError: one of them cannot be read, or they do not lie upon each other.
        """
        return open_input(entry.uri, self.facts, entry.mask, entry.guide_uri)
