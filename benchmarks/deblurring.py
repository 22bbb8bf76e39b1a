"""How much sharper does a known PSF make a blurred, noisy picture?

    python -m benchmarks.deblurring [--quick]
    python -m benchmarks.deblurring --first     the first picture of each scenario, without idbp: deblurring_first.md
    python -m benchmarks.deblurring --only NAME ...     some methods, printed and not kept

classics: the four scenarios of the deblurring literature on those of Set12 with 256 x 256 pixels: (1) 15 x 15,
1 / (1 + i^2 + j^2), sigma sqrt 2; (2) the same, sigma sqrt 8; (3) box of 9 x 9, sigma sqrt 0.3; (4) 1 4 6 4 1 along
both axes, sigma 7. levin: camera-shake kernels of Levin et al., CVPR 2009, on three pictures. Noise in units of 0 to
255. Blur is a valid convolution, so that the border is unknown and the scored picture is smaller by the PSF; the papers
blur in a circle, which gives their methods the border. Methods at their defaults, with the start that ships. PSNR in
dB, mean of the pictures, clipped to 0 to 1; CPU-seconds of one thread for one picture.
"""

import argparse
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from benchmarks.gpu import level
from benchmarks.images import DATA, classic, gaussian_problem
from benchmarks.table import write_table
from il_models.degradations import Blur
from il_models.fitting import fit
from il_models.methods import known_methods
from il_models.problem import Problem
from tasks.adaptation import begun_at
from tasks.registry.suited import BUNDLED, start_for

PSEUDO_INVERSE = "A+ y"
METHODS = (PSEUDO_INVERSE, "wiener", "richardson_lucy", "bp_tv", "idbp", "red", "pnp")
GAINS = {"classics 1": 9.69, "classics 2": 7.88, "classics 3": 10.21, "classics 4": 5.25}  # IDBP with IRCNN, its logs


def heads(methods: Sequence[str]) -> tuple[str, ...]:
    """Of the columns."""
    return "scenario", "sigma", "n", "blurred", *(f"{name} (gain)" for name in methods), "CPU-s", "gain in the paper"


def scenarios(short: bool) -> Iterator[tuple[str, Tensor, float, list[Tensor]]]:
    """Name, PSF (k, l), sigma and pictures (1, h, w)."""
    pictures = [each for each in classic("set12").values() if each.shape[-1] == 256]
    pictures = [each[:, 64:192, 64:192] for each in pictures[:1]] if short else pictures
    i = torch.arange(-7.0, 8.0)
    round_ = 1 / (1 + i[:, None] ** 2 + i[None] ** 2)
    narrow = torch.tensor([1.0, 4, 6, 4, 1])
    named = [(round_, 2**0.5), (round_, 8**0.5), (torch.ones(9, 9), 0.3**0.5), (narrow[:, None] * narrow, 7.0)]
    for number, (psf, sigma) in enumerate(named, 1):
        yield f"classics {number}", psf / psf.sum(), sigma, pictures
    for kernel in (1,) if short else (1, 2, 3, 4, 5):
        psf = torch.from_numpy(np.load(DATA / "classic" / "blur_kernels" / f"levin09_{kernel}.npy")).float()
        for sigma in (2.55, 7.65):
            yield f"levin {kernel}", psf / psf.sum(), sigma, pictures[:3]


def blurred(clean: Tensor, psf: Tensor, sigma: float, seed: int) -> tuple[Problem, Tensor]:
    """The problem of one picture (1, h, w), and the part of the picture that lies on its grid."""
    A = Blur(psf[None, None])
    y = A(clean[None])
    y = y + sigma / 255 * torch.randn(y.shape, generator=torch.Generator().manual_seed(seed))
    down, across = A.border
    return replace(gaussian_problem(y, sigma, seed), A=A), _inner(clean[None], down, across)


def sharpened(name: str, problem: Problem, preset: str | None = None) -> tuple[Tensor, float]:
    """A method's image on the measured grid, or the plain pseudo-inverse, and what it cost.

    Args:
        name, problem: of the method, and what it restores. preset: of the method, if it has it.
    """
    began = time.process_time()
    if name == PSEUDO_INVERSE:
        return _inner(problem.A.pinv(problem.y), *problem.A.border), time.process_time() - began
    kind = known_methods()[name]
    method = kind(**kind.presets.get(preset or "", {}))
    start = begun_at(start_for(method, BUNDLED), method, problem) if method.needs_start else None  # type: ignore[arg-type]
    x = fit(problem, method, start=start).x
    return _inner(x, *problem.A.border), time.process_time() - began


def _inner(x: Tensor, down: int, across: int) -> Tensor:
    return x[..., down : x.shape[-2] - down, across : x.shape[-1] - across]


def row(methods: Sequence[str], scenario: str, psf: Tensor, sigma: float, pictures: list[Tensor]) -> list[object]:
    """One line of the table."""
    before, after, spent = [], {name: [] for name in methods}, {name: [] for name in methods}  # type: ignore[var-annotated]
    for place, clean in enumerate(pictures):
        problem, inner = blurred(clean, psf, sigma, place)
        before.append(float(level(problem.y, inner)))
        for name in methods:
            x, seconds = sharpened(name, problem)
            after[name].append(float(level(x, inner)))
            spent[name].append(seconds)
    base = float(np.mean(before))
    reached = [f"{np.mean(after[name]):.2f} ({np.mean(after[name]) - base:+.2f})" for name in methods]
    seconds_of = " / ".join(f"{np.mean(spent[name]):.1f}" for name in methods)
    paper = f"{GAINS[scenario]:+.2f} (8 pictures, IDBP, IRCNN)" if scenario in GAINS else ""
    return [scenario, f"{sigma:.2f}", len(pictures), base, *reached, seconds_of, paper]


def main() -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--first", action="store_true")
    parser.add_argument("--only", nargs="*", choices=METHODS, default=METHODS)
    given = parser.parse_args()
    methods = [name for name in given.only if name != "idbp" or not given.first]
    torch.set_num_threads(1)
    rows = []
    for scenario, psf, sigma, pictures in scenarios(given.quick):
        rows.append(row(methods, scenario, psf, sigma, pictures[:1] if given.first else pictures))
        print(rows[-1], flush=True)
    said = (__doc__ or "").split("\n\n")[2].replace("\n", " ").strip()
    name = "" if given.quick or given.only != METHODS else "deblurring_first" if given.first else "deblurring"
    write_table(name, "Deblurring by a known PSF", [(said, heads(methods), rows)])


if __name__ == "__main__":
    main()
