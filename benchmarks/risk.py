"""Can quality be told without ground truth? Estimated against true risk, and what good and bad restorations look like.

python -m benchmarks.risk [--quick]
"""

import argparse
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.images import classic, gaussian_problem, noisy, pairs, stabilised_problem
from benchmarks.table import write_table
from il_models.draw import Draw
from il_models.fitting import fit
from il_models.methods.nlm import NonLocalMeans
from il_models.methods.zs_n2n import ZeroShotNoise2Noise
from il_models.metrics import affine_match, autocorrelation, mean, mse, std
from il_models.nets import Nets
from il_models.noise import Noise, estimate_noise, inverse_stabilised
from il_models.problem import Problem
from il_models.risk import RESOLUTION, probed, sure
from tasks.tolerance import TOLERANCE

SIDE = 128
PAPER = ZeroShotNoise2Noise(crop=0, rate=1e-3, squares=0.999, decay="halving")
Apply = Callable[[Problem], Tensor]


@dataclass(frozen=True)
class Scene:
    """A picture as a problem of one tile, its clean twin in the same units, and where to cut tiles of 128 x 128."""

    group: str
    problem: Problem
    clean: Tensor
    corners: list[tuple[int, int]]


@dataclass(frozen=True)
class Finding:
    """One estimate of one tile; all risks in units of the noise variance."""

    group: str
    method: str
    tile: int
    true: float
    sure: float
    unit: float  # SURE with unit variance, as if noise of few photons were stabilised perfectly
    own: float  # SURE with the noise that the tile shows itself
    ratio: float
    correlation: float


