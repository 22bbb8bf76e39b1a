"""What does everything cost that is not fitting? The identity method over many tiles, on a local cluster.

    python -m benchmarks.overhead [--tiles 100000] [--images 10000] [--databases sqlite postgresql+asyncpg://user@host/name]

Seconds and milliseconds per tile, processor time of flow, workers and server together, peak memory of the flow's
process, task runs started and task runs that the server recorded (they must be equal), by how much its database grew,
and how often its log speaks of a lock or of dropped events. Each row has a process, a Prefect server and, with SQLite,
a database of its own.
"""

import argparse
import asyncio
import os
import re
import resource
import socket
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from benchmarks.peak import peak_megabytes
from benchmarks.table import write_table

SIDE = 64  # px of a tile
TROUBLE = re.compile(r"database is locked|deadlock|QueuePool|queue is full|dropp", re.IGNORECASE)
DATABASE = "PREFECT_API_DATABASE_CONNECTION_URL"
HEADS = ["database", "input", "tiles", "lots", "seconds", "ms per tile", "CPU ms per tile", "peak MB of the flow"]
HEADS += ["task runs", "recorded", "database grew by MB", "lock errors or drops"]
_started: Counter[str] = Counter()


def main() -> None:
    """Measure one scene, and as many tiles in small images, on each database."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tiles", type=int, default=100_000, help="of the scene")
    parser.add_argument("--images", type=int, default=10_000, help="tiles in small images")
    parser.add_argument("--databases", nargs="+", default=["sqlite"], help="sqlite, or URLs that Prefect may fill")
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args()
    inputs = [("one scene", scene, given.tiles), ("small images, 4 tiles each", images, given.images)]
    rows = [
        _apart(what, make, 1000 if given.quick else tiles, database)
        for database in given.databases
        for what, make, tiles in inputs
    ]
    text = "identity, tiles of 64 x 64 uint16, local cluster of two processes, a Prefect server on this machine"
    write_table("" if given.quick else "overhead", "Overhead of everything that is not fitting", [(text, HEADS, rows)])


def scene(folder: Path, tiles: int) -> Path:
    """One image of so many tiles."""
    side = SIDE * max(1, round(tiles**0.5))
    random = np.random.default_rng(0)
    tifffile.imwrite(folder / "scene.tif", random.integers(0, 4000, (side, side), np.uint16), tile=(256, 256))
    return folder / "scene.tif"


def images(folder: Path, tiles: int) -> Path:
    """As many tiles in images of four."""
    (folder / "in").mkdir()
    random = np.random.default_rng(0)
    for number in range(tiles // 4):
        tifffile.imwrite(folder / "in" / f"{number:06d}.tif", random.integers(0, 4000, (2 * SIDE, 2 * SIDE), np.uint16))
    return folder / "in"


def _apart(what: str, make: Callable[[Path, int], Path], tiles: int, database: str) -> list[object]:
    """A row, from a process of its own: the memory of this one, which makes the input, shall not count."""
    with tempfile.TemporaryDirectory() as folder, ProcessPoolExecutor(1, get_context("spawn")) as process:
        source = make(Path(folder), tiles)
        row = [database.split("+")[0].split(":")[0], what, *process.submit(_measured, source, database).result()]
        print(*row, flush=True)
        return row


def _measured(source: Path, database: str) -> list[object]:
    with tempfile.TemporaryDirectory() as folder, _server(Path(folder), database) as log:
        from flows.restore import restore
        from tasks.recipe import load_recipe

        _count_submissions()
        recipe = load_recipe("identity", {"tiling.tile": SIDE, "tiling.shard": 1024})
        before, began = _bytes(Path(folder), database), time.monotonic()
        state = restore(str(source), recipe, out=f"{folder}/out", return_state=True)
        seconds = time.monotonic() - began
        summary = state.result()
        recorded = asyncio.run(_recorded(state.state_details.flow_run_id))
        grown = (_bytes(Path(folder), database) - before) / 1e6
        lots = _lots(Path(folder))
        trouble = len(TROUBLE.findall(log.read_text(errors="replace")))
    own, others = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    spent = sum(each.ru_utime + each.ru_stime for each in (own, others))
    costs = [seconds, 1000 * seconds / summary.tiles, 1000 * spent / summary.tiles, peak_megabytes()]
    return [summary.tiles, lots, *costs, _started.total(), recorded, grown, trouble]


@contextmanager
def _server(folder: Path, database: str) -> Iterator[Path]:
    """A Prefect server on a database, to which this process reports; gives its log. Before Prefect is imported."""
    from flows.environment import settle
    from flows.own_server import api_url, own_server

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = database if database != "sqlite" else f"sqlite+aiosqlite:///{folder / 'prefect.db'}"
    os.environ |= {"PREFECT_HOME": str(folder), "PREFECT_API_URL": api_url("127.0.0.1", port), DATABASE: url}
    settle(quiet=True)
    with own_server("127.0.0.1", port, folder / "server.log"):
        yield folder / "server.log"


def _bytes(folder: Path, database: str) -> int:
    """Size of the server's database."""
    if database == "sqlite":
        return sum(file.stat().st_size for file in folder.glob("prefect.db*"))
    import asyncpg

    async def asked() -> int:
        connection = await asyncpg.connect(database.replace("+asyncpg", ""))
        try:
            return int(await connection.fetchval("select pg_database_size(current_database())"))
        finally:
            await connection.close()

    return asyncio.run(asked())


def _lots(folder: Path) -> int:
    import pyarrow.parquet as pq

    files = folder.glob("out/*/convergence/*.parquet")
    return len({lot for file in files for lot in pq.read_table(file, columns=["lot"]).column("lot").to_pylist()})


def _count_submissions() -> None:
    """Count what the flow hands to Prefect; the survey is one more."""
    from tasks import doors

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


if __name__ == "__main__":
    main()
