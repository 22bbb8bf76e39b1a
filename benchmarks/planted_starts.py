"""Is the default ever worse than without a start? Starts that are spoiled in many ways are planted in its place.

    python -m benchmarks.planted_starts [--quick] [--keep FOLDER] [--only PLANT ...]

Each planted start goes through the default recipe as if it were the one that ships: the ladder for the picture, then
start and control mixed by risk in each tile. Ground truth says by how much a tile is worse than the control alone, and
the columns say what caught the start: its rung, its share in the result, the verdict. With --keep the networks that a
ladder left are kept, and an interrupted table goes on.
"""

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import skimage
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from benchmarks.images import DATA, gaussian_problem, noisy, pairs, stabilised_problem
from benchmarks.starts import CONTROLS, LADDER, Mixed, Place, lattice, mixed_tile, padded, tiles_of
from benchmarks.table import write_table
from il_models.meta.corruption import Corrupted
from il_models.meta.joint import joint
from il_models.meta.training import Schedule
from il_models.methods.pretrained import Pretrained
from il_models.metrics import affine_match
from il_models.nets import Nets
from il_models.networks.denoiser import SharedDenoiser
from il_models.noise import inverse_stabilised
from il_models.problem import Problem
from tasks.adaptation import START, begun_at, climb
from tasks.fallbacks import GIVEN_UP
from tasks.learning.packaged import HELD_OUT, picture
from tasks.learning.planes import greys, resized
from tasks.quality import judge
from tasks.registry.suited import BUNDLED, start_for
from tasks.verdicts import verdict

WORSE = 0.1  # dB below the control that counts
METHOD = Pretrained()
Weights = dict[str, Tensor]
SIDE = 256  # px of the middle of a picture that is looked at
TAUGHT = 150  # of a start that is taught the wrong thing


@dataclass(frozen=True)
class Sample:
    """A picture to restore.

    errors: an estimate in problem units -> squared error of each pixel. fitted: the same with gain and offset of the
    estimate fitted to the reference first; where the two share a scale it is `errors`.
    """

    group: str
    name: str
    problem: Problem
    errors: Callable[[Tensor], Tensor]
    fitted: Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Tile:
    """What became of a tile: dB above the control, as it is and with brightness fitted, share, rung, verdict."""

    gain: float
    fitted: float
    share: float
    rung: str
    verdict: str


def photographs(count: int | None, sigma: float = 25, side: int = SIDE) -> Iterator[Sample]:
    """Packaged pictures that no start has learned from, their middles, with noise of known sigma; and a lattice."""
    clean = {name: torch.from_numpy(plane)[None] for name, plane in list(packaged_pictures().items())[: count or 3]}
    if count is None:
        clean["lattice"] = lattice()
    for seed, (name, plane) in enumerate(clean.items()):
        middle = _middle(plane, side)
        problem = gaussian_problem(noisy(middle, sigma, seed)[None], sigma, seed)

        def errors(x: Tensor, clean: Tensor = middle) -> Tensor:
            return (x - clean[None]) ** 2

        yield Sample(f"Packaged pictures and a lattice, sigma {sigma:g}", name, problem, errors, errors)


def packaged_pictures() -> dict[str, NDArray[np.float32]]:
    """Grey planes of the packaged pictures that are held out, 0 to 1."""
    folder = Path(skimage.__file__).parent / "data"
    return {Path(name).stem: resized(next(iter(greys(picture(folder / name)))))[0] for name in HELD_OUT}


def frames(count: int | None) -> Iterator[Sample]:
    """Real frames of FMD and W2S with noise estimated blind."""
    if not (DATA / "micro_pairs").is_dir():
        return
    chosen = [pair for pair in pairs() if pair.name.startswith(("fmd", "w2s"))][::2][:count]
    for seed, pair in enumerate(chosen):
        ready, clean = stabilised_problem(_middle(pair.noisy, SIDE), seed), _middle(pair.clean, SIDE)[None, None]

        def errors(x: Tensor, ready=ready, clean=clean, fits=pair.affine) -> Tensor:  # type: ignore[no-untyped-def]
            image = inverse_stabilised(x * ready.scale + ready.offset, ready.noise)
            everywhere = torch.ones_like(image, dtype=torch.bool)
            image = affine_match(image, clean, everywhere) if fits else image
            found: Tensor = (image - clean) ** 2
            return found

        yield Sample("FMD and W2S, blind", pair.name, ready.problem, errors, partial(errors, fits=True))


