"""What the start that ships is worth: as it is, beside the control as the default recipe takes it, and adapted.

    python -m benchmarks.starts [--quick] [--only WAY ...] [--keep FOLDER]

Whole pictures with noise of known sigma, real microscopy frames with noise estimated blind, and electron micrographs,
which are like nothing that the start was learned from; beside non-local means, BM3D where it is installed, and a
network from scratch. With --keep an interrupted table goes on.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.images import DATA, classic, gaussian_problem, noisy, pairs, picture, stabilised_problem
from benchmarks.table import write_table
from il_models.fitting import FitRecord, fit
from il_models.from_start import FromStart
from il_models.methods.bm3d import BlockMatching
from il_models.methods.dct import SlidingCosine
from il_models.methods.gain_tuning import GainTuning
from il_models.methods.lidia import InternalAdaptation
from il_models.methods.lora_tuning import LoraTuning
from il_models.methods.nlm import NonLocalMeans
from il_models.methods.noise_tuning import NoiseTuning
from il_models.methods.pretrained import Pretrained
from il_models.methods.sure_tuning import SureTuning
from il_models.methods.zs_n2n import ZeroShotNoise2Noise
from il_models.metrics import affine_match, psnr
from il_models.mixing import mixture
from il_models.nets import Nets
from il_models.networks.denoiser import MULTIPLE
from il_models.noise import inverse_stabilised
from il_models.problem import Problem
from il_models.risk import Estimate
from tasks.adaptation import begun_at, climb, fit_from
from tasks.grids import grid_for
from tasks.mixing import share_of
from tasks.quality import control_of, estimate_of
from tasks.recipe import Recipe
from tasks.registry.suited import BUNDLED, start_for

CONTROLS = Recipe().controls()
LADDER = (NoiseTuning(), InternalAdaptation())
Place = tuple[Any, ...]  # an index into the pixels of a picture
TUNED: dict[str, FromStart] = {
    "gains, guarded": GainTuning(),
    "all weights, guarded": SureTuning(),
    "adapters, guarded": LoraTuning(),
    "its own result, guarded": InternalAdaptation(),
}


@dataclass(frozen=True)
class Case:
    """A picture to restore; `score` gives the PSNR of an estimate in problem units."""

    group: str
    name: str
    problem: Problem
    score: Callable[[Tensor], float]


def photographs(group: str, images: dict[str, Tensor], sigma: float) -> Iterator[Case]:
    """Pictures (1, h, w) with noise of known sigma."""
    for seed, (name, clean) in enumerate(images.items()):
        problem = gaussian_problem(noisy(clean, sigma, seed)[None], sigma, seed)

        def score(x: Tensor, clean: Tensor = clean, mask: Tensor = problem.mask) -> float:
            return float(psnr(x.clamp(0, 1), clean[None], 1.0, mask))

        yield Case(f"{group}, sigma {sigma:g}", name, problem, score)


def frames() -> Iterator[Case]:
    """The raw frames of FMD and the single ones of W2S, 512 x 512."""
    for seed, pair in enumerate(pairs()):
        if not pair.name.startswith(("fmd", "w2s")):
            continue
        ready, clean = stabilised_problem(pair.noisy, seed), pair.clean[None, None]

        def score(x: Tensor, ready=ready, clean=clean, pair=pair) -> float:  # type: ignore[no-untyped-def]
            image = inverse_stabilised(x * ready.scale + ready.offset, ready.noise)
            everywhere = torch.ones_like(image, dtype=torch.bool)
            image = affine_match(image, clean, everywhere) if pair.affine else image
            return float(psnr(image, clean, pair.peak, everywhere))

        yield Case("FMD and W2S frames, blind", pair.name, ready.problem, score)


def micrographs(count: int) -> dict[str, Tensor]:
    """Electron micrographs, 0 to 1."""
    files = sorted((DATA / "em" / "c_elegans_em").glob("*.tif"))[:count]
    return {file.stem: picture(file)[:1, :512, :512] / 255 for file in files}


def lattice(side: int = 256) -> Tensor:
    """A hexagonal lattice of 7.3 px, as a transmission electron microscope shows atoms, 0 to 1."""
    place = torch.arange(side, dtype=torch.float32)
    angles = torch.tensor([0.2 + k * torch.pi / 3 for k in range(3)])
    waves = [torch.cos(2 * torch.pi / 7.3 * (place * a.cos() + place[:, None] * a.sin())) for a in angles]
    return (0.15 + 0.7 * ((torch.stack(waves).sum(0) + 1.5) / 4.5) ** 2)[None]


def cases(quick: bool) -> Iterator[Case]:
    """All groups; of each one picture for a quick look."""
    few = 1 if quick else None
    for sigma in (25,) if quick else (15, 25, 50):
        yield from photographs("Set12 (7)", classic("set12", few), sigma)
        yield from photographs("BSD68 (18)", classic("bsd68", few), sigma)
    yield from frames()
    yield from photographs("Electron micrographs", micrographs(few or 3), 25)
    yield from photographs("Lattice, simulated", {"hexagonal": lattice()}, 25)


def ways(case: Case) -> dict[str, Callable[[Problem, Nets], Tensor]]:
    """Name -> what it makes of a picture, and of the start that ships."""
    found: dict[str, Callable[[Problem, Nets], Tensor]] = {}
    directs = [NonLocalMeans(), SlidingCosine(), *([BlockMatching()] if find_spec("bm3d") else [])]
    for method in directs:
        found[method.name] = lambda problem, _, method=method: fit(problem, method).x  # type: ignore[misc]
    found["start"] = lambda problem, start: fit(problem, Pretrained(), start=start).x
    found["default"] = default
    for name, tuned in TUNED.items():
        found[name] = partial(adapted, tuned)
    if case.group == "Set12 (7), sigma 25":
        found["zs_n2n"] = lambda problem, _: fit(problem, ZeroShotNoise2Noise()).x
    return found


def adapted(tuned: FromStart, problem: Problem, start: Nets) -> Tensor:
    """The whole picture by the start as one method adapts it, if that is surely better."""
    return fit_from(problem, tuned, None, tuned.opened(start, problem.seeds)).x


def measured(case: Case, only: list[str]) -> dict[str, tuple[float, float]]:
    """PSNR in dB and CPU-seconds of each way, or of some."""
    height, width = case.problem.y.shape[-2:]
    problem = padded(case.problem)
    start = begun_at(start_for(Pretrained(), BUNDLED), Pretrained(), problem)
    found = {}
    for name, way in ways(case).items():
        if only and name not in only:
            continue
        began = time.process_time()
        x = way(problem, start)
        seconds = time.process_time() - began
        found[name] = (case.score(x[..., :height, :width]), seconds)
    return found


def kept(case: Case, only: list[str], folder: Path) -> dict[str, tuple[float, float]]:
    """The same, kept in a folder: of a picture that was measured before, what was found then."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{', '.join([case.group, case.name.replace('/', ' '), *only])}.json"
    if not file.exists():
        file.write_text(json.dumps(measured(case, only)))
    return {way: (level, seconds) for way, (level, seconds) in json.loads(file.read_text()).items()}


