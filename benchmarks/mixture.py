"""Does it pay to mix learned and classical estimates? And does estimated risk know the weights?

    python -m benchmarks.mixture [--quick] [--every K]

nlm and dct, their mixture by risk (the control), and learned methods with one network per picture, alone and mixed with
the control; per tile of 256 x 256; on the real microscopy pairs and on photographs with noise of sigma 25.
"""

import argparse
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

import numpy as np
import torch
from torch import Tensor

from benchmarks.images import classic, gaussian_problem, noisy, pairs, stabilised_problem
from benchmarks.table import write_table
from il_models.fitting import fit
from il_models.method import Fitted
from il_models.methods.dct import SlidingCosine
from il_models.methods.nlm import NonLocalMeans
from il_models.methods.r2r import RecorruptedToRecorrupted
from il_models.methods.zs_n2n import ZeroShotNoise2Noise
from il_models.metrics import affine_match, psnr
from il_models.mixing import best_share, mixture
from il_models.nets import Nets
from il_models.noise import inverse_stabilised
from il_models.problem import Problem
from tasks.quality import control_of, estimate_of

SIDE = 256
LEARNED: dict[str, Fitted] = {
    "zs_n2n": ZeroShotNoise2Noise(),
    "r2r": RecorruptedToRecorrupted(**RecorruptedToRecorrupted.presets["fast"]),
}
WAYS = ("noisy", "nlm", "dct", "both", *(way for name in LEARNED for way in (name, f"{name}, mixed")))


def estimates(problem: Problem) -> tuple[dict[str, Tensor], list[float]]:
    """The pictures of all ways in problem units, and the mean weight of each learned estimate by risk."""
    fitted = {name: (method, fit(problem, method.on_input()).nets) for name, method in LEARNED.items()}
    found = {way: problem.y.clone() for way in WAYS}
    weights: list[list[float]] = []
    for top in range(0, problem.y.shape[-2], SIDE):
        for left in range(0, problem.y.shape[-1], SIDE):
            box = (..., slice(top, top + SIDE), slice(left, left + SIDE))
            tile = replace(problem, y=problem.y[box], mask=problem.mask[box])
            pictures, shares = _tile(tile, fitted)
            weights.append(shares)
            for way, x in pictures.items():
                found[way][box] = x
    return found, [float(each) for each in np.mean(weights, 0)]


def _tile(tile: Problem, fitted: dict[str, tuple[Fitted, Nets | None]]) -> tuple[dict[str, Tensor], list[float]]:
    controls = (NonLocalMeans(), SlidingCosine())
    classical = control_of(tile, controls)
    found = {control.name: fit(tile, control).x for control in controls} | {"both": classical.x}
    shares = []
    for name, (method, nets) in fitted.items():
        inference = method.on_input().own_steps(0)
        learned = estimate_of(tile, fit(tile, inference, start=nets), inference)
        share = best_share(tile, learned, classical)
        found |= {name: learned.x, f"{name}, mixed": mixture(learned, classical, share).x}
        shares.append(float(share))
    return found, shares


def captures(count: int | None, every: int) -> Iterator[list[object]]:
    """A row per real capture."""
    for seed, pair in enumerate(islice(pairs(), count)):
        if seed % every:
            continue
        print(pair.name, flush=True)
        ready = stabilised_problem(pair.noisy, seed)
        found, share = estimates(ready.problem)
        everywhere, clean = torch.ones_like(ready.problem.mask), pair.clean[None, None]
        row: list[object] = [pair.name]
        for way, x in found.items():
            image = pair.noisy[None, None]
            if way != "noisy":
                image = inverse_stabilised(x * ready.scale + ready.offset, ready.noise)
            image = affine_match(image, clean, everywhere) if pair.affine else image.clamp(0, 255)
            row.append(float(psnr(image, clean, pair.peak, everywhere)))
        yield [*row, *share]


def photographs(count: int | None, every: int) -> Iterator[list[object]]:
    """A row per photograph of Set12 and Kodak."""
    pictures = classic("set12", count) if count else classic("set12") | classic("kodak")
    for seed, (name, clean) in enumerate(pictures.items()):
        if seed % every:
            continue
        problem = gaussian_problem(noisy(clean, 25, seed)[None], 25, seed)
        found, share = estimates(problem)
        levels = [float(psnr(x.clamp(0, 1), clean[None], 1.0, problem.mask)) for x in found.values()]
        yield [name, *levels, *share]


def with_mean(rows: list[list[object]]) -> list[list[object]]:
    """The mean of all rows first."""
    numbers = np.array([row[1:] for row in rows], dtype=float).mean(0)
    return [["mean", *(float(value) for value in numbers)], *rows]


def main() -> None:
    """Write benchmarks/results/mixture.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one picture of each kind, printed and not kept")
    parser.add_argument("--every", type=int, default=1, help="only every K-th picture")
    asked = parser.parse_args()
    count = 1 if asked.quick else None
    part = f" (one in {asked.every})" if asked.every > 1 else ""
    torch.set_num_threads(1)
    heads = ("picture", *WAYS, *(f"weight of {name}" for name in LEARNED))
    write_table(
        "" if count else "mixture",
        "Mixing learned and classical estimates",
        [
            (
                f"Real pairs{part}, noise estimated blind. PSNR in dB.",
                heads,
                with_mean(list(captures(count, asked.every))),
            ),
            (
                f"Set12 and Kodak{part}, sigma 25, known. PSNR in dB.",
                heads,
                with_mean(list(photographs(count, asked.every))),
            ),
        ],
    )


if __name__ == "__main__":
    main()
