"""What a plan will cost: memory per worker, bytes to be written, time. Refuses what cannot fit, with the numbers."""

import math
from dataclasses import dataclass

import numpy as np
import psutil
import torch

from il_models.method import Direct
from tasks.calibration import Calibration, calibrated
from tasks.catalog.facts import Facts
from tasks.errors import RequestError
from tasks.plan import InputPlan, Lot, Plan
from tasks.problems import make_problem
from tasks.quality import control_of, judge
from tasks.readers import open_input
from tasks.recipe import Recipe
from tasks.starts import SAMPLED_VALUES
from tasks.stores.place import Place
from tasks.tiles import Tile, read_tiles
from tasks.treatment import treatment_of
from tasks.workers import LOTS_IN_FLIGHT, Crew

PROCESS_BYTES = 550 * 2**20  # a worker with torch, zarr and scikit-image loaded: benchmarks/results/memory.md
PIXEL_BYTES = 24  # of a lot, per pixel: as read, as float32, estimate, shard, encoded
PYRAMID = 4 / 3
DIRECT_BATCH, LARGEST_BATCH = 16, 64
CPU_BATCH = 16
CPU_BATCH_BYTES = 256 * 2**20
MEMORY_SHARE = 0.8  # of what is free; the rest is for whatever else runs


@dataclass(frozen=True)
class Forecast:
    """Predicted cost of what is left of a plan.

    worker_bytes: peak memory of one worker. work_bytes: of the work area, gone after publishing. image_bytes: of the
    published images, before compression. seconds: until the last pixel is restored, all workers busy.
    """

    tiles: int
    lots: int
    worker_bytes: int
    work_bytes: int
    image_bytes: int
    seconds: float


def dearest(entries: list[InputPlan]) -> InputPlan:
    """The input whose tiles are largest."""
    return max(entries, key=lambda each: math.prod(each.grid.window_shape))


def calibrate(entry: InputPlan, facts: Facts, recipe: Recipe, collection: str, crew: Crew) -> Calibration:
    """Measure one tile of an input; all zero where every tile that was tried is empty. For a worker of the crew.

    Where only a plan is printed, this process stands in for a worker, and its device for theirs.
    """
    tile = _full_tile(entry, facts, recipe, collection)
    if tile is None:
        return Calibration(0.0, 0.0, 0.0, 0)
    device = crew.device if torch.cuda.is_available() else "cpu"
    treatment = treatment_of(recipe, facts, batch=1, device=device)
    problem, _ = make_problem([tile.window], treatment.method, treatment.device, treatment.instrument)
    own = (treatment.method,) if isinstance(treatment.method, Direct) else ()

    def finish() -> None:
        if direct := (*own, *treatment.controls):
            estimate = control_of(problem, direct)
            judge(problem, estimate, estimate if treatment.controls else None, torch.ones_like(problem.mask))

    return calibrated(problem, treatment.input_methods, treatment.method, finish, crew.threads)