def planted(kind: str) -> Weights:
    """Weights of the start that ships, spoiled; `plants` lists the ways."""
    good = start_for(METHOD, BUNDLED).weights
    torch.manual_seed(5)
    deep = "rising.0.0.one.weight"
    mixed = good[deep][:, torch.randperm(good[deep].shape[1])]
    made: dict[str, Callable[[], Weights]] = {
        "none": lambda: good,
        "random": lambda: {name: w.detach() for name, w in SharedDenoiser("small").named_parameters()},
        "shuffled layer": lambda: {**good, deep: mixed},
        "a third of the noise level": lambda: {**good, "level": torch.tensor(-1.1)},
        "0.8 of the noise level": lambda: {**good, "level": torch.tensor(-0.22)},
        "twice the noise level": lambda: {**good, "level": torch.tensor(0.7)},
        "sign turned": lambda: {**good, "tail.weight": -good["tail.weight"]},
        "noise taken 1.3 times": lambda: {**good, "tail.weight": 1.3 * good["tail.weight"]},
        "takes nothing": lambda: {**good, "tail.weight": 0 * good["tail.weight"]},
        "one number not finite": lambda: {**good, deep: _spoiled(good[deep])},
        "learned on blocks": lambda: taught(good, lambda clean: clean, blocks),
        "hallucinates texture": lambda: taught(good, textured, rough),
        "sharpens": lambda: taught(good, lambda clean: clean + 1.5 * (clean - _soft(clean)), rough),
    }
    return made[kind]()


PLANTS = (
    "none", "random", "shuffled layer", "a third of the noise level", "0.8 of the noise level", "twice the noise level",
    "sign turned", "noise taken 1.3 times", "takes nothing", "one number not finite", "learned on blocks",
    "hallucinates texture", "sharpens",
)  # fmt: skip


def taught(good: Weights, target: Callable[[Tensor], Tensor], draw: Callable[[torch.Generator], Tensor]) -> Weights:
    """Goes on learning from pictures of one kind, towards something else than the clean picture."""
    network = SharedDenoiser("small")
    network.load_state_dict(good)

    def sample(step: int) -> Corrupted:
        random = torch.Generator().manual_seed(step)
        clean = draw(random)
        sigma = 0.02 + 0.18 * torch.rand(len(clean), generator=random)
        y = clean + sigma[:, None, None, None] * torch.randn(clean.shape, generator=random)
        return Corrupted(y, target(clean), sigma, torch.zeros(len(clean), 2))

    *_, last = joint(network, sample, Schedule(TAUGHT, 1e-3))
    return {**good, **last.weights}


def blocks(random: torch.Generator, count: int = 8, side: int = 64) -> Tensor:
    """Rectangles of one value each, which is all that this start has ever seen."""
    cells = torch.rand(count, 1, 4, 4, generator=random)
    return functional.interpolate(cells, size=(side, side), mode="nearest")


