"""The networks that a lot's tiles begin from: of each input, or of the whole collection; kept, known, or fitted now."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch

from tasks.adapted import adaptation_of
from tasks.collection_start import collection_start, collection_windows
from tasks.errors import InputError
from tasks.lot_job import COMPUTING, LotJob
from tasks.plan import InputPlan
from tasks.starts import (
    COLLECTION,
    Start,
    for_channels,
    input_start,
    keep_start,
    kept_start,
    known_start,
    mosaics,
    remember_start,
)
from tasks.tiles import Tile
from tasks.treatment import Treatment

if TYPE_CHECKING:
    import xarray as xr


def learn_start(job: LotJob, name: str | None) -> None:
    """Fit a network that several lots go on from, and keep it; if it is kept already, do nothing.

    Args:
        job: of any lot.
        name: whose network: that of an input of the job; None: that of the collection, from all of the job's inputs.
    """
    treatment = job.treatment
    entries = [each for each in job.entries if name in (None, each.name)]
    key = COLLECTION if name is None else entries[0].key
    if not treatment.input_methods or kept_start(job.work, key, treatment) is not None:
        return
    with COMPUTING:
        torch.set_num_threads(job.threads)
        if name is None:
            start = _of_collection(job, treatment)
        else:
            start = _of_input(job, entries[0], job.opened(entries[0]), treatment)
    keep_start(job.work, key, start, treatment)


def starts_of(
    job: LotJob, arrays: dict[str, "xr.DataArray"], tiles: list[Tile], treatment: Treatment
) -> Iterator[tuple[str, Start]]:
    """The networks of the lot's inputs that hold something, fitted now where that was not done before.

    Raises:
        InputError: they go on from the collection's network, and the work area does not hold it.
    """
    if not treatment.input_methods:
        return
    wanted = {tile.entry.name for tile in tiles if not tile.is_empty}
    for entry in (each for each in job.entries if each.name in wanted):
        if job.recipe.scope == "collection":
            yield entry.name, for_channels(_shared(job, treatment), entry)
            continue
        start = kept_start(job.work, entry.key, treatment)
        if start is None:
            start = _of_input(job, entry, arrays[entry.name], treatment)
            if entry.grid.shards > 1:
                keep_start(job.work, entry.key, start, treatment)
        yield entry.name, start


def _shared(job: LotJob, treatment: Treatment) -> Start:
    start = kept_start(job.work, COLLECTION, treatment)
    if start is None:
        raise InputError(
            f"The work area '{job.work.uri}' does not hold the network of '{job.collection}', from which its lots go "
            "on; start the same command again, which fits it first."
        )
    return start


def _of_input(job: LotJob, entry: InputPlan, array: "xr.DataArray", treatment: Treatment) -> Start:
    """The network of an input: adapted alike by an earlier run, or now."""
    told = adaptation_of(entry, job.facts, treatment, job.recipe.seed, job.threads) if job.adapted else None
    if job.adapted is None or told is None:
        return input_start(mosaics(entry, array, job.recipe.seed, job.collection), treatment)
    start = known_start(job.adapted, told, treatment)
    if start is None:
        start = input_start(mosaics(entry, array, job.recipe.seed, job.collection), treatment)
        remember_start(job.adapted, told, start, treatment)
    return start


def _of_collection(job: LotJob, treatment: Treatment) -> Start:
    """The network of the collection: that of an earlier run, whichever inputs it saw, or a new one.

    An input that went away meanwhile speaks for nobody; its own lot says so.
    """
    told = adaptation_of(None, job.facts, treatment, job.recipe.seed, job.threads)
    start = known_start(job.adapted, told, treatment) if job.adapted and told else None
    if start is None:
        opened = [(entry, array) for entry in job.entries if (array := _if_there(job, entry)) is not None]
        start = collection_start(*collection_windows(opened, job.recipe.seed, job.collection), treatment)
        if job.adapted and told:
            remember_start(job.adapted, told, start, treatment)
    return start


def _if_there(job: LotJob, entry: InputPlan) -> "xr.DataArray | None":
    try:
        return job.opened(entry)
    except InputError:
        return None