def batch_size(recipe: Recipe, calibration: Calibration, crew: Crew) -> int:
    """Tiles fitted at once: on a GPU as many as fit, at most 64. On a CPU a few, if their steps are small.

    There the arithmetic of small steps waits for Python, which a batch shares (benchmarks/results/batch.md), and the
    networks still run one after the other, so that the size of the batch decides no bit.
    """
    if recipe.tiling.batch != "auto":
        return recipe.tiling.batch
    if isinstance(recipe.restoration(), Direct):
        return DIRECT_BATCH
    if crew.device == "cpu":
        return max(1, min(CPU_BATCH, CPU_BATCH_BYTES // max(1, calibration.bytes)))
    free = MEMORY_SHARE * calibration.free / crew.per_gpu
    return max(1, min(LARGEST_BATCH, int(free / max(1, calibration.bytes))))


def forecast(plan: Plan, left: list[Lot], recipe: Recipe, calibration: Calibration, crew: Crew) -> Forecast:
    """The cost of the lots that are left."""
    entries = {entry.name: entry for entry in plan.inputs}
    touched = [entries[name] for name in dict.fromkeys(part.input for lot in left for part in lot.parts)]
    largest = max((_lot_pixels(lot, entries) for lot in left), default=0)
    batch = max((lot.batch for lot in left), default=1)
    tiles = sum(lot.tiles for lot in left)
    shared = recipe.is_shared
    mosaic = min(SAMPLED_VALUES, max((math.prod(e.grid.shape) for e in touched), default=0)) if shared else 0
    full = 1 - np.mean([entry.survey.empty for entry in touched]) if touched else 1.0
    steps = recipe.own_steps if shared else getattr(recipe.restoration(), "steps", 0)
    seconds = tiles * float(full) * (calibration.tile + steps * calibration.step)
    seconds += len(touched) * calibration.start
    return Forecast(
        tiles=tiles,
        lots=len(left),
        worker_bytes=int(
            PROCESS_BYTES + LOTS_IN_FLIGHT * PIXEL_BYTES * largest + calibration.bytes * batch + PIXEL_BYTES * mosaic
        ),
        work_bytes=sum(entry.grid.shards * math.prod(entry.image_grid.shard_box_shape) * 4 for entry in touched),
        image_bytes=sum(int(_image_bytes(entry, recipe)) for entry in touched),
        seconds=seconds / max(1, min(crew.workers, len(left))),
    )


def require_room(predicted: Forecast, out: Place, crew: Crew) -> None:
    """Refuse what cannot fit.

    Raises:
        RequestError: memory or disk are too small, with the numbers.
    """
    memory = crew.memory or int(psutil.virtual_memory().available * 0.9)
    if predicted.worker_bytes > memory:
        where = "a worker of this cluster may use" if crew.memory else "this machine has"
        raise RequestError(
            f"A worker needs {size(predicted.worker_bytes)}, and {where} {size(memory)}; set a smaller tiling.tile or "
            "tiling.shard, or a cheaper method."
        )
    disk, wanted = out.free_bytes(), predicted.work_bytes + predicted.image_bytes
    if disk is not None and wanted > disk:
        raise RequestError(
            f"The run may write {size(wanted)} ({size(predicted.work_bytes)} of work, {size(predicted.image_bytes)} of "
            f"images), and '{out.uri}' has {size(disk)} free; give an --out with more room, or --limit the inputs."
        )


def workers_that_fit(predicted: Forecast, crew: Crew) -> int:
    """Workers that have a lot and, where they share this machine, whose memory fits together; at least one."""
    memory = psutil.virtual_memory().available * MEMORY_SHARE
    fitting = crew.workers if crew.memory else int(memory / max(1, predicted.worker_bytes))
    return max(1, min(crew.workers, predicted.lots, fitting))


def size(count: float) -> str:
    """Bytes for a reader: 23.4 GB."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def _full_tile(entry: InputPlan, facts: Facts, recipe: Recipe, collection: str) -> Tile | None:
    """A tile from the middle that holds something."""
    array = open_input(entry.uri, facts, entry.mask, entry.guide_uri)
    count = entry.grid.tiles
    for number in dict.fromkeys([count // 2, count // 3, count // 4, 0, count - 1]):
        (tile,) = read_tiles(entry, array, [number], recipe.seed, collection)
        if not tile.is_empty:
            return tile
    return None


def _lot_pixels(lot: Lot, entries: dict[str, InputPlan]) -> int:
    grids = [(entries[part.input].image_grid, part.stop - part.first) for part in lot.parts]
    return sum(count * math.prod(grid.shard_box_shape) for grid, count in grids)


def _image_bytes(entry: InputPlan, recipe: Recipe) -> float:
    item = 4 if recipe.output.dtype == "float32" else np.dtype(entry.dtype).itemsize
    return math.prod(entry.image_grid.shape) * item * (PYRAMID if recipe.output.pyramid else 1)