def rough(random: torch.Generator, count: int = 8, side: int = 64) -> Tensor:
    """Clouds with structure at all scales."""
    layers = [torch.rand(count, 1, side // 2**k, side // 2**k, generator=random) / (k + 1) ** -1 for k in range(6)]
    whole = sum(functional.interpolate(layer, size=(side, side), mode="bicubic") for layer in layers)
    assert isinstance(whole, Tensor)
    return (whole - whole.amin()) / (whole.amax() - whole.amin())


def textured(clean: Tensor) -> Tensor:
    """Stripes that are not there, of a tenth of the range, where the picture is bright."""
    place = torch.arange(clean.shape[-1], dtype=clean.dtype)
    return clean + 0.1 * clean * torch.sign(torch.sin(torch.pi / 4 * (place[:, None] + place) + 0.1))


def _soft(x: Tensor) -> Tensor:
    return functional.avg_pool2d(functional.pad(x, (2, 2, 2, 2), mode="reflect"), 5, 1)


def _spoiled(weight: Tensor) -> Tensor:
    weight = weight.clone()
    weight[0, 0, 0, 0] = torch.nan
    return weight


def _middle(picture: Tensor, side: int) -> Tensor:
    top, left = (max(0, (n - side) // 2) for n in picture.shape[-2:])
    return picture[..., top : top + side, left : left + side]


def through_default(sample: Sample, weights: Weights, kept: Path | None = None) -> list[Tile]:
    """The default recipe from planted weights: what became of each tile. kept: file of what the ladder left."""
    nets, rung = _climbed(sample, weights, kept)
    result, control = sample.problem.y.clone(), sample.problem.y.clone()
    told = []
    for tile, core, within in tiles_of(sample.problem):
        mixed = mixed_tile(tile, nets)
        result[core], control[core] = mixed.result.x[within], mixed.control.x[within]
        told.append((core, mixed.share, _verdict(tile, mixed)))
    gain, fitted = (_gains(errors(result), errors(control)) for errors in (sample.errors, sample.fitted))
    return [Tile(gain(core), fitted(core), share, rung, said) for core, share, said in told]


def _gains(own: Tensor, control: Tensor) -> Callable[[Place], float]:
    """Of a tile's pixels by how many dB the squared errors of the result are below the control's."""
    return lambda core: float(10 * np.log10(float(control[core].mean() / own[core].mean())))


def _climbed(sample: Sample, weights: Weights, kept: Path | None) -> tuple[Nets, str]:
    """The networks that the ladder leaves for a picture, and their rung."""
    start, problem = replace(start_for(METHOD, BUNDLED), weights=weights), padded(sample.problem)
    begin = begun_at(start, METHOD, problem)
    if kept is not None and kept.exists():
        rung, own = torch.load(kept, weights_only=True)
        return begin.replaced(own), rung
    done = climb(problem, LADDER, begin, CONTROLS)
    assert done.nets is not None
    rung = done.records[0].rung or START
    if kept is not None:
        kept.parent.mkdir(parents=True, exist_ok=True)
        torch.save((rung, {name: value.detach() for name, value in done.nets.weights.items()}), kept)
    return done.nets, rung


def _verdict(tile: Problem, mixed: Mixed) -> str:
    columns = judge(tile, mixed.result, mixed.control, tile.mask)[0]
    told = {"status": str(mixed.record.status), "stop_reason": mixed.record.reason, "noise_sigma": 1.0}
    return verdict({**told, **columns}, METHOD)[0]


def row_of(group: str, kind: str, tiles: list[Tile]) -> list[object]:
    """What became of a plant's tiles in a group."""
    gains, fitted = (np.array([getattr(tile, way) for tile in tiles]) for way in ("gain", "fitted"))
    rungs = sorted({tile.rung for tile in tiles if tile.rung != START})
    mended = sum(tile.rung != START for tile in tiles)
    left = sum(tile.share < GIVEN_UP for tile in tiles)
    return [
        group,
        kind,
        len(tiles),
        f"{np.mean(gains < -WORSE):.1%}",
        float(gains.min()),
        float(gains.mean()),
        f"{np.mean(fitted < -WORSE):.1%}",
        float(fitted.min()),
        float(fitted.mean()),
        f"{mended}" + (f" ({', '.join(rungs)})" if rungs else ""),
        left,
        float(np.mean([tile.share for tile in tiles])),
        sum(tile.verdict == "suspect" for tile in tiles),
        sum(tile.verdict == "failed" for tile in tiles),
    ]


TEXT = (
    "Tiles of the default recipe against the control alone, by ground truth: how many are worse by more than 0.1 dB, "
    "the worst and the mean; and what caught the start. Left to the control: a share below "
    f"{GIVEN_UP}. `none` is the start that ships. A start with a number that is not finite is refused when it is "
    "loaded; it is planted here all the same. Fitted: gain and offset of both are fitted to the reference first. The "
    "first exposures of FMD are 3 to 10 % brighter than the mean of fifty that they are compared with, as dyes bleach, "
    "and what blurs a bright spot then seems better than what keeps it; W2S is always fitted."
)
HEADS = (
    "pictures", "planted", "tiles", "worse by 0.1 dB", "worst, dB", "mean, dB", "fitted: worse", "worst, dB",
    "mean, dB",
    "mended by a rung", "left to the control", "share", "suspect", "failed",
)  # fmt: skip


def main() -> None:
    """Write benchmarks/results/planted_starts.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one picture of each kind, printed and not kept")
    parser.add_argument("--only", nargs="*", default=[], help="some plants alone")
    parser.add_argument("--keep", type=Path, help="folder for the networks that the ladders left")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    count = 1 if asked.quick else None
    samples = [*photographs(count), *frames(count)]
    found: dict[tuple[str, str], list[Tile]] = {}
    for kind in asked.only or PLANTS:
        weights = planted(kind)
        for sample in samples:
            name = f"{kind} {sample.name}.pt".replace("/", " ")
            tiles = through_default(sample, weights, asked.keep and asked.keep / name)
            found.setdefault((sample.group, kind), []).extend(tiles)
            worst = min(tiles, key=lambda tile: tile.gain)
            print(kind, sample.name, f"{worst.gain:+.2f} dB", f"share {worst.share:.2f}", worst.rung, flush=True)
    rows = sorted((row_of(*key, tiles) for key, tiles in found.items()), key=lambda row: str(row[0]))
    write_table(
        "" if asked.quick else "planted_starts",
        "Starts that are spoiled, planted in place of the one that ships",
        [
            (
                TEXT,
                HEADS,
                rows,
            )
        ],
    )


if __name__ == "__main__":
    main()
