"""What quality for what time? Zero-Shot Noise2Noise beside non-local means on fixed protocols and real captures.

python -m benchmarks.denoising [--quick]

Protocols. P-crop: centre 256 x 256 crops in colour; P-full: whole images; P-grey: Set12. Values 0 to 1 in float32,
noise N(0, (sigma/255)^2) from a seeded generator per picture, neither clipped nor rounded; the final iterate, nothing
chosen by ground truth; output clipped to [0, 1]; PSNR over all pixels and channels with range 1; SSIM with a Gaussian
window of 11, sigma 1.5, mean over channels. Real pairs: noise blind from the capture itself, generalised Anscombe
transform, exact unbiased inverse, PSNR as the data's manifest says (gain and offset fitted where scales differ).
"""

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from skimage.metrics import structural_similarity
from torch import Tensor

from benchmarks.images import Pair, classic, gaussian_problem, noisy, pairs, stabilised_problem
from benchmarks.table import write_table
from il_models.fitting import fit
from il_models.method import Fitted, Method
from il_models.methods.identity import Identity
from il_models.methods.nlm import NonLocalMeans
from il_models.methods.zs_n2n import ZeroShotNoise2Noise
from il_models.metrics import affine_match, psnr
from il_models.noise import inverse_stabilised
from il_models.problem import Problem

DEFAULT = ZeroShotNoise2Noise()
TILE = ZeroShotNoise2Noise(views=8)
FAST = ZeroShotNoise2Noise(steps=1000, views=8)
LONG = ZeroShotNoise2Noise(steps=8000, views=8)
PAPER = ZeroShotNoise2Noise(steps=2000, crop=0, rate=1e-3, squares=0.999, decay="halving")
HEADS = ("protocol", "n", "method", "steps", "PSNR", "SSIM", "CPU-s", "paper")


@dataclass(frozen=True)
class Score:
    """One restoration of one picture."""

    protocol: str
    method: str
    steps: int
    psnr: float
    ssim: float
    seconds: float


Restore = Callable[[Problem], Tensor]


def whole(method: Method) -> Restore:
    """Each picture is one tile."""
    return lambda problem: fit(problem, method).x


def by_input(method: Fitted, own: int, side: int = 256) -> Restore:
    """One network per picture on random crops, then tiles of 256 x 256 from it, each with so many steps of its own."""

    def run(problem: Problem) -> Tensor:
        nets = fit(problem, method).nets
        assert nets is not None
        x, steps = torch.empty_like(problem.y), method.own_steps(own)
        height, width = problem.y.shape[-2:]
        for top in range(0, height, side):
            for left in range(0, width, side):
                box = (..., slice(top, top + side), slice(left, left + side))
                x[box] = fit(replace(problem, y=problem.y[box], mask=problem.mask[box]), steps, start=nets).x
        return x

    return run


def by_tile(method: Fitted, side: int = 256) -> Restore:
    """A network of its own for each tile of 256 x 256."""

    def run(problem: Problem) -> Tensor:
        x = torch.empty_like(problem.y)
        for top in range(0, problem.y.shape[-2], side):
            for left in range(0, problem.y.shape[-1], side):
                box = (..., slice(top, top + side), slice(left, left + side))
                x[box] = fit(replace(problem, y=problem.y[box], mask=problem.mask[box]), method).x
        return x

    return run


def contestants(large: bool, paper: bool) -> Iterator[tuple[str, int, Restore]]:
    """Name, steps and way to restore; `large` pictures are cut into tiles, `paper` adds the paper's dear recipe."""
    yield "noisy", 0, whole(Identity())
    yield "nlm", 0, whole(NonLocalMeans())
    yield "zs_n2n fast", FAST.steps, (by_tile(FAST) if large else whole(FAST))
    yield "zs_n2n", TILE.steps, (by_tile(TILE) if large else whole(TILE))
    if large:
        yield "zs_n2n scope input", DEFAULT.steps, by_input(DEFAULT, 0)
        yield "zs_n2n scope input, 400 own steps", DEFAULT.steps, by_input(DEFAULT, 400)
    else:
        yield "zs_n2n long", LONG.steps, whole(LONG)
    if paper:
        yield "zs_n2n as the paper", PAPER.steps, whole(PAPER)


def photographs(protocol: str, images: dict[str, Tensor], sigma: float, paper: int = 0) -> Iterator[Score]:
    """Scores of all contestants; the paper's recipe runs on the first so many pictures."""
    for place, clean in enumerate(images.values()):
        problem = gaussian_problem(noisy(clean, sigma, place)[None], sigma, place)
        large = max(clean.shape[-2:]) > 256
        for name, steps, restore in contestants(large, place < paper):
            began = time.process_time()
            x = restore(problem).clamp(0, 1)[0]
            seconds = time.process_time() - began
            everywhere = torch.ones(1, 1, *clean.shape[-2:], dtype=torch.bool)
            level = float(psnr(x[None], clean[None], 1.0, everywhere))
            yield Score(f"{protocol}, sigma {sigma:g}", name, steps, level, ssim(x, clean, 1.0), seconds)


