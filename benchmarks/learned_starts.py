"""Starts of `zs_n2n` learned from packaged pictures: plainly on many tiles, and by three kinds of meta-learning."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import skimage
import torch
from PIL import Image

from il_models.fitting import fit
from il_models.meta.corruption import Spread, corrupted
from il_models.meta.maml import Inner, maml, multitask, starting_point
from il_models.meta.reptile import reptile
from il_models.meta.starting_point import StartingPoint
from il_models.meta.task import Tasks, halved, judged, measured
from il_models.meta.training import Learned, Schedule
from il_models.methods.zs_n2n import ZeroShotNoise2Noise
from il_models.networks.three_layers import ThreeLayers
from tasks.learning.planes import Plane, crops, greys, resized

# All of the wheel of scikit-image but camera, cell, ihc, microaneurysms and moon, which stay for judging.
PICTURES = (
    "astronaut.png",
    "brick.png",
    "chelsea.png",
    "clock_motion.png",
    "coffee.png",
    "coins.png",
    "grass.png",
    "gravel.png",
    "hubble_deep_field.jpg",
    "motorcycle_left.png",
    "motorcycle_right.png",
    "page.png",
    "retina.jpg",
    "rocket.jpg",
    "text.png",
)
NOISE = Spread(lowest=10 / 255, highest=50 / 255, coloured=0.0, photons=0.0, misstated=0.0)
SIDE = 96  # px of a tile, which is cut into 46 columns to adapt on, a strip, and 46 to judge by
METHOD = ZeroShotNoise2Noise(crop=48)
SEED = 20261121
VALIDATION = 10**6  # the step whose tasks no training draws; of the same pictures
HELD = 16  # tiles of it
RATES = (3e-4, 1e-3, 3e-3)  # of Adam, from which that of a start without step sizes is chosen


@dataclass(frozen=True)
class Recipe:
    """How a start is learned. parent: whose weights it begins from. tiles: of an outer step."""

    schedule: Schedule
    tiles: int = 4
    parent: str = ""
    inner: Inner | None = None  # of MAML; steps = 0: plain training; None: Reptile


RECIPES = {
    "joint": Recipe(Schedule(3000, 2e-3), tiles=8, inner=Inner(steps=0)),
    "joint, longer": Recipe(Schedule(5000, 5e-4), tiles=8, parent="joint", inner=Inner(steps=0)),
    "reptile": Recipe(Schedule(1500, 0.5), parent="joint"),
    "fomaml": Recipe(Schedule(1500, 5e-4), parent="joint", inner=Inner(5, 0.05, first_order=True)),
    "maml": Recipe(Schedule(600, 5e-4), parent="joint", inner=Inner(5, 0.05)),
}
REPTILE = replace(METHOD, steps=10, rate=1e-3, decay="none")


@dataclass(frozen=True)
class Progress:
    """Where the learning of a start stands, and the seconds of one core that it has taken."""

    state: Learned
    seconds: float


def planes() -> list[Plane]:
    """Grey and colour planes of the pictures, at several sizes."""
    folder = Path(skimage.__file__).parent / "data"
    pictures = [np.asarray(Image.open(folder / name)) for name in PICTURES]
    return [
        plane
        for picture in pictures
        for grey in greys(picture[..., :3] if picture.ndim == 3 else picture)
        for plane in resized(grey)
    ]


def tasks(known: list[Plane], step: int, tiles: int) -> Tasks:
    """The tasks of a step."""
    random = torch.Generator().manual_seed(SEED + step)
    seen = corrupted(crops(known, tiles, SIDE, random), NOISE, random)
    seeds = torch.randint(2**62, (tiles,), generator=random)
    return halved(measured(seen, seeds), METHOD, seen.target)


def learning(name: str, known: list[Plane], folder: Path, recipes: dict[str, Recipe]) -> Iterator[Progress]:
    """Learn a start, from where the folder's file of that name stands, which is brought up to date."""
    recipe, path = recipes[name], folder / f"{name}.pt"
    network = first_network()
    if recipe.parent:
        network.load_state_dict(read(folder, recipe.parent).state.weights)
    begun = read(folder, name) if path.exists() else None
    spent, mark = begun.seconds if begun else 0.0, time.process_time()

    def sample(step: int) -> Tasks:
        return tasks(known, step, recipe.tiles)

    rest = (recipe.schedule, begun.state if begun else None, max(1, recipe.schedule.steps // 30))
    if recipe.inner is None:
        states = reptile(network, sample, REPTILE, *rest)
    elif recipe.inner.steps:
        states = maml(network, sample, METHOD, recipe.inner, *rest)
    else:
        states = multitask(network, sample, METHOD, *rest)
    for state in states:
        progress = Progress(state, spent + time.process_time() - mark)
        torch.save({**vars(state), "seconds": progress.seconds}, path.with_suffix(".new"))
        path.with_suffix(".new").replace(path)
        yield progress


def read(folder: Path, name: str) -> Progress:
    """What the folder holds of a start: tensors and numbers, for whoever wrote the file shall not run code here."""
    told = torch.load(folder / f"{name}.pt", weights_only=True)
    seconds = float(told.pop("seconds"))
    return Progress(Learned(**told), seconds)


def first_network() -> ThreeLayers:
    """Random weights, always the same."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        return ThreeLayers(1)


def start_of(name: str, progress: Progress, known: list[Plane], recipes: dict[str, Recipe]) -> StartingPoint:
    """The start; without step sizes of its own with the rate of Adam whose 20 steps lead furthest on the pictures."""
    recipe, held = recipes[name], tasks(known, VALIDATION, HELD)
    if recipe.inner is not None and recipe.inner.steps:
        return starting_point(progress.state, recipe.inner)
    starts = [StartingPoint(progress.state.weights, 20, rate=rate) for rate in RATES]
    return min(starts, key=lambda start: adapted(start, held))


def adapted(start: StartingPoint, held: Tasks, steps: int | None = None) -> float:
    """Mean outer loss of tasks after adapting."""
    done = fit(held.support, start.adaptation(METHOD, steps), start=start.nets(METHOD, held.support))
    assert done.nets is not None
    with torch.no_grad():
        return float(judged(METHOD, done.nets, held).mean())


def learn(name: str, folder: Path, minutes: float, recipes: dict[str, Recipe]) -> bool:
    """Learn until the start is done, which is said, or the minutes are over."""
    known, until = planes(), time.monotonic() + 60 * minutes
    for progress in learning(name, known, folder, recipes):
        print(
            f"{name}: {progress.state.steps} steps, loss {progress.state.loss:.4f}, {progress.seconds:.0f} s",
            flush=True,
        )
        if time.monotonic() > until:
            break
    return read(folder, name).state.steps == recipes[name].schedule.steps
