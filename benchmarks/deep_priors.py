"""How far do deep priors sharpen and enlarge a picture in minutes of a CPU, beside the classical controls?

    python -m benchmarks.deep_priors --keep DIR [--steps N] [--only METHOD ...] [--scenario NAME]
    python -m benchmarks.deep_priors --write DIR

One crop of 128 x 128 px of the first of Set12 with 256 x 256, as it is measured: gaussian, a Gaussian of 1.6 px and
noise of 2; levin 1, a camera-shake kernel of Levin et al., CVPR 2009, and noise of 2.55 (units of 0 to 255). Blur is a
valid convolution. enlarged x2: the same crop, made half as large by imresize and rounded to 8 bits, told a noise of
0.29; without the border of 2 px. Networks and steps are those of the `fast` presets (dip: `sharpen`), of 120,000
weights; the papers' take a CPU hours for such a crop. PSNR in dB, clipped to 0 to 1, and the gain over the blurred or
interpolated picture; `best` is the best single estimate on the way, which nobody could know without the truth, and its
step; the result is an average of estimates, and may be better. CPU-seconds of one thread, of a machine that others used
as well.
"""

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.deblurring import PSEUDO_INVERSE, blurred, sharpened
from benchmarks.gpu import level
from benchmarks.images import DATA, classic, gaussian_problem
from benchmarks.table import write_table
from il_models.degradations import Downsample, gaussian_psf
from il_models.fitting import fit
from il_models.fitting.stoppers import Budget, FirstOf
from il_models.method import Fitted
from il_models.methods import known_methods
from il_models.problem import Problem
from il_models.stopper import Decision, Look, State, Stopper

CONTROLS = (PSEUDO_INVERSE, "wiener", "richardson_lucy", "bp_tv", "bicubic", "pnp")
ENLARGED = "enlarged x2"
PRIORS = ("dip", "bp_dip", "pnp_dip", "deep_red", "gsure")
SIDE, EVERY, EDGE = 128, 25, 2
HEADS = ("method", "steps", "stopped by", "PSNR (gain)", "best (step)", "CPU-s")


@dataclass(frozen=True)
class Witness(Stopper):
    """Stops nothing; writes down how good each estimate is."""

    problem: Problem
    inner: Tensor
    curve: list[tuple[int, float]]

    @property
    def reasons(self) -> tuple[str, ...]:
        """Never given."""
        return ("none",)

    @property
    def every(self) -> int:
        """So often."""
        return EVERY

    @property
    def watches_estimate(self) -> bool:
        """It looks at nothing else."""
        return True

    def decide(self, state: State, look: Look) -> Decision:
        """Writes it down."""
        assert look.estimate is not None
        self.curve.append((look.step, _psnr(look.estimate, self.problem, self.inner)))
        go_on = torch.zeros_like(look.loss, dtype=torch.int64)
        return Decision(state, go_on, go_on == 0)