def real(pair: Pair, seed: int) -> Iterator[Score]:
    """Scores of all contestants on a real capture."""
    ready = stabilised_problem(pair.noisy, seed)
    everywhere = torch.ones(1, 1, *pair.clean.shape, dtype=torch.bool)
    clean = pair.clean[None, None]
    for name, steps, restore in contestants(large=True, paper=False):
        began = time.process_time()
        x = restore(ready.problem)
        seconds = time.process_time() - began
        image = (
            pair.noisy[None, None]
            if name == "noisy"
            else inverse_stabilised(x * ready.scale + ready.offset, ready.noise)
        )
        image = affine_match(image, clean, everywhere) if pair.affine else image.clamp(0, 255)
        level = float(psnr(image, clean, pair.peak, everywhere))
        yield Score(pair.name, name, steps, level, ssim(image[0], clean[0], pair.peak), seconds)


def ssim(x: Tensor, clean: Tensor, peak: float) -> float:
    """As Wang et al. 2004 define it."""
    settings = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "channel_axis": 0}
    return float(structural_similarity(x.numpy(), clean.numpy(), data_range=peak, **settings))


def centre(image: Tensor, side: int = 256) -> Tensor:
    """The crop of P-crop."""
    top, left = (image.shape[-2] - side) // 2, (image.shape[-1] - side) // 2
    return image[:, top : top + side, left : left + side]


PAPER_SAYS = {  # Mansour and Heckel 2023 and re-runs of it, mostly over full sets: another average than ours
    "P-crop Kodak, sigma 25": "29.07 (24 images)",
    "P-crop Kodak, sigma 50": "24.81 (24 images)",
    "P-full Kodak, sigma 25": "29.54 (24 images)",
    "P-grey Set12 256, the other four, sigma 25": "27.18 (Set11)",
    "P-grey Set12 256, all five, sigma 50": "23.52 (Set11)",
    "P-grey cameraman, sigma 25": "27.32",
}


def means(scores: Sequence[Score]) -> list[list[object]]:
    """One row per protocol and method."""
    rows: list[list[object]] = []
    for protocol, method in dict.fromkeys((score.protocol, score.method) for score in scores):
        some = [score for score in scores if (score.protocol, score.method) == (protocol, method)]
        level, alike, seconds = (
            float(np.mean([getattr(s, name) for s in some])) for name in ("psnr", "ssim", "seconds")
        )
        says = PAPER_SAYS.get(protocol, "") if method.startswith("zs_n2n") else ""
        rows.append([protocol, len(some), method, some[0].steps, level, f"{alike:.3f}", f"{seconds:.1f}", says])
    return rows


def parts(quick: bool) -> dict[str, Callable[[], Iterator[Score]]]:
    """The parts of the benchmark by name, the cheap ones first."""
    grey = classic("set12")
    small = {name: image for name, image in grey.items() if image.shape[-1] == 256}
    large = {name: image for name, image in grey.items() if image.shape[-1] == 512}
    colour = classic("kodak")
    crops = {name: centre(image) for name, image in colour.items()}
    first, others = {"01": small["01"]}, {name: image for name, image in small.items() if name != "01"}
    if quick:
        return {"quick": lambda: photographs("P-grey centre of cameraman", {"01": centre(grey["01"], 128)}, 25)}

    def captures() -> Iterator[Score]:
        for seed, pair in enumerate(pairs()):
            yield from real(pair, seed)

    def greys() -> Iterator[Score]:
        yield from photographs("P-grey cameraman", first, 25, paper=1)
        yield from photographs("P-grey Set12 256, the other four", others, 25, paper=1)
        yield from photographs("P-grey Set12 256, all five", small, 50)
        yield from photographs("P-grey Set12 256, all five", small, 15)
        yield from photographs("P-grey Set12 512", large, 25)

    def colours() -> Iterator[Score]:
        yield from photographs("P-crop Kodak", crops, 25, paper=1)
        yield from photographs("P-crop Kodak", crops, 50)
        yield from photographs("P-full Kodak", colour, 25)

    return {"captures": captures, "greys": greys, "colours": colours}


def main() -> None:
    """Write benchmarks/results/denoising.md."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one crop, printed and not kept")
    quick = parser.parse_args().quick
    torch.set_num_threads(1)
    scores: list[Score] = []
    for part in parts(quick).values():
        for score in part():
            scores.append(score)
            print(score, flush=True)
        write_scores(scores, "" if quick else "denoising")


def write_scores(scores: Sequence[Score], name: str) -> None:
    """The tables of what was measured so far, for all of it takes more than an hour."""
    synthetic = [score for score in scores if "sigma" in score.protocol]
    captured = [score for score in scores if "sigma" not in score.protocol]
    together = [replace(score, protocol="mean of the real pairs") for score in captured]
    text = " ".join((__doc__ or "").split("Protocols. ")[1].split())
    sections = [(f"Photographs. {text} CPU-seconds of one thread.", HEADS, means(synthetic))]
    if captured:
        sections.append(
            ("Real microscopy pairs, 512 x 512, whose noise is estimated blind.", HEADS, means(together + captured))
        )
    write_table(name, "Denoising: quality and time", sections)


if __name__ == "__main__":
    main()
