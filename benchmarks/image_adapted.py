"""What does a denoiser gain that practises on the picture before it enlarges it?

    python -m benchmarks.image_adapted [--quick]

Pictures, degradations and scores of enlarging.md, without noise, and a picture of bars that the start has never seen
the like of. start: idbp_ia with no step of practice, which is idbp with the levels of its paper for super-resolution;
idbp_ia: after its 120 steps. Published: some 0.1 to 0.3 dB over the start, more where structure repeats (no table is at
hand). PSNR of the luminance in dB. A picture takes one thread some 10 CPU-seconds without and 35 with practice.
"""

import argparse

import torch
from torch import Tensor

from benchmarks.enlarging import NAMES, SIDE, problem_of
from benchmarks.table import write_table
from benchmarks.zooming import cut, degradation, pictures, rounded, score
from il_models.fitting import fit
from il_models.methods.bicubic import Bicubic
from il_models.methods.idbp_ia import ImageAdaptedProjections
from tasks.adaptation import begun_at
from tasks.registry.suited import BUNDLED, start_for

HEADS = ("picture", "degradation", "bicubic", "start", "idbp_ia", "gain")


def bars(side: int) -> Tensor:
    """Crossed bars of three widths, (1, 3, side, side), 0 to 1."""
    place = torch.arange(side, dtype=torch.float64)
    y, x = place[:, None], place[None]
    one = torch.sign(torch.sin(0.61 * x + 0.23 * y)) + torch.sign(torch.sin(0.37 * y - 0.18 * x)) * 0.6
    plane = (one + 0.4 * torch.sign(torch.sin(0.9 * x - 0.8 * y)) + 2) / 4
    return plane.expand(1, 3, side, side)


def row(name: str, x: Tensor, factor: int) -> list[object]:
    """One line of the table."""
    A = degradation("ideal", factor)
    x = cut(x, factor)
    problem = problem_of(rounded(A(x)), A, 0.0)
    reached = [score(fit(problem, Bicubic()).x.double(), x, factor)]
    for method in (ImageAdaptedProjections(steps=0), ImageAdaptedProjections()):
        start = begun_at(start_for(method, BUNDLED), method, problem)
        reached.append(score(fit(problem, method, start=start).x.double(), x, factor))
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
    said = (__doc__ or "").split("\n\n")[2].replace("\n", " ").strip()
    write_table("" if quick else "image_adapted", "Enlarging by a denoiser that practises", [(said, HEADS, rows)])


if __name__ == "__main__":
    main()
