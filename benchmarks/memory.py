"""Is memory a setting, not a result? Peak memory of a whole restoration for inputs of 1, 3 and 10 times the size.

    python -m benchmarks.memory [--quick]

nlm (which needs no fit) over a tiled uint16 TIFF in tiles of 256, shards of 1024; each size in a process of its own,
its lots in that process. The forecast is what `selfmend plan` prints for a worker.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import tifffile

from benchmarks.table import write_table

ROWS = 1024
SETTINGS = {"tiling.tile": 256, "tiling.shard": 1024}


def main() -> None:
    """Measure each size in its own process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--one", nargs=2)
    given = parser.parse_args()
    if given.one:
        print(*_one(Path(given.one[0]), int(given.one[1])))
        return
    rows = []
    for times in (1, 3) if given.quick else (1, 3, 10):
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, "-m", "benchmarks.memory", "--one", folder, str(times)]
            told = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
        rows.append([f"{times * ROWS} x 2048", *(float(word) for word in told[-3:])])
    heads = ["pixels", "peak MB", "forecast MB of a worker", "seconds"]
    text = "Survey, plan, restoration and publishing of one uint16 scene; a worker holds two lots, this process one."
    write_table("" if given.quick else "memory", "Peak memory against the size of the input", [(text, heads, rows)])


def _one(folder: Path, times: int) -> tuple[float, float, float]:
    """Peak MB of the command line's process, forecast MB, seconds."""
    source, shape = folder / "scene.tif", (times * ROWS, 2048)
    random = np.random.default_rng(0)
    blocks = (random.poisson(300, (256, 256)).astype(np.uint16) for _ in range(shape[0] // 256 * (shape[1] // 256)))
    tifffile.imwrite(source, blocks, shape=shape, dtype=np.uint16, tile=(256, 256), photometric="minisblack")
    words = [sys.executable, "-m", "flows.cli", "restore", str(source), "--out", f"{folder}/out", "--cluster", "none"]
    words += ["--method", "nlm", *(word for key in SETTINGS for word in ("--set", f"{key}={SETTINGS[key]}"))]
    began = time.monotonic()
    subprocess.run(words, check=True, capture_output=True)
    seconds = time.monotonic() - began
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    return peak, _forecast(source, folder) / 1e6, seconds


def _forecast(source: Path, folder: Path) -> int:
    from tasks.preparation import draft
    from tasks.recipe import load_recipe
    from tasks.requests import make_request
    from tasks.standing import standing
    from tasks.survey import survey_refs
    from tasks.workers import crew_for

    request = make_request(str(source), load_recipe(None, SETTINGS, "nlm"), out=f"{folder}/other")
    surveyed = survey_refs(request.collection, request.facts, request.inputs)
    return draft(request, standing(request), surveyed, crew_for("none"))[1].worker_bytes


if __name__ == "__main__":
    main()
