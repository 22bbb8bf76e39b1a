"""Does a sharpened image tell by itself that its PSF was wrong? `ringing` of true and of sharpened pictures.

    python -m benchmarks.ringing [--quick]

Pictures blurred by a Gaussian of 3 px (full width at half maximum) with noise of 2.55, in units of 0 to 255, and
sharpened with Gaussians of other widths; classics: those of Set12 with 256 x 256 pixels; frames: centres of 256 x 256
of clean fluorescence frames, over their maximum. Ringing: the root mean square by which an image leaves the range that
was measured around, on the lesser of both sides, over the measured contrast (tasks/sharpened.py). Misfit: the image,
measured again, beside the measurement, over the noise; it hardly sees a PSF that is too wide.
"""

import argparse
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from benchmarks.deblurring import blurred
from benchmarks.denoising import centre
from benchmarks.gpu import level
from benchmarks.images import classic, pairs
from benchmarks.table import write_table
from il_models.degradations import Blur, gaussian_psf
from il_models.fitting import fit
from il_models.methods import known_methods
from il_models.problem import Problem
from tasks.adaptation import begun_at
from tasks.registry.suited import BUNDLED, start_for
from tasks.sharpened import ringing
from tasks.tolerance import TOLERANCE

WIDTH, SIGMA = 3.0, 2.55
TOLD = (2.0, 2.5, 3.0, 3.5, 4.0, 4.5)
METHODS = ("wiener", "richardson_lucy", "pnp")
HEADS = ["pictures", "method", "PSF told, px", "n", "PSNR", "misfit", "ringing, median", "least", "most", "suspect"]


def pictures(quick: bool) -> Iterator[tuple[str, list[Tensor]]]:
    """Groups of clean pictures (1, h, w), 0 to 1."""
    photos = [each for each in classic("set12").values() if each.shape[-1] == 256]
    yield "classics", photos[: 1 if quick else None]
    frames = [centre(pair.clean[None] / float(pair.clean.max()), 256) for pair in pairs()]
    yield "frames", frames[: 1 if quick else None]


def row(group: str, name: str, told: float, clean: list[Tensor]) -> list[object]:
    """One line: a method that is told a width, over the pictures of a group."""
    levels, misfits, rings = [], [], []
    for place, picture in enumerate(clean):
        problem, inner = blurred(picture, gaussian_psf(WIDTH)[0, 0], SIGMA, place)
        as_told = Problem(problem.y, Blur(gaussian_psf(told)), problem.noise, problem.mask, problem.seeds)
        method = known_methods()[name]()
        start = begun_at(start_for(method, BUNDLED), method, as_told) if method.needs_start else None  # type: ignore[arg-type]
        x = fit(as_told, method, start=start).x
        (down, across), (height, width) = as_told.A.border, inner.shape[-2:]
        levels.append(float(level(x[..., down : down + height, across : across + width], inner)))
        misfits.append(float((as_told.A(x) - problem.y).std()) / (SIGMA / 255))
        rings.append(float(ringing(as_told, x, as_told.mask)))
    return [group, name, f"{told:g}", len(clean), float(np.mean(levels)), float(np.mean(misfits)), *_spread(rings)]


def truth(group: str, clean: list[Tensor]) -> list[object]:
    """One line: of the pictures themselves."""
    rings = []
    for place, picture in enumerate(clean):
        problem, _ = blurred(picture, gaussian_psf(WIDTH)[0, 0], SIGMA, place)
        rings.append(float(ringing(problem, picture[None], problem.mask)))
    return [group, "the truth", "", len(clean), "-", "-", *_spread(rings)]


def _spread(rings: list[float]) -> list[object]:
    beyond = sum(each > TOLERANCE.ringing for each in rings)
    return [*(f"{f(rings):.3f}" for f in (np.median, min, max)), f"{beyond} of {len(rings)}"]


def main() -> None:
    """Write benchmarks/results/ringing.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for group, clean in pictures(given.quick):
        rows.append(truth(group, clean))
        for name in METHODS:
            rows += [row(group, name, told, clean) for told in TOLD]
            print(*rows[-len(TOLD) :], sep="\n", flush=True)
    said = " ".join((__doc__ or "").split("\n\n")[2].split()) + f" Suspect: beyond {TOLERANCE.ringing:g}."
    write_table("" if given.quick else "ringing", "Ringing of sharpened images", [(said, HEADS, rows)])


if __name__ == "__main__":
    main()
