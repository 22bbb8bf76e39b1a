"""How many own steps does a tile need from a learned start? `zs_n2n` from four kinds of start and from random weights.

    python -m benchmarks.meta_start [--folder FOLDER] [--learn NAME] [--minutes M] [--measure] [--write] [--quick]

Learning and measuring go on where they were: what was learned and measured is kept in the folder. Without --learn,
--measure or --write all is done, which takes the better part of an hour of one core.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from skimage import data
from torch import Tensor

from benchmarks.from_scratch import Case, captures, photographs
from benchmarks.images import DATA, classic
from benchmarks.learned_starts import HELD, RECIPES, VALIDATION, Recipe, adapted, learn, planes, read, start_of, tasks
from benchmarks.table import write_table
from il_models.fitting import Budget, fit
from il_models.fitting.batch import Running
from il_models.meta.maml import Inner
from il_models.meta.starting_point import StartingPoint
from il_models.meta.training import Schedule
from il_models.methods.nlm import NonLocalMeans
from il_models.methods.zs_n2n import ZeroShotNoise2Noise
from il_models.metrics import psnr

Line = dict[str, Any]
METHOD = ZeroShotNoise2Noise()
MARKS = (0, 1, 2, 5, 10, 20, 50, 100, 200)
LATE = (500, 1000, 2000, 3000)
FOLDER = Path(".meta_start")
CAPTURES = ("fmd/Confocal_FISH", "fmd/TwoPhoton_MICE")
QUICK = {
    "joint": Recipe(Schedule(20, 2e-3), tiles=2, inner=Inner(steps=0)),
    "fomaml": Recipe(Schedule(4, 1e-4), tiles=2, parent="joint", inner=Inner(2, 0.01, first_order=True)),
}


Point = tuple[int, float, float]  # own steps, PSNR in dB, seconds of one core


def from_start(case: Case, start: StartingPoint, marks: Sequence[int]) -> Iterator[Point]:
    """Each number of steps is a fit of its own, whose rate falls to its end."""
    for mark in marks:
        began = time.process_time()
        done = fit(case.problem, start.adaptation(METHOD, mark), start=start.nets(METHOD, case.problem))
        seconds = time.process_time() - began
        yield mark, _psnr(case, done.x), seconds


def from_scratch(case: Case, method: ZeroShotNoise2Noise, marks: Sequence[int]) -> Iterator[Point]:
    """One fit from random weights, followed along the method's own schedule; its last estimate is that of 8 views."""
    running = Running.begin(case.problem, method, Budget(max(1, method.steps)), None)
    spent = 0.0
    for step in range(method.steps + 1):
        began = time.process_time()
        if step:
            running.advance(method, step)
        spent += time.process_time() - began
        if step in marks:
            began = time.process_time()
            last = replace(method, views=8 if step == method.steps else 1)
            level = _psnr(case, running.best_estimate(last))
            yield step, level, spent + time.process_time() - began


def _psnr(case: Case, x: Tensor) -> float:
    found, clean = case.compared(x)
    return float(psnr(found, clean, case.peak, torch.ones(1, 1, *clean.shape[-2:], dtype=torch.bool)))


def cases(quick: bool) -> Iterator[Case]:
    """Pictures that no start has seen: packaged ones, some of Set12, real captures."""
    camera = {"camera": _packaged("camera", 64, 128)}
    if quick:
        yield from photographs("held out", "sigma", {"camera": camera["camera"][:, :96, :96]}, (25.0,))
        return
    yield from photographs("held out", "camera", camera, (15.0, 25.0, 50.0))
    yield from photographs("held out", "moon", {"moon": _packaged("moon", 128, 128)}, (25.0,))
    pictures = {name: image for name, image in classic("set12").items() if name in ("03", "05", "06")}
    if not pictures:
        print(f"left out: Set12, for there is no folder {DATA / 'classic' / 'set12'}")
    yield from photographs("grey256", "Set12", pictures, (25.0,))
    if not (DATA / "micro_pairs" / "fmd").exists():
        print(f"left out: FMD, for there is no folder {DATA / 'micro_pairs' / 'fmd'}")
        return
    yield from (case for case in captures() if case.picture in CAPTURES)


