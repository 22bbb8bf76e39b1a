"""What does a night cost in which little is new? The identity method over many small images, night after night.

    python -m benchmarks.incremental [--inputs 1000]

Tiles restored and seconds of the first night, of one in which nothing is new, of one after 1 % of the inputs were
touched, and of two nights of which the first was stopped half way and 1 % were touched in between.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np
import tifffile

from benchmarks.table import write_table
from flows.environment import settle

SIDE = 64  # px of a tile
PER_INPUT = 4  # tiles
HEADS = ["night", "inputs published", "tiles restored", "share of all tiles", "left for the next", "seconds"]


def main() -> None:
    """Measure the nights."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=1000)
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args()
    inputs = 100 if given.quick else given.inputs
    settle(quiet=True)
    with tempfile.TemporaryDirectory() as folder:
        rows = _nights(Path(folder), inputs)
    text = (
        f"identity, {inputs} images of {2 * SIDE} x {2 * SIDE} uint16 ({PER_INPUT} tiles each), local cluster of two "
        "processes, Prefect on SQLite; seconds are of the flow, without the start of Prefect"
    )
    write_table("" if given.quick else "incremental", "Nights in which little is new", [(text, HEADS, rows)])


def _nights(folder: Path, inputs: int) -> list[list[object]]:
    draw = np.random.default_rng(0)
    (folder / "in").mkdir()
    for number in range(inputs):
        _write(folder, number, draw)
    (folder / "catalog.yaml").write_text(json.dumps({"collections": {"plates": {"title": "Plates", "source": "in"}}}))
    touched = draw.choice(inputs, max(1, inputs // 100), replace=False)
    first, device_seconds = _night(folder, "one", "first", inputs)
    rows = [first, _night(folder, "one", "nothing new", inputs)[0]]
    for number in touched:
        _write(folder, int(number), draw)
    rows.append(_night(folder, "one", f"{len(touched)} inputs touched", inputs)[0])
    half = device_seconds / 3600 / 2
    rows.append(_night(folder, "two", "first, with half of the device hours", inputs, half)[0])
    for number in touched:
        _write(folder, int(number), draw)
    rows.append(_night(folder, "two", f"the next, {len(touched)} inputs touched before", inputs)[0])
    return rows


def _night(folder: Path, out: str, what: str, inputs: int, hours: float = 1000) -> tuple[list[object], float]:
    """A row of the table, and the device seconds of the night."""
    from flows.nightly import nightly
    from tasks.limits import Limits
    from tasks.recipe import load_recipe

    limits = Limits(hours=hours, quiet=0)
    recipe = load_recipe("identity", {"tiling.tile": SIDE})
    began = time.monotonic()
    night = nightly(None, recipe, str(folder / "catalog.yaml"), str(folder / out), limits, "local", 2)
    (row,) = night.rows
    share = f"{row.tiles / (PER_INPUT * inputs):.2%}"
    seconds = round(time.monotonic() - began, 1)
    return [what, row.inputs, row.tiles, share, row.left, seconds], row.device_seconds


def _write(folder: Path, number: int, draw: np.random.Generator) -> None:
    pixels = draw.integers(0, 4000, (2 * SIDE, 2 * SIDE), np.uint16)
    tifffile.imwrite(folder / "in" / f"{number:06d}.tif", pixels)


if __name__ == "__main__":
    main()