def default(problem: Problem, start: Nets) -> Tensor:
    """Ladder for the picture, start and control by risk in tiles: the default recipe, whose tiles are cut here."""
    x, start = problem.y.clone(), climb(problem, LADDER, start, CONTROLS).nets or start
    for tile, core, within in tiles_of(problem):
        x[core] = mixed_tile(tile, start).result.x[within]
    return x


@dataclass(frozen=True)
class Mixed:
    """A tile: its result, the control's, the method's share in the result, and how its fit ended."""

    result: Estimate
    control: Estimate
    share: float
    record: FitRecord


def mixed_tile(tile: Problem, start: Nets) -> Mixed:
    """A tile by the networks of its picture, mixed with the control by risk."""
    done = fit(tile, Pretrained(), start=start)
    own, control = estimate_of(tile, done, Pretrained()), control_of(tile, CONTROLS)
    share = share_of(tile, own, control, done.records)
    return Mixed(mixture(own, control, share), control, float(share), done.records[0])


def tiles_of(problem: Problem) -> Iterator[tuple[Problem, Place, Place]]:
    """Windows of the default recipe, with the place of what a tile owns in the picture, and in the window."""
    grid = grid_for((1, 1, 1, *problem.y.shape[-2:]), Pretrained(), Recipe())
    for tile in range(grid.tiles):
        core, window = grid.tile_core(tile), grid.tile_window(tile)
        box: Place = (..., *window.slices[3:])
        part = padded(replace(problem, y=problem.y[box], mask=problem.mask[box]))
        yield part, (..., *core.slices[3:]), (..., *core.within(window)[3:])