def _packaged(name: str, top: int, left: int) -> Tensor:
    values = np.asarray(getattr(data, name)(), np.float32)[top : top + 256, left : left + 256] / 255
    return torch.from_numpy(values)[None]


Starts = dict[str, StartingPoint]


def learned(folder: Path, recipes: dict[str, Recipe]) -> Starts:
    """The starts that the folder holds."""
    pictures, ready = planes(), [name for name in recipes if (folder / f"{name}.pt").exists()]
    return {name: start_of(name, read(folder, name), pictures, recipes) for name in ready}


def measure(folder: Path, starts: Starts, steps: int, marks: Sequence[int], quick: bool) -> list[Line]:
    """The curves of all pictures and starts; those that the folder holds are not measured again."""
    path = folder / "curves.jsonl"
    known = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    lines: list[Line] = []
    for case in cases(quick):
        for name in ("nlm", "scratch", *starts):
            about = {
                "protocol": case.protocol,
                "picture": case.picture,
                "start": name,
                "version": _version(starts.get(name)),
            }
            old = [line for line in known if about.items() <= line.items()]
            if old:
                lines.append(old[-1])
                continue
            if name == "nlm":
                began = time.process_time()
                curve = [(0, _psnr(case, fit(case.problem, NonLocalMeans()).x), time.process_time() - began)]
            elif name == "scratch":
                method = replace(METHOD, steps=steps)
                curve = list(from_scratch(case, method, [*(m for m in marks if m < steps), *LATE, steps]))
            else:
                curve = list(from_start(case, starts[name], marks))
            lines.append({**about, "curve": curve})
            with path.open("a") as file:
                file.write(json.dumps(lines[-1]) + "\n")
            print(case.protocol, case.picture, name, *(f"{step}:{level:.2f}" for step, level, _ in curve), flush=True)
    return lines


def _version(start: StartingPoint | None) -> str:
    if start is None:
        return ""
    return f"{sum(float(each.abs().sum()) for each in start.weights.values()):.6f} {start.rate}"


def write(lines: Sequence[Line], folder: Path, starts: Starts, recipes: dict[str, Recipe], name: str) -> None:
    """The tables of what was measured."""
    write_table(
        name,
        "Learned starts of zs_n2n: own steps to the quality of a fit from random weights",
        [_means(lines), _crossings(lines), _learning(folder, starts, recipes)],
    )


Section = tuple[str, tuple[str, ...], list[list[object]]]


def _means(lines: Sequence[Line]) -> Section:
    marks = sorted({int(step) for line in lines for step, *_ in line["curve"]})
    count = len({(line["protocol"], line["picture"]) for line in lines})
    rows: list[list[object]] = []
    for start in dict.fromkeys(line["start"] for line in lines):
        some = [{step: level for step, level, _ in line["curve"]} for line in lines if line["start"] == start]
        shared = {mark for mark in marks if all(mark in each for each in some)}
        rows.append([start, *(float(np.mean([e[mark] for e in some])) if mark in shared else "" for mark in marks)])
    text = (
        f"PSNR in dB after so many own steps, mean of {count} pictures of 256 x 256 that no start has seen. `scratch`: "
        "the method's one fit from random weights along its own schedule. Other rows: a fit of its own for each number "
        "of steps; Adam with a falling rate for joint and reptile, plain descent with learned step sizes for fomaml "
        "and maml. Estimates are of one view, but the last of `scratch` is the mean over 8, 0.1 to 0.7 dB better and "
        "what the starts are held against. Nothing is chosen by ground truth. `nlm` takes no step."
    )
    return text, ("start", *map(str, marks)), rows


