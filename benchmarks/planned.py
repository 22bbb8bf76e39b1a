"""What does it cost to plan a million tiles? Nothing is fitted: survey, grids, lots, forecast, and the plan as JSON.

    python -m benchmarks.planned [--tiles 1000000] [--images 1000000]

Seconds, peak memory of the planning process, and how many Prefect task runs it would be.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import tifffile

from benchmarks.overhead import SIDE
from benchmarks.peak import peak_megabytes
from benchmarks.table import write_table

SCENES = 10
OWN = 16  # tiles of a small image
FILES = 64  # of small images; the others are links to them


def main() -> None:
    """Plan ten scenes, and as many tiles in small images."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tiles", type=int, default=1_000_000, help="of scenes")
    parser.add_argument("--images", type=int, default=1_000_000, help="tiles in small images")
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args()
    whats: list[tuple[str, Callable[[Path, int], None], int]] = [
        (f"{SCENES} scenes", _scenes, given.tiles),
        (f"small images, {OWN} tiles each", _images, given.images),
    ]
    rows = [_apart(what, make, 20_000 if given.quick else tiles) for what, make, tiles in whats]
    heads = ["input", "inputs", "tiles", "lots", "survey s", "plan s", "peak MB", "plan.json MB", "task runs"]
    text = "identity, tiles of 64 x 64 uint16; surveyed by two processes, as a run does"
    write_table("" if given.quick else "planned", "Planning, without a single fit", [(text, heads, rows)])


def _apart(what: str, make: Callable[[Path, int], None], tiles: int) -> list[object]:
    with tempfile.TemporaryDirectory() as folder, ProcessPoolExecutor(1, get_context("spawn")) as process:
        make(Path(folder), tiles)
        return [what, *process.submit(_measured, Path(folder)).result()]


def _measured(source: Path) -> list[object]:
    from tasks.doors import survey_inputs
    from tasks.lots import groups_of
    from tasks.preparation import draft, prepare, to_survey
    from tasks.recipe import load_recipe
    from tasks.requests import make_request
    from tasks.workers import hired

    recipe = load_recipe("identity", {"tiling.tile": SIDE, "tiling.shard": 1024})
    with tempfile.TemporaryDirectory() as out:
        began = time.monotonic()
        request = make_request(str(source), recipe, catalog=None, out=out, limit=None)
        found = prepare(request, overwrite=False)
        with hired("local") as (pool, crew):
            surveyed = survey_inputs.fn(request.collection, request.facts, to_survey(found), pool)
            middle = time.monotonic()
            plan, _ = draft(request, found, surveyed, crew, pool)
            groups, kept = groups_of(list(plan.lots)), plan.to_json()
            seconds = time.monotonic() - middle
    runs = 1 + len(groups) + sum(len(group.handfuls) for group in groups)
    tiles, peak = sum(lot.tiles for lot in plan.lots), peak_megabytes()
    return [len(plan.inputs), tiles, len(plan.lots), middle - began, seconds, peak, len(kept) / 1e6, runs]


def _scenes(folder: Path, tiles: int) -> None:
    side = SIDE * round((tiles / SCENES) ** 0.5)
    scene = np.random.default_rng(0).integers(0, 4000, (side, side), np.uint16)
    tifffile.imwrite(folder / "scene_0.tif", scene, tile=(256, 256))
    for number in range(1, SCENES):
        os.link(folder / "scene_0.tif", folder / f"scene_{number}.tif")


def _images(folder: Path, tiles: int) -> None:
    random, side = np.random.default_rng(0), SIDE * round(OWN**0.5)
    for number in range(tiles // OWN):
        if number < FILES:
            tifffile.imwrite(folder / f"{number:06d}.tif", random.integers(0, 4000, (side, side), np.uint16))
        else:
            os.link(folder / f"{number % FILES:06d}.tif", folder / f"{number:06d}.tif")


if __name__ == "__main__":
    main()
