"""What do more workers bring? Measured with one and two here, and simulated with 64 GPUs from measured parts.

    python -m benchmarks.cluster [--quick]

Weak scaling: twice the workers get twice the lots, so the time should stay the same. The device is a stand-in that
takes a given time per tile and leaves the CPU alone, as a GPU does (what cores bring: batch.md). Parts are CPU seconds,
for a machine that others use as well.
"""

import argparse
import os
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from benchmarks.fleet import Night, Parts, simulated
from benchmarks.overlap import run_of, scene
from benchmarks.table import write_table
from benchmarks.timed_lots import Timed, no_lot, timed_lot
from tasks import handful
from tasks.completion import complete_input, completion_job, keep_rows
from tasks.restore_lot import restore_lot
from tasks.run import Run
from tasks.workers import hired

SIDE, QUICK_SIDE = 4096, 2048  # px of a scene for each worker
TILE_SECONDS = 0.1  # of the stand-in
COUNTS = (1, 2, 4, 8, 16, 32, 64, 128)
GPU_TILE, SPREAD = 0.3, 0.4  # assumed: seconds of a tile on a GPU in its batch, and how unequal lots are
STORAGE = 1e9  # bytes per second that all workers share; assumed
TILES = 64  # of a lot
NIGHT = {"64 scenes of 64 lots": (64, 64), "one scene of 4096 lots": (1, 4096), "2000 small inputs": (2000, 1)}


def main() -> None:
    """Measure, simulate, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    with tempfile.TemporaryDirectory() as folder:
        side = QUICK_SIDE if quick else SIDE
        here = Path(folder)
        scaling = [_scaled(here, side, workers) for workers in ((1, 2) if quick else (1, 2, 4))]
        parts = _parts(here, 200 if quick else 2000)
    sections = [_weak_scaling(scaling), _measured(parts), _simulation(parts), _cheaper_tiles(parts)]
    write_table("" if quick else "cluster", "What more workers bring", sections)


def _scaled(folder: Path, side: int, workers: int) -> tuple[int, int, float, float]:
    """A scene for each worker, their lots all handed out at once: workers, lots, seconds, share of devices busy."""
    runs = []
    for number in range(workers):
        name = f"{side}-{workers}-{number}"
        runs.append(run_of(scene(folder / f"{name}.tif", side), folder / name))
    with hired("cpus", workers) as (pool, _):
        warm = [pool.submit(timed_lot, run.job(run.plan.lots[0]), 0.0) for run in runs]
        for future in warm:
            future.result()
        began = time.monotonic()
        futures = [pool.submit(timed_lot, run.job(lot), TILE_SECONDS) for run in runs for lot in run.plan.lots[1:]]
        lots: list[Timed] = [future.result() for future in futures]
        taken = time.monotonic() - began
    return workers, len(lots), taken, sum(lot.fit for lot in lots) / (workers * taken)


def _parts(folder: Path, calls: int) -> Parts:
    """Of lots of 64 tiles, on this machine."""
    run = run_of(scene(folder / "parts.tif", 4096), folder / "parts", shard=2048)
    lots = run.plan.lots
    with ThreadPoolExecutor(1) as pool:
        timed = [pool.submit(timed_lot, run.job(lot), 0.0, time.process_time).result() for lot in lots]
        names = [entry.name for entry in run.plan.inputs]
        keep_rows(run, "parts", names, list(lots))
        began = time.process_time()
        for name in names:
            pool.submit(complete_input, completion_job(run, name, list(lots))).result()
        publishing = (time.process_time() - began) / len(lots)
    tiles = sum(lot.tiles for lot in lots) / len(lots)
    read, written = min(lot.read for lot in timed), min(lot.written for lot in timed)
    moved = int(6 * tiles * 256**2)  # uint16 in, float32 out
    return Parts(_hand_out(run, calls), read, written, publishing, GPU_TILE * TILES, SPREAD, moved, STORAGE)


def _hand_out(run: Run, calls: int) -> float:
    """Seconds for which a lot keeps the flow's process busy, in which the scheduler is a thread."""
    again = run_of(Path(run.plan.inputs[0].uri), Path(f"{run.request.out.uri}-again"), shard=2048)
    lots = tuple(again.plan.lots[number % len(again.plan.lots)] for number in range(calls))
    handful.restore_lot = no_lot  # type: ignore[assignment]
    try:
        with hired("cpus", 2) as (pool, _):
            list(pool.map(no_lot, [again.job(lot) for lot in lots[:20]]))
            began = time.process_time()
            with ThreadPoolExecutor(16) as threads:  # as Prefect's task runs wait
                waiting = [threads.submit(handful.restore_handful, again, lots[i::16], pool) for i in range(16)]
                for future in waiting:
                    future.result()
            return (time.process_time() - began) / calls
    finally:
        handful.restore_lot = restore_lot