def _crossings(lines: Sequence[Line]) -> Section:
    heads = (
        "picture",
        "start",
        "PSNR, 0 steps",
        "best",
        "at step",
        "scratch",
        "crossing step",
        "s",
        "scratch s",
        "nlm",
    )
    rows: list[list[object]] = []
    for protocol, picture in dict.fromkeys((line["protocol"], line["picture"]) for line in lines):
        curves = {
            line["start"]: line["curve"] for line in lines if (line["protocol"], line["picture"]) == (protocol, picture)
        }
        _, goal, cost = curves["scratch"][-1]
        for start, curve in curves.items():
            if start in ("nlm", "scratch"):
                continue
            crossing = next(((str(step), seconds) for step, level, seconds in curve if level >= goal), ("never", ""))
            step, level, _ = max(curve, key=lambda point: point[1])
            named = f"{protocol}, {picture}"
            rows.append([named, start, curve[0][1], level, step, goal, *crossing, f"{cost:.1f}", curves["nlm"][0][1]])
    text = (
        "Crossing step: the first of the measured numbers of own steps with at least the PSNR of `scratch` at its end; "
        "s: seconds of one core that these steps and the estimate take. `best` is chosen by ground truth, to show "
        "where the curve turns, and is no result."
    )
    return text, heads, rows


def _learning(folder: Path, starts: Starts, recipes: dict[str, Recipe]) -> Section:
    known, rows = planes(), []
    for name, start in starts.items():
        progress, recipe = read(folder, name), recipes[name]
        held = tasks(known, VALIDATION, HELD)
        losses = [f"{adapted(start, held, steps):.4f}" for steps in (0, start.steps, 2 * start.steps)]
        sizes = ", ".join(f"{size:.3f}" for size in start.sizes.values()) or f"Adam, {start.rate:g}"
        tiles = progress.state.steps * recipe.tiles
        rows.append(
            [name, recipe.parent, progress.state.steps, tiles, f"{progress.seconds:.0f}", start.steps, *losses, sizes]
        )
    heads = ("start", "from", "outer steps", "tiles", "s", "K", "loss, 0 steps", "K steps", "2 K steps", "step sizes")
    text = (
        "How the starts were learned: from 15 pictures inside the wheel of scikit-image at several sizes, Gaussian "
        "noise of sigma 10 to 50, judged by the true error. s: of one core, without those of the parent. Losses: "
        "squared error over noise variance (see il_models/meta/task.py) of the queries of "
        f"{HELD} tiles of these pictures that no training drew."
    )
    return text, heads, rows


def main() -> None:
    """Learn, measure, and write benchmarks/results/meta_start.md."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a few steps of everything, printed and not kept")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where learning and measuring are kept")
    parser.add_argument("--learn", action="append", choices=RECIPES, help="learn this start; repeat for several")
    parser.add_argument("--minutes", type=float, default=1e9, help="for each start; the next run goes on")
    parser.add_argument("--measure", action="store_true", help="measure what has been learned")
    parser.add_argument("--write", action="store_true", help="write the tables of what has been measured")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    if asked.quick:
        with tempfile.TemporaryDirectory() as folder:
            for name in QUICK:
                learn(name, Path(folder), 1, QUICK)
            starts = learned(Path(folder), QUICK)
            write(measure(Path(folder), starts, 20, (0, 1, 2), quick=True), Path(folder), starts, QUICK, "")
        return
    everything = not (asked.learn or asked.measure or asked.write)
    asked.folder.mkdir(parents=True, exist_ok=True)
    for name in RECIPES if everything else asked.learn or ():
        learn(name, asked.folder, asked.minutes, RECIPES)
    if everything or asked.measure or asked.write:
        starts = learned(asked.folder, RECIPES)
        lines = measure(asked.folder, starts, METHOD.steps, MARKS, quick=False)
        if everything or asked.write:
            write(lines, asked.folder, starts, RECIPES, "meta_start")


if __name__ == "__main__":
    main()
