"""What does a denoiser gain that practises on the picture before it enlarges it?

    python -m benchmarks.image_adapted [--quick]

Pictures, degradations and scores of enlarging.md, without noise, and a picture of bars that the start has never seen
the like of. start: idbp_ia with no step of practice, which is idbp with the levels of its paper for super-resolution;
idbp_ia: after its 120 steps. Published: some 0.1 to 0.3 dB over the start, more where structure repeats (no table is at
hand). PSNR of the luminance in dB. A picture takes one thread some 10 CPU-seconds without and 35 with practice.

Grey pictures that the start has not learned from, and two averaged fluorescence captures, their middle of 192 x 192 px
at most: a Gaussian of 1.6 px, every third pixel, no noise; PSNR in dB without a border of 6 px. All with the cycle of
turns and shifts; idbp: its levels for deblurring, which are high where there is no noise. Wanted: the start 0.3 dB
above A+ y (1.5 where structure repeats), practice 0.3 dB in the mean and nowhere below -0.1.
"""

import argparse
from collections.abc import Iterator

import torch
from torch import Tensor

from benchmarks.enlarging import NAMES, SIDE, problem_of
from benchmarks.images import pairs
from benchmarks.table import write_table
from benchmarks.zooming import cut, degradation, pictures, rounded, score
from il_models.degradations import Subsample, gaussian_psf
from il_models.fitting import fit
from il_models.method import Fitted
from il_models.methods.bicubic import Bicubic
from il_models.methods.idbp import BackwardProjections
from il_models.methods.idbp_ia import ImageAdaptedProjections
from il_models.networks.denoiser import MULTIPLE
from il_models.problem import Problem
from tasks.adaptation import begun_at
from tasks.learning.packaged import held_out_planes
from tasks.registry.suited import BUNDLED, start_for

HEADS = ("picture", "degradation", "bicubic", "start", "idbp_ia", "gain")
BLURRED = ("picture", "bicubic", "A+ y", "idbp", "start", "over A+ y", "idbp_ia", "gain")
WIDTH, FACTOR, EDGE = 1.6 * 2.3548, 3, 6


def bars(side: int) -> Tensor:
    """Crossed bars of three widths, (1, 3, side, side), 0 to 1."""
    place = torch.arange(side, dtype=torch.float64)
    y, x = place[:, None], place[None]
    one = torch.sign(torch.sin(0.61 * x + 0.23 * y)) + torch.sign(torch.sin(0.37 * y - 0.18 * x)) * 0.6
    plane = (one + 0.4 * torch.sign(torch.sin(0.9 * x - 0.8 * y)) + 2) / 4
    return plane.expand(1, 3, side, side)


def begun(problem: Problem, method: Fitted) -> Tensor:
    """What a method makes of it from the start that ships."""
    return fit(problem, method, start=begun_at(start_for(method, BUNDLED), method, problem)).x


def unseen() -> Iterator[tuple[str, Tensor]]:
    """Middles of grey pictures, (1, 1, side, side), 0 to 1."""
    captures = {pair.name: pair.clean / pair.clean.max() for pair in pairs()}
    chosen = [next(name for name in captures if name.startswith(kind)) for kind in ("fmd", "w2s")]
    for name, plane in [*held_out_planes().items(), *((name, captures[name]) for name in chosen)]:
        image = torch.as_tensor(plane).float()
        side = min(*image.shape, SIDE) // (FACTOR * MULTIPLE) * FACTOR * MULTIPLE
        top, left = ((whole - side) // 2 for whole in image.shape)
        yield name, image[None, None, top : top + side, left : left + side]


def blurred_row(name: str, x: Tensor) -> list[object]:
    """One line of the second table."""
    A = Subsample(gaussian_psf(WIDTH), FACTOR)
    problem = problem_of(A(x), A, 0.0)
    made = [A.guess(problem.y), A.pinv(problem.y)]
    made += [begun(problem, each) for each in (BackwardProjections(), ImageAdaptedProjections(steps=0))]
    made.append(begun(problem, ImageAdaptedProjections()))
    plain, back, idbp, start, adapted = (
        float(-10 * torch.log10((each - x)[..., EDGE:-EDGE, EDGE:-EDGE].square().mean())) for each in made
    )
    print(name, plain, back, idbp, start, adapted, flush=True)
    return [name, plain, back, idbp, start, f"{start - back:+.2f}", adapted, f"{adapted - start:+.2f}"]


def row(name: str, x: Tensor, factor: int) -> list[object]:
    """One line of the table."""
    A = degradation("ideal", factor)
    x = cut(x, factor)
    problem = problem_of(rounded(A(x)), A, 0.0)
    reached = [score(fit(problem, Bicubic()).x.double(), x, factor)]
    for method in (ImageAdaptedProjections(steps=0), ImageAdaptedProjections()):
        reached.append(score(begun(problem, method).double(), x, factor))
    print(name, factor, reached, flush=True)
    return [name, f"ideal x{factor}", *reached, f"{reached[2] - reached[1]:+.2f}"]


def main() -> None:
    """Measure and write the table."""
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("--quick", action="store_true")
    quick = ask.parse_args().quick
    torch.set_num_threads(1)
    found = {"bars": bars(SIDE), **{name: pictures(SIDE)[name] for name in NAMES}}
    rows = [row(name, x, 2) for name, x in list(found.items())[: 2 if quick else None]]
    blurred = [] if quick else [blurred_row(name, x) for name, x in unseen()]
    first, second = (part.replace("\n", " ").strip() for part in (__doc__ or "").split("\n\n")[2:4])
    sections = [(first, HEADS, rows), (second, BLURRED, blurred)]
    write_table("" if quick else "image_adapted", "Enlarging by a denoiser that practises", sections)


if __name__ == "__main__":
    main()
