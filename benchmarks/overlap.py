"""For which share of the time does a device wait for reading and writing?

    python -m benchmarks.overlap [--quick]

One worker process and a scene on the local disk, restored with one lot in flight and with two, as everywhere else. The
device is a stand-in that takes a given time per tile and leaves the CPU alone meanwhile, as a GPU does; in the last row
it is a core of this machine, with a real fit. Reading, blending, checksums, writing and records are real.
"""

import argparse
import os
import tempfile
from pathlib import Path

import numpy as np
import tifffile

from benchmarks.table import write_table
from benchmarks.timed_lots import Timed, timed_lot
from tasks.preparation import draft, prepare, to_survey, undertake
from tasks.recipe import load_recipe
from tasks.requests import make_request
from tasks.run import Run
from tasks.survey import survey_refs
from tasks.workers import crew_for, hired

SIDE, QUICK_SIDE = 5120, 2048  # px of the scene
PER_TILE = (0.005, 0.02, 0.05, 0.1, 0.2)
STEPS = 40  # of the real fit, which is then no good one


def main() -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    with tempfile.TemporaryDirectory() as folder:
        source = scene(Path(folder) / "scene.tif", QUICK_SIDE if quick else SIDE)
        costs = (0.02,) if quick else PER_TILE
        rows = [_row(source, folder, seconds) for seconds in costs]
        small = scene(Path(folder) / "small.tif", QUICK_SIDE)
        rows.append(_row(small, folder, None))
    heads = [
        "per tile",
        "tiles",
        "lots",
        "read, s per lot",
        "written, s per lot",
        "waits, one in flight",
        "two in flight",
    ]
    text = (
        "zs_n2n's grid (256 px tiles in blended shards of 1024 px), uint16, deflated TIFF in, Zarr with checksums and "
        "fsync out, one worker process. Waits: share of the time between the first and the last fit in which no lot "
        f"has the device. The machine had {os.getloadavg()[0]:.1f} processes that wanted its {os.cpu_count()} cores, "
        "others' among them."
    )
    write_table(
        "" if quick else "overlap",
        "Share of time in which the device waits for reading and writing",
        [(text, heads, rows)],
    )


def scene(file: Path, side: int) -> Path:
    """A photon-limited scene, compressed as archives keep them."""
    random = np.random.default_rng(0)
    smooth = 400 + 300 * np.sin(np.arange(side) / 90)[:, None] * np.cos(np.arange(side) / 70)
    tifffile.imwrite(file, random.poisson(smooth).astype(np.uint16), tile=(256, 256), compression="deflate")
    return file


def run_of(source: Path, out: Path, shard: int = 1024) -> Run:
    """A run whose plan is made, with none of its lots begun."""
    choices = {"method.steps": STEPS, "scope": "tile", "tiling.shard": shard, "control": "none"}
    request = make_request(str(source), load_recipe(None, choices, "zs_n2n"), out=str(out))
    found, crew = prepare(request, overwrite=False), crew_for("none")
    plan, predicted = draft(request, found, survey_refs(request.collection, request.facts, to_survey(found)), crew)
    return undertake(request, plan, predicted, crew, "benchmark")


def waiting(lots: list[Timed]) -> float:
    """Share of the time between the first fit and the last in which no lot has the device."""
    span = max(lot.gave for lot in lots) - min(lot.got for lot in lots)
    return 1 - sum(lot.fit for lot in lots) / span


def _row(source: Path, folder: str, seconds: float | None) -> list[object]:
    alone, both = (_timed(source, folder, seconds, in_flight) for in_flight in (1, 2))
    count = len(alone)
    reading, writing = (sum(times) / count for times in zip(*((lot.read, lot.written) for lot in alone), strict=True))
    tiles = sum(lot.tiles for lot in run_of(source, Path(folder) / "plan").plan.lots[1:])
    name = (
        f"{1000 * seconds:.0f} ms"
        if seconds is not None
        else f"{sum(t.fit for t in alone) / tiles:.2f} s, real fit of few steps"
    )
    return [name, tiles, count, reading, writing, *(f"{waiting(lots):.1%}" for lots in (alone, both))]


def _timed(source: Path, folder: str, seconds: float | None, in_flight: int) -> list[Timed]:
    run = run_of(source, Path(folder) / f"out-{seconds}-{in_flight}")
    with hired("cpus", 1) as (pool, _):
        pool.submit(timed_lot, run.job(run.plan.lots[0]), 0.0).result()  # torch is imported, files are in the cache
        jobs = [run.job(lot) for lot in run.plan.lots[1:]]
        if in_flight == 1:
            return [pool.submit(timed_lot, job, seconds).result() for job in jobs]
        return [future.result() for future in [pool.submit(timed_lot, job, seconds) for job in jobs]]


if __name__ == "__main__":
    main()