def padded(problem: Problem) -> Problem:
    """Sides as the network wants them, by reflection."""
    height, width = problem.y.shape[-2:]
    y = functional.pad(problem.y, (0, -width % MULTIPLE, 0, -height % MULTIPLE), mode="reflect")
    mask = functional.pad(problem.mask, (0, -width % MULTIPLE, 0, -height % MULTIPLE))
    return replace(problem, y=y, mask=mask)


Scores = dict[str, dict[str, dict[str, tuple[float, float]]]]  # group -> picture -> way -> dB, seconds


def rows_of(scores: Scores) -> list[list[object]]:
    """A row per group and way: mean dB and seconds, and how it stands to nlm and to bm3d."""
    rows: list[list[object]] = []
    for group, pictures in scores.items():
        for way in next(iter(pictures.values())):
            level = np.array([found[way][0] for found in pictures.values()])
            row: list[object] = [group, way, float(level.mean())]
            for other in ("nlm", "bm3d"):
                beside = np.array([found[other][0] for found in pictures.values() if other in found])
                better = f"{int((level > beside).sum())} of {len(level)}" if len(beside) else "-"
                row += [float((level - beside).mean()) if len(beside) else "-", better]
            rows.append([*row, float(np.mean([found[way][1] for found in pictures.values()]))])
    return rows


def main() -> None:
    """Write benchmarks/results/starts.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one picture of each kind, printed and not kept")
    parser.add_argument("--only", nargs="*", default=[], help="some ways alone, printed and kept as starts_default")
    parser.add_argument("--keep", type=Path, help="folder for what was measured of each picture")
    asked = parser.parse_args()
    quick, only = asked.quick, asked.only
    torch.set_num_threads(1)
    scores: Scores = {}
    for case in cases(quick):
        found = measured(case, only) if asked.keep is None else kept(case, only, asked.keep)
        scores.setdefault(case.group, {})[case.name] = found
        print(case.group, case.name, {way: round(level, 2) for way, (level, _) in found.items()}, flush=True)
    names = list(dict.fromkeys(way for pictures in scores.values() for found in pictures.values() for way in found))
    each = [
        [group, name, *(found[way][0] if way in found else "-" for way in names)]
        for group, pictures in scores.items()
        for name, found in pictures.items()
    ]
    card = start_for(Pretrained(), BUNDLED).card
    write_table(
        "" if quick else "starts_default" if only else "starts",
        f"The start that ships: {card.name}, {card.id}",
        [
            (
                "Means over whole pictures: PSNR in dB, its difference to nlm and to bm3d and on how many pictures it "
                "is better, CPU-seconds a picture on one thread.",
                ("pictures", "way", "dB", "to nlm", "better", "to bm3d", "better", "CPU-s"),
                rows_of(scores),
            ),
            ("Each picture, dB.", ("pictures", "picture", *names), each),
        ],
    )


if __name__ == "__main__":
    main()