def _weak_scaling(scaling: list[tuple[int, int, float, float]]) -> tuple[str, list[str], list[list[object]]]:
    alone = scaling[0][2]
    rows: list[list[object]] = [
        [workers, lots, taken, f"{alone / taken:.0%}", f"{busy:.1%}"] for workers, lots, taken, busy in scaling
    ]
    text = (
        f"Weak scaling: a scene of its own for each worker process, {1000 * TILE_SECONDS:.0f} ms per tile. The machine "
        f"had {os.getloadavg()[0]:.1f} processes that wanted its {os.cpu_count()} cores, others' among them."
    )
    return text, ["workers", "lots", "seconds", "efficiency", "devices busy"], rows


def _measured(parts: Parts) -> tuple[str, list[str], list[list[object]]]:
    ms = [1000 * each for each in (parts.hand_out, parts.read, parts.written, parts.published)]
    text = (
        f"CPU time of the parts of a lot of {TILES} tiles of 256 px, measured here: handed out by the flow's process "
        "(Dask's scheduler among it) and its answer taken; read and written by a worker; its share of publishing its "
        "input, which is one job."
    )
    return text, ["handed out, ms", "read, ms", "written, ms", "published, ms"], [[f"{each:.1f}" for each in ms]]


def _simulation(parts: Parts) -> tuple[str, list[str], list[list[object]]]:
    rows: list[list[object]] = []
    for what, (inputs, lots) in NIGHT.items():
        alone = simulated(parts, 1, inputs, lots)
        rows += [_night(what, workers, alone, simulated(parts, workers, inputs, lots)) for workers in COUNTS]
    text = (
        f"Simulated from these parts (benchmarks/fleet.py). Assumed: a GPU per worker that takes {GPU_TILE} s per tile "
        f"({GPU_TILE * TILES:.0f} s per lot, logarithm spread by {SPREAD}), cores of a worker as fast as these, a "
        f"storage of {STORAGE / 1e9:.0f} GB/s that all share, in which all waiting for disks and network is, "
        f"{parts.moved / 1e6:.0f} MB moved per lot, the flow's process alone on its cores, nothing dies. Not in it: "
        "start of the workers, and Prefect's own time (5 to 8 ms for each of at most 500 task runs)."
    )
    heads = ["night", "GPU workers", "hours", "speed-up", "devices busy", "flow's process busy handing out"]
    return text, heads, rows


def _cheaper_tiles(parts: Parts) -> tuple[str, list[str], list[list[object]]]:
    rows: list[list[object]] = []
    for tile in (0.003, 0.01, 0.03, 0.1, 0.3, 1.0):
        cheaper = replace(parts, fit=tile * TILES)
        alone, night = (simulated(cheaper, workers, 64, 64) for workers in (1, 64))
        rows.append([f"{1000 * tile:.0f} ms", f"{alone.busy:.1%}", *_night("", 64, alone, night)[2:]])
    heads = ["tile", "device busy, 1 worker", "hours of 64", "speed-up", "devices busy", "flow's process busy"]
    return "The same for 64 scenes of 64 lots, one GPU worker and 64, where tiles cost less or more.", heads, rows


def _night(what: str, workers: int, alone: Night, night: Night) -> list[object]:
    speed = f"{alone.seconds / night.seconds:.1f}"
    return [what, workers, night.seconds / 3600, speed, f"{night.busy:.1%}", f"{night.handing:.1%}"]


if __name__ == "__main__":
    main()
