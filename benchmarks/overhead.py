"""What does everything cost that is not fitting? The identity method over many tiles, on a local cluster, SQLite.

    python -m benchmarks.overhead [--tiles 10000]

Seconds and milliseconds per tile, peak memory of the flow's process, task runs started and task runs that the server
recorded (they must be equal), with Prefect's default database.
"""

import argparse
import asyncio
import resource
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import tifffile

from benchmarks.table import write_table
from flows.environment import settle

SIDE = 64  # px of a tile
_started: Counter[str] = Counter()


def main() -> None:
    """Measure one scene, and as many tiles in small images."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tiles", type=int, default=10_000)
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args()
    tiles = 1000 if given.quick else given.tiles
    settle(quiet=True)
    rows = [_measured("one scene", _scene, tiles), _measured("small images, 4 tiles each", _images, tiles)]
    heads = ["input", "tiles", "lots", "seconds", "ms per tile", "peak MB of the flow", "task runs", "recorded"]
    text = "identity, tiles of 64 x 64 uint16, local cluster of two processes, Prefect's embedded server on SQLite"
    write_table("" if given.quick else "overhead", "Overhead of everything that is not fitting", [(text, heads, rows)])


def _measured(what: str, make: Callable[[Path, int], Path], tiles: int) -> list[object]:
    from flows.restore import restore
    from tasks.recipe import load_recipe

    _count_submissions()
    recipe = load_recipe("identity", {"tiling.tile": SIDE, "tiling.shard": 1024})
    with tempfile.TemporaryDirectory() as folder:
        source = make(Path(folder), tiles)
        began = time.monotonic()
        state = restore(str(source), recipe, out=f"{folder}/out", return_state=True)
        seconds = time.monotonic() - began
        summary = state.result()
        recorded = asyncio.run(_recorded(state.state_details.flow_run_id))
        lots = pd.concat(pd.read_parquet(f) for f in Path(folder).glob("out/*/convergence/*.parquet"))["lot"].nunique()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return [what, summary.tiles, lots, seconds, 1000 * seconds / summary.tiles, peak, _started.total(), recorded]


def _count_submissions() -> None:
    """Count what the flow hands to Prefect; the survey is one more."""
    from tasks import doors

    _started.clear()
    _started["survey"] = 1
    for door in (doors.restore_lots, doors.publish_inputs):
        submit = type(door).submit.__get__(door)

        def counted(*given: Any, _submit: Callable[..., Any] = submit, _name: str = door.name, **more: Any) -> Any:
            _started[_name] += 1
            return _submit(*given, **more)

        door.submit = counted  # type: ignore[method-assign]


async def _recorded(run: Any) -> int:
    """Task runs that can be read back from the server, once it has written them all."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId

    wanted, found = FlowRunFilter(id=FlowRunFilterId(any_=[run])), set[str]()
    async with get_client() as client:
        for _ in range(30):
            await asyncio.sleep(1)
            before = len(found)
            for offset in range(0, 1000, 200):
                page = await client.read_task_runs(flow_run_filter=wanted, limit=200, offset=offset)
                found |= {str(each.id) for each in page if each.state is not None and each.state.is_final()}
            if found and len(found) == before:
                break
    return len(found)


def _scene(folder: Path, tiles: int) -> Path:
    side = SIDE * max(1, round(tiles**0.5))
    random = np.random.default_rng(0)
    tifffile.imwrite(folder / "scene.tif", random.integers(0, 4000, (side, side), np.uint16), tile=(256, 256))
    return folder / "scene.tif"


def _images(folder: Path, tiles: int) -> Path:
    (folder / "in").mkdir()
    random = np.random.default_rng(0)
    for number in range(tiles // 4):
        tifffile.imwrite(folder / "in" / f"{number:06d}.tif", random.integers(0, 4000, (2 * SIDE, 2 * SIDE), np.uint16))
    return folder / "in"


if __name__ == "__main__":
    main()