def scenes(quick: bool) -> Iterator[Scene]:
    """Photographs with known noise, one tile each, and real captures with blind noise, two tiles each."""
    photos = list((classic("set12", 2) if quick else classic("set12") | classic("bsd68")).values())
    for sigma in (25.0,) if quick else (25.0, 10.0, 50.0):
        for place, clean in enumerate(photos[: 16 if sigma == 25 else 5]):
            top, left = (clean.shape[-2] - SIDE) // 2, (clean.shape[-1] - SIDE) // 2
            problem = gaussian_problem(noisy(clean, sigma, place)[None], sigma, place)
            yield Scene(f"photos, sigma {sigma:g}", problem, clean[None], [(top // 2 * 2, left // 2 * 2)])
    for place, pair in enumerate(pairs()):
        ready = stabilised_problem(pair.noisy, place)
        everywhere = torch.ones(1, 1, *pair.clean.shape, dtype=torch.bool)
        clean = affine_match(pair.clean[None, None], pair.noisy[None, None], everywhere)
        twin = (expected_stabilised(clean, ready.noise) - ready.offset) / ready.scale
        name = "real, white" if ready.problem.noise.colour.abs() < 0.25 else "real, coloured"
        corners = [(64, 64), (320, 320)]
        yield Scene(name, ready.problem, twin, corners[: 1 if quick else 2])
        if quick:
            return


def expected_stabilised(clean: Tensor, noise: Noise) -> Tensor:
    """The stabilised value whose unbiased inverse is the clean image, by inverting that inverse on a grid."""
    grid = torch.linspace(-100, 1000, 200_001)
    image = inverse_stabilised(grid.reshape(1, 1, -1), noise)[0, 0]
    grid, image = grid[image > image.min()], image[image > image.min()]  # below, all values mean no light
    return torch.from_numpy(np.interp(clean.numpy(), image.numpy(), grid.numpy())).float()


def applied(method: ZeroShotNoise2Noise, nets: Nets | None) -> Apply:
    """Inference by given networks."""

    def run(problem: Problem) -> Tensor:
        assert nets is not None
        with torch.no_grad():
            return method.estimate(nets, {}, problem, Draw(problem.seeds))

    return run


def candidates(scene: Scene, whole: Nets | None, problem: Problem, long: bool) -> Iterator[tuple[str, Apply]]:
    """Restorations of a tile by name: the control, learned ones, and ones that are bad on purpose."""
    nlm = NonLocalMeans()
    yield "nlm", nlm.estimate
    own = ZeroShotNoise2Noise(views=8)
    learned = applied(own, fit(problem, own).nets)
    yield "zs_n2n, tile", learned
    yield "zs_n2n, input", applied(ZeroShotNoise2Noise(), whole)
    if scene.group.startswith("photos"):
        short = replace(PAPER, steps=250)
        yield "paper, 250 steps", applied(short, fit(problem, short).nets)
    if long:
        yield "paper, 2000 steps", applied(PAPER, fit(problem, PAPER).nets)
    yield "bad: blurred", lambda p: blurred(p.y)
    yield "bad: half done", lambda p: (p.y + learned(p)) / 2
    yield "bad: detail lost", lambda p: blurred(learned(p))


def blurred(x: Tensor) -> Tensor:
    """Gaussian blur of 1.5 pixels."""
    ticks = torch.arange(-5, 6).float()
    line = torch.exp(-(ticks**2) / (2 * 1.5**2))
    kernel = torch.outer(line, line)[None, None] / line.sum() ** 2
    return functional.conv2d(functional.pad(x, (5, 5, 5, 5), "reflect"), kernel)


def stein(problem: Problem, x: Tensor, apply: Apply) -> Tensor:
    """SURE with the noise of the problem."""
    return sure(problem, probed(problem, x, lambda y: apply(replace(problem, y=y)), Draw(problem.seeds + 99)))


def own_noise(problem: Problem) -> Noise:
    """The noise of one tile, blind from itself."""
    gain, variance, _ = estimate_noise(problem.y[0], problem.mask[0])
    return Noise(torch.tensor([[gain]]), torch.tensor([[variance]]), problem.noise.correlation)


def unit_noise(problem: Problem) -> Noise:
    """Without the correction for few photons."""
    return Noise(problem.noise.gain, problem.noise.variance, problem.noise.correlation)


def findings(scene: Scene, number: int, long: bool) -> Iterator[Finding]:
    """All estimates of a scene's tiles, judged."""
    default = ZeroShotNoise2Noise()
    whole = fit(scene.problem, default).nets
    for place, (top, left) in enumerate(scene.corners):
        box = (..., slice(top, top + SIDE), slice(left, left + SIDE))
        problem = replace(scene.problem, y=scene.problem.y[box], mask=scene.problem.mask[box])
        unit = float(problem.noise.variance)
        noises = (problem.noise, unit_noise(problem), own_noise(problem))
        for name, apply in candidates(scene, whole, problem, long and place == 0):
            x = apply(problem)
            residual = (problem.y - x) / mean(problem.noise.sigma(x) ** 2, problem.mask).sqrt()
            risks = [float(stein(replace(problem, noise=noise), x, apply)) / unit for noise in noises]
            yield Finding(
                group=scene.group,
                method=name,
                tile=100 * number + place,
                true=float(mse(x, scene.clean[box], problem.mask)) / unit,
                sure=risks[0],
                unit=risks[1],
                own=risks[2],
                ratio=float(std(residual, problem.mask)),
                correlation=float(autocorrelation(residual, problem.mask) - problem.noise.correlation.mean(1)),
            )


def decibel(ratio: float) -> float:
    return 10 * math.log10(max(ratio, RESOLUTION))


def risk_rows(found: Sequence[Finding], way: str = "sure") -> list[list[object]]:
    """Estimated against true risk per group and method."""
    rows: list[list[object]] = []
    for group, method in sorted({(f.group, f.method) for f in found if not f.method.startswith("bad")}):
        some = [f for f in found if (f.group, f.method) == (group, method)]
        error = np.array([getattr(f, way) - f.true for f in some])
        level = np.array([decibel(getattr(f, way)) - decibel(f.true) for f in some])
        true, told = [decibel(f.true) for f in some], [decibel(getattr(f, way)) for f in some]
        correlation = float(np.corrcoef(true, told)[0, 1]) if len(some) > 2 else math.nan
        rows.append(
            [group, method, len(some), -float(np.mean(true)), f"{error.mean():+.3f}", f"{error.std():.3f}",
             float(np.abs(level).mean()), correlation]
        )  # fmt: skip
    return rows


WAYS = ("sure", "unit", "own")


def skill_rows(found: Sequence[Finding]) -> list[list[object]]:
    """How often the estimated skill against nlm has the sign of the true one, where that exceeds 0.3 dB."""
    rows: list[list[object]] = []
    control = {f.tile: f for f in found if f.method == "nlm"}
    for group, method in sorted({(f.group, f.method) for f in found if f.method != "nlm"}):
        some = [f for f in found if (f.group, f.method) == (group, method)]
        true = [decibel(control[f.tile].true) - decibel(f.true) for f in some]
        told = {way: [decibel(getattr(control[f.tile], way)) - decibel(getattr(f, way)) for f in some] for way in WAYS}
        clear = [i for i, skill in enumerate(true) if abs(skill) > 0.3]
        right = [sum(told[way][i] * true[i] > 0 for i in clear) for way in WAYS]
        errors = [float(np.mean([abs(a - b) for a, b in zip(told[way], true, strict=True)])) for way in WAYS]
        rows.append([group, method, len(some), float(np.mean(true)), len(clear), *right, *errors])
    return rows


def look_rows(found: Sequence[Finding]) -> list[list[object]]:
    """Residuals of good and bad restorations: quantiles, and how many tiles the limits call suspect."""
    rows: list[list[object]] = []
    control = {f.tile: f for f in found if f.method == "nlm"}
    for group, method in sorted({(_kind(f), f.method) for f in found}):
        some = [f for f in found if (_kind(f), f.method) == (group, method)]
        ratio = np.quantile([f.ratio for f in some], (0.05, 0.5, 0.95))
        correlation = np.quantile([f.correlation for f in some], (0.05, 0.5, 0.95))
        true = float(np.mean([decibel(control[f.tile].true) - decibel(f.true) for f in some]))
        judged = [_speaks_against(f, control[f.tile]) for f in some]
        shares = [f"{np.mean(each):.0%}" for each in zip(*judged, strict=True)]
        rows.append([group, method, len(some), true, *map(float, ratio), *map(float, correlation), *shares])
    return rows


def _speaks_against(finding: Finding, control: Finding) -> tuple[bool, bool, bool, bool]:
    """Too little removed, too much removed, correlated residual, worse than the control; as tasks/quality.py asks."""
    return (
        finding.ratio < TOLERANCE.lowest_ratio,
        finding.ratio > TOLERANCE.highest_ratio,
        finding.correlation > TOLERANCE.correlation,
        decibel(control.sure) - decibel(finding.sure) < TOLERANCE.skill,
    )


def _kind(finding: Finding) -> str:
    return "photos" if finding.group.startswith("photos") else finding.group


def main() -> None:
    """Write benchmarks/results/risk.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few tiles, printed and not kept")
    quick = parser.parse_args().quick
    torch.set_num_threads(1)
    found: list[Finding] = []
    for number, scene in enumerate(scenes(quick)):
        found += findings(scene, number, long=number % 16 == 0 and not quick)
        print(found[-1], flush=True)
    tiles = len({f.tile for f in found})
    write_table(
        "" if quick else "risk",
        f"Risk without ground truth, {tiles} tiles of 128 x 128",
        [
            (
                "Monte-Carlo SURE with one probe, weights fitted to the same pixels held fixed. Errors in units of the "
                "noise variance, SURE minus truth; then as decibels of PSNR, and the correlation of estimated and true "
                "PSNR. The truth of real captures is a reference with noise of its own (1/50 of the variance for FMD).",
                ("tiles", "method", "n", "true gain, dB", "mean error", "its deviation", "mean abs, dB", "correlation"),
                risk_rows(found),
            ),
            (
                "The same for real captures as if stabilised noise had unit variance everywhere.",
                ("tiles", "method", "n", "true gain, dB", "mean error", "its deviation", "mean abs, dB", "correlation"),
                risk_rows([f for f in found if f.group.startswith("real")], "unit"),
            ),
            (
                "Skill against nlm: sign right where the true difference exceeds 0.3 dB, mean absolute error in dB; "
                "by SURE, by SURE as if stabilised noise had unit variance, and by SURE with the noise that the tile "
                f"shows itself. Risks below {RESOLUTION} of the noise variance count as {RESOLUTION}.",
                (
                    "tiles",
                    "method",
                    "n",
                    "true skill, dB",
                    "clear",
                    "right: SURE",
                    "unit variance",
                    "own noise",
                    "mean abs error: SURE",
                    "unit variance",
                    "own noise",
                ),
                skill_rows(found),
            ),
            (
                "What residuals look like: standard deviation over that of the noise, and lag-1 correlation beyond "
                "that of the noise, quantiles 5, 50 and 95 %; and the share of tiles that each limit calls suspect.",
                (
                    "tiles",
                    "method",
                    "n",
                    "true skill, dB",
                    "ratio 5 %",
                    "50 %",
                    "95 %",
                    "correlation 5 %",
                    "50 %",
                    "95 %",
                    "noise left",
                    "too much removed",
                    "correlated",
                    "worse than nlm",
                ),
                look_rows(found),
            ),
        ],
    )


if __name__ == "__main__":
    main()
