"""A lot -> restored shards and the record of its tiles, committed. The one room that every pixel passes."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from tasks import ledger
from tasks.audit import audit, audited_tile, is_chosen, keep_audit
from tasks.blend import blend, seams
from tasks.catalog.facts import Facts
from tasks.errors import InputError
from tasks.lot_done import LotDone, heard, lot_done
from tasks.lot_job import COMPUTING, LotJob
from tasks.lot_starts import starts_of
from tasks.measured import Pixels, read_box
from tasks.plan import InputPlan
from tasks.readers import open_input
from tasks.restoration import Restored, restore_tiles
from tasks.starts import Start
from tasks.stores.shards import create_work, sync_shards, work_array, write_shard
from tasks.tiles import Tile, place_of, read_tiles
from tasks.tiling import AXES
from tasks.treatment import Treatment
from tasks.verdicts import verdict

if TYPE_CHECKING:
    import xarray as xr

Restoring = Callable[[list[Tile], dict[str, Start], Treatment, dict[int, Pixels]], list[Restored]]


def restore_lot(job: LotJob, restore: Restoring = restore_tiles) -> LotDone:
    """Restore a lot and commit it. A lot that is done already is left alone.

    Args:
        job: the lot.
        restore: how its tiles are restored, in the words of restore_tiles.

    Raises:
        InputError: an input of the lot cannot be read.
        OSError: the work area cannot be written.
        Overtaken: another run has taken the place of this one.
    """
    began, was_done = time.monotonic(), ledger.is_done(job.work, job.lot.id)
    with heard() as said:
        _restore(job, restore)
    rows = ledger.record(job.work, job.lot.id).rows
    return lot_done(job.lot.id, rows, 0.0 if was_done else time.monotonic() - began, said)


def _restore(job: LotJob, restore: Restoring) -> None:
    if not ledger.is_done(job.work, job.lot.id):
        _require(job)
        attempt = ledger.begin(job.work, job.lot.id)
        arrays = {entry.name: job.opened(entry) for entry in job.entries}
        tiles = list(_tiles(job, arrays))
        references = dict(_references(job, tiles))
        with COMPUTING:
            torch.set_num_threads(job.threads)
            treatment = job.treatment
            starts = dict(starts_of(job, arrays, tiles, treatment))
            restored = restore(tiles, starts, treatment, references)
            _audit(job, tiles, starts, treatment)
        _commit(job, restored, attempt)


def _tiles(job: LotJob, arrays: dict[str, "xr.DataArray"]) -> Iterator[Tile]:
    entries = {entry.name: entry for entry in job.entries}
    for part in job.lot.parts:
        for shard in range(part.first, part.stop):
            entry = entries[part.input]
            numbers = entry.grid.tiles_of(shard)
            yield from read_tiles(entry, arrays[entry.name], numbers, job.recipe.seed, job.collection)


def _twin(job: LotJob, entry: InputPlan) -> "xr.DataArray | None":
    """The clean twin of an input's image; it has facts of its own, and only its axes must be the same.

    One of the measurement's size is true, but says nothing of an image that has more pixels: None.
    """
    assert entry.reference is not None
    array = open_input(entry.reference, Facts(title="reference", source=entry.reference, axes=job.facts.axes))
    shape = tuple(array.sizes.get(axis, 1) for axis in AXES)
    if shape == entry.image_grid.shape:
        return array
    if shape == entry.grid.shape:
        return None
    raise InputError(
        f"The image of '{entry.name}' is {entry.image_grid.shape} over t, c, z, y, x, and its reference "
        f"'{entry.reference}' is {shape}; give a twin of the same size, or leave the reference out."
    )


def _references(job: LotJob, tiles: list[Tile]) -> Iterator[tuple[int, Pixels]]:
    """The clean windows of the tiles whose input has a twin."""
    twins = {e.name: _twin(job, e) for e in job.entries if e.reference is not None}
    for place, tile in enumerate(tiles):
        if (twin := twins.get(tile.entry.name)) is not None:
            values = read_box(twin, tile.entry.image_grid.tile_window(tile.number))
            yield place, values[0, :, 0].astype(np.float32)


def _audit(job: LotJob, tiles: list[Tile], starts: dict[str, Start], treatment: Treatment) -> None:
    """Hold the start of inputs that are to be audited against what can be had without it. Changes no pixel."""
    for tile in tiles if treatment.start is not None else ():
        if not is_chosen(job.recipe, job.collection, tile.entry) or tile.is_empty:
            continue
        if tile.number == audited_tile(job.recipe, job.collection, tile.entry):
            found = audit(tile, starts, treatment)
            if found is not None:
                keep_audit(job.work, tile.entry, found)


def _commit(job: LotJob, restored: list[Restored], attempt: int) -> None:
    """Shards first, and all of them durable; the record last."""
    method = job.recipe.restoration()
    told = {
        "run": job.run,
        "collection": job.collection,
        "lot": job.lot.id,
        "method": method.name,
        "recipe": job.recipe.digest(job.start),
        "device": job.device,
        "attempts": attempt,
        "finished_at": datetime.now(UTC),
    }
    rows: list[dict[str, Any]] = []
    checksums: ledger.Checksums = {}
    _require(job)
    for (name, shard), group in groupby(restored, key=lambda each: (each.tile.entry.name, each.tile.shard)):
        tiles = list(group)
        grid = tiles[0].tile.entry.image_grid
        estimates = [(each.tile.number, each.pixels.reshape(grid.window_shape)) for each in tiles]
        place = work_array(job.work, name)
        create_work(place, grid)
        checksums.setdefault(name, {})[shard] = write_shard(place, grid, shard, blend(grid, shard, estimates))
        torn = seams(grid, shard, estimates)
        rows += [told | _row(each, torn[each.tile.number]) for each in tiles]
    for row in rows:
        row["verdict"], row["verdict_reason"] = verdict(row, method)
    sync_shards(job.work, ((name, shard) for name, shards in checksums.items() for shard in shards))
    _require(job)
    ledger.commit(job.work, job.lot, rows, checksums)


def _require(job: LotJob) -> None:
    """Go on only while the run is not overtaken by another one, and its work area is there."""
    if job.lease:
        job.lease.require()
    ledger.require_area(job.work, job.lot.id)


def _row(restored: Restored, seam: float | None) -> dict[str, Any]:
    """What the convergence table says of this tile alone."""
    tile, sigma = restored.tile, restored.row.get("noise_sigma") or 0.0
    return {
        "input": tile.entry.name,
        "key": tile.entry.key,
        "tile": tile.number,
        **place_of(tile.entry.grid, tile.number),
        "shard": tile.shard,
        "seed": tile.window.seed,
        **restored.row,
        "seam": None if seam is None or sigma <= 0 else seam / sigma,
    }
