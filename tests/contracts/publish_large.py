"""Publishes a plane of any height in a process of its own, to see how much memory that takes."""

import resource

import dask.array
import numpy as np
import xarray as xr
from contracts.publishing import planned

from tasks.publish import PublishJob, publish_input
from tasks.stores.place import Place
from tasks.stores.shards import create_work, work_array, write_shard
from tasks.tiling import TileGrid


def peak(folder: str, rows: int) -> int:
    """Peak bytes of this process after it stored and published a plane of so many rows and 2048 columns."""
    grid = TileGrid(
        (1, 1, 1, rows, 2048), (1, 1, 1, 256, 256), (0, 0, 0, 16, 16), (0, 0, 0, 16, 16), (1, 1, 1, 1024, 2048)
    )
    opened = xr.DataArray(dask.array.zeros((rows, 2048), dtype="uint16"), dims=("y", "x"), attrs={"layout": "ngff"})
    top = Place(folder)
    place = work_array(top / "work", "a")
    create_work(place, grid)
    sums = {
        shard: write_shard(place, grid, shard, np.full(grid.shard_box(shard).shape, shard + 1, np.float32))
        for shard in range(grid.shards)
    }
    verdicts = np.ones(grid.tiles, np.uint8)
    job = PublishJob(
        planned(opened, grid), top / "out", top / "work", opened, _unread, sums, verdicts, "same", 256, True, {}
    )
    publish_input(job)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _unread(_: object) -> np.ndarray:
    raise AssertionError("nothing was missing")