def scenarios() -> Iterator[tuple[str, float, Problem, Tensor]]:
    """Name, sigma, problem, and the part of the picture that lies on its grid."""
    clean = next(each for each in classic("set12").values() if each.shape[-1] == 256)
    levin = torch.from_numpy(np.load(DATA / "classic" / "blur_kernels" / "levin09_1.npy")).float()
    kernels = {"levin 1": (levin / levin.sum(), 2.55), "gaussian": (gaussian_psf(1.6 * 2.3548)[0, 0], 2.0)}
    for name, (psf, sigma) in kernels.items():
        sides = [SIDE + side - 1 for side in psf.shape]
        corner = [128 - side // 2 for side in sides]
        crop = clean[:, corner[0] : corner[0] + sides[0], corner[1] : corner[1] + sides[1]]
        yield name, sigma, *blurred(crop, psf, sigma, 0)
    crop, sigma, A = clean[None, :, 128:, 128:][..., :SIDE, :SIDE], 12**-0.5, Downsample(2)
    yield ENLARGED, sigma, replace(gaussian_problem((255 * A(crop)).round() / 255, sigma, 0), A=A), _within(crop)


def _within(x: Tensor) -> Tensor:
    return x[..., EDGE:-EDGE, EDGE:-EDGE]


def before(problem: Problem, inner: Tensor) -> float:
    """PSNR of what was measured, interpolated where the image is finer."""
    x = problem.y if problem.y.shape == inner.shape else _within(problem.A.guess(problem.y))
    return float(level(x, inner))


def control(name: str, problem: Problem, inner: Tensor) -> dict[str, Any]:
    """A row of one that fits nothing."""
    x, seconds = sharpened(name, problem, "zoom" if isinstance(problem.A, Downsample) else None)
    return _row(float(level(x if x.shape == inner.shape else _within(x), inner)), seconds=seconds)


def prior(name: str, steps: int | None, problem: Problem, inner: Tensor) -> dict[str, Any]:
    """A row of a deep prior by its small network, for the steps of its preset or so many."""
    kind = known_methods()[name]
    method = kind(**{**kind.presets.get("sharpen", kind.presets["fast"]), **({"steps": steps} if steps else {})})
    assert isinstance(method, Fitted)
    curve: list[tuple[int, float]] = []
    began = time.process_time()
    own = method.stopper or Budget(method.steps)
    done = fit(problem, method, stopper=FirstOf((own, Witness(problem, inner, curve))))
    seconds, record = time.process_time() - began, done.records[0]
    found = _row(_psnr(done.x, problem, inner), seconds=seconds)
    return {**found, "steps": record.steps, "reason": record.reason, "curve": curve}


def _row(psnr: float, seconds: float) -> dict[str, Any]:
    return {"psnr": psnr, "seconds": seconds, "steps": 0, "reason": "", "curve": []}


def _psnr(x: Tensor, problem: Problem, inner: Tensor) -> float:
    if isinstance(problem.A, Downsample):
        return float(level(_within(x), inner))
    down, across = problem.A.border
    return float(level(x[..., down : x.shape[-2] - down, across : x.shape[-1] - across], inner))


def measure(keep: Path, steps: int | None, only: list[str], wanted: str | None) -> None:
    """All rows; each is kept as it ends."""
    keep.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    for scenario, sigma, problem, inner in scenarios():
        if wanted not in (None, scenario):
            continue
        base = {"scenario": scenario, "sigma": sigma, "blurred": before(problem, inner)}
        serves = {name for name, kind in known_methods().items() if type(problem.A) in kind.serves} | {PSEUDO_INVERSE}
        for name in [name for name in only if name in serves]:
            row = prior(name, steps, problem, inner) if name in PRIORS else control(name, problem, inner)
            (keep / f"{scenario}_{name}.json").write_text(json.dumps({**base, "name": name, **row}))
            print(scenario, name, {key: value for key, value in row.items() if key != "curve"}, flush=True)


def write(keep: Path) -> None:
    """The tables of what was kept."""
    known = [json.loads(path.read_text()) for path in keep.glob("*.json")]
    sections: list[tuple[str, tuple[str, ...], list[list[object]]]] = []
    said = (__doc__ or "").split("\n\n")[2].replace("\n", " ").strip()
    for scenario in sorted({row["scenario"] for row in known}):
        rows = {row["name"]: row for row in known if row["scenario"] == scenario}
        one = next(iter(rows.values()))
        seen = "interpolated" if scenario == ENLARGED else "blurred"
        text = f"{scenario}, sigma {one['sigma']:.3g}; {seen} {one['blurred']:.2f} dB."
        lines = [_line(rows[name]) for name in (*CONTROLS, *PRIORS) if name in rows]
        sections.append((f"{said} {text}" if not sections else text, HEADS, lines))
    write_table("deep_priors", "Deep priors that sharpen", sections)


def _line(row: dict[str, Any]) -> list[object]:
    best = max(row["curve"], key=lambda each: each[1], default=None)
    return [
        row["name"],
        row["steps"] or "",
        row["reason"],
        f"{row['psnr']:.2f} ({row['psnr'] - row['blurred']:+.2f})",
        f"{best[1]:.2f} ({best[0]})" if best else "",
        f"{row['seconds']:.0f}" if row["seconds"] > 10 else f"{row['seconds']:.1f}",
    ]


def main() -> None:
    """Measure, or write."""
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--keep", type=Path, default=Path("deep_priors"))
    ask.add_argument("--steps", type=int, default=None)
    ask.add_argument("--only", nargs="*", choices=[*CONTROLS, *PRIORS], default=[*CONTROLS, *PRIORS])
    ask.add_argument("--scenario", choices=["levin 1", "gaussian", ENLARGED], default=None)
    ask.add_argument("--write", type=Path, default=None)
    given = ask.parse_args()
    if given.write is not None:
        write(given.write)
    else:
        measure(given.keep, given.steps, given.only, given.scenario)


if __name__ == "__main__":
    main()
