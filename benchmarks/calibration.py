"""Can the estimated PSNR of a tile be believed? Over 200 tiles with known noise, for every kind of risk.

python -m benchmarks.calibration [--quick] [--write] [--scores FILE] [--only METHOD]

Interrupted, it goes on where it was: every tile is a line of the file of scores.
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from benchmarks.images import classic, gaussian_problem, noisy
from benchmarks.table import write_table
from il_models.beside import risk_beside
from il_models.fitting import fit
from il_models.method import Direct, Method
from il_models.methods import known_methods
from il_models.metrics import psnr
from il_models.mixing import best_share, mixture
from il_models.problem import Problem
from il_models.risk import Estimate
from tasks.quality import CHANCE, control_of, estimate_of

SIDE, CROPS = 128, 70
SIGMAS = (15.0, 25.0, 50.0)
HEADS = (
    "method",
    "risk by",
    "sigma",
    "n",
    "true PSNR",
    "mean error, dB",
    "mean abs, dB",
    "95 % below, dB",
    "correlation",
)


@dataclass(frozen=True)
class Believed:
    """Estimated and true PSNR of a restored tile, dB, peak 1."""

    method: str
    way: str
    sigma: float
    tile: int
    true: float
    told: float


def crops() -> list[Tensor]:
    """Clean crops (1, 1, 128, 128), one after the other from all over Set12 and BSD68."""
    found = []
    for image in (classic("set12") | classic("bsd68")).values():
        height, width = image.shape[-2:]
        for top in range(0, height - SIDE + 1, 2 * SIDE):
            for left in range(0, width - SIDE + 1, SIDE):
                found.append(image[None, :1, top : top + SIDE, left : left + SIDE])
    return found[:: max(1, len(found) // CROPS)][:CROPS]


COUNTS = {
    "nlm": CROPS, "dct": CROPS, "zs_n2n": 24, "r2r": 24, "pixel2pixel": 8, "deep_decoder": 5, "drp": 24, "dip": 6,
}  # crops of each  # fmt: skip


def contestants() -> dict[str, tuple[Method, int]]:
    """Methods by name, each with how many crops it is asked for."""
    known = known_methods()
    return {name: (known[name](**known[name].presets.get("fast", {})), count) for name, count in COUNTS.items()}


def believed(
    method: str, sigma: float, tile: int, problem: Problem, own: Estimate, control: Estimate, clean: Tensor
) -> Believed:
    """One estimate, by its risk and by the truth."""
    way = "SURE" if own.where is None else "withheld pixels, beside the control"
    told = -10 * float(torch.log10(risk_beside(problem, own, control, chance=CHANCE).clamp(min=1e-5)))
    return Believed(method, way, sigma, tile, float(psnr(own.x, clean, 1.0, problem.mask)), told)


def findings(name: str, method: Method, tile: int, sigma: float, clean: Tensor) -> Iterator[Believed]:
    """A method on one tile, and mixed with the control."""
    problem = gaussian_problem(noisy(clean, sigma, 1000 * int(sigma) + tile), sigma, tile)
    done = fit(problem, method)
    own = estimate_of(problem, done, method)
    controls = [known_methods()[each]() for each in ("nlm", "dct") if each != name]
    control = control_of(problem, [each for each in controls if isinstance(each, Direct)], done.unseen)
    yield believed(name, sigma, tile, problem, own, control, clean)
    mixed = mixture(own, control, best_share(problem, own, control))
    yield believed(f"{name}, mixed", sigma, tile, problem, mixed, control, clean)


def rows(found: Sequence[Believed]) -> list[list[object]]:
    """Error and correlation per method and sigma, and over all sigmas."""
    table: list[list[object]] = []
    for method in dict.fromkeys(each.method for each in found):
        for sigma in (*SIGMAS, None):
            some = [each for each in found if each.method == method and sigma in (None, each.sigma)]
            if not some:
                continue
            true, told = (np.array([getattr(each, name) for each in some]) for name in ("true", "told"))
            error = told - true
            together = float(np.corrcoef(true, told)[0, 1]) if len(some) > 2 else float("nan")
            level = "all" if sigma is None else f"{sigma:g}"
            far = float(np.quantile(np.abs(error), 0.95))
            table.append(
                [method, some[0].way, level, len(some), float(true.mean()), f"{error.mean():+.2f}",
                 float(np.abs(error).mean()), far, together]
            )  # fmt: skip
    return table


def main() -> None:
    """Write benchmarks/results/calibration.md."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="two tiles, printed and not kept")
    parser.add_argument("--write", action="store_true", help="only write the table of the scores there are")
    parser.add_argument("--scores", type=Path, default=Path("calibration.jsonl"))
    parser.add_argument("--only", help="one method")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    lines = chosen.scores.read_text().splitlines() if chosen.scores.exists() and not chosen.quick else []
    found = [Believed(**json.loads(line)) for line in lines]
    done = {(each.method, each.sigma, each.tile) for each in found}
    clean = crops()
    for name, (method, count) in {} if chosen.write else contestants().items():
        for tile in range(0, len(clean), max(1, len(clean) // count)) if not chosen.quick else (0,):
            for sigma in SIGMAS:
                if (name, sigma, tile) in done or chosen.only not in (None, name):
                    continue
                fresh = list(findings(name, method, tile, sigma, clean[tile]))
                found += fresh
                print(fresh, flush=True)
                if not chosen.quick:
                    with chosen.scores.open("a") as file:
                        file.writelines(json.dumps(asdict(each)) + "\n" for each in fresh)
    text = (
        "Tiles of 128 x 128 from Set12 and BSD68 under Gaussian noise of known sigma. The weights' dependence on the "
        "measurement is not in SURE; withheld pixels are 2 or 3 % of a tile, so that risk is a mean over some hundred "
        "pixels. Mixed: with the classical methods, by the same risk."
    )
    write_table("" if chosen.quick else "calibration", "Estimated against true PSNR", [(text, HEADS, rows(found))])


if __name__ == "__main__":
    main()
