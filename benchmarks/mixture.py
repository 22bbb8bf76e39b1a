"""Does it pay to mix the learned estimate with the classical control? And does estimated risk know the weights?

    python -m benchmarks.mixture [--quick]

zs_n2n with one network per picture and nlm, each alone, mixed with one weight for all, and mixed per tile of 256 x 256
by estimated risk; on the real microscopy pairs and on photographs with noise of sigma 25.
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
from il_models.methods.nlm import NonLocalMeans
from il_models.methods.zs_n2n import ZeroShotNoise2Noise
from il_models.metrics import affine_match, psnr
from il_models.nets import Nets
from il_models.noise import inverse_stabilised
from il_models.problem import Problem
from il_models.risk import best_share, mixture
from tasks.quality import estimate_of

SIDE = 256
METHOD = ZeroShotNoise2Noise()
WAYS = ("noisy", "nlm", "zs_n2n", "0.3 zs_n2n", "by risk")


def estimates(problem: Problem) -> tuple[dict[str, Tensor], float]:
    """The pictures of all ways in problem units, and the mean weight of the learned estimate by risk."""
    nets = fit(problem, METHOD).nets
    assert nets is not None
    found = {way: problem.y.clone() for way in WAYS}
    weights = []
    for top in range(0, problem.y.shape[-2], SIDE):
        for left in range(0, problem.y.shape[-1], SIDE):
            box = (..., slice(top, top + SIDE), slice(left, left + SIDE))
            tile = replace(problem, y=problem.y[box], mask=problem.mask[box])
            pictures, weight = _tile(tile, nets)
            weights.append(weight)
            for way, x in pictures.items():
                found[way][box] = x
    return found, float(np.mean(weights))


def _tile(tile: Problem, nets: Nets) -> tuple[dict[str, Tensor], float]:
    inference, control = METHOD.own_steps(0), NonLocalMeans()
    learned = estimate_of(tile, fit(tile, inference, start=nets), inference)
    classical = estimate_of(tile, fit(tile, control), control)
    share = best_share(tile, learned, classical)
    by_risk = mixture(learned, classical, share).x
    fixed = 0.3 * learned.x + 0.7 * classical.x
    return {"nlm": classical.x, "zs_n2n": learned.x, "0.3 zs_n2n": fixed, "by risk": by_risk}, float(share)


def captures(count: int | None) -> Iterator[list[object]]:
    """A row per real capture."""
    for seed, pair in enumerate(islice(pairs(), count)):
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
        yield [*row, share]


def photographs(count: int | None) -> Iterator[list[object]]:
    """A row per photograph of Set12 and Kodak."""
    pictures = classic("set12", count) if count else classic("set12") | classic("kodak")
    for seed, (name, clean) in enumerate(pictures.items()):
        problem = gaussian_problem(noisy(clean, 25, seed)[None], 25, seed)
        found, share = estimates(problem)
        levels = [float(psnr(x.clamp(0, 1), clean[None], 1.0, problem.mask)) for x in found.values()]
        yield [name, *levels, share]


def with_mean(rows: list[list[object]]) -> list[list[object]]:
    """The mean of all rows first."""
    numbers = np.array([row[1:] for row in rows], dtype=float).mean(0)
    return [["mean", *(float(value) for value in numbers)], *rows]


def main() -> None:
    """Write benchmarks/results/mixture.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one picture of each kind, printed and not kept")
    count = 1 if parser.parse_args().quick else None
    torch.set_num_threads(1)
    heads = ("picture", *WAYS, "mean weight by risk")
    write_table(
        "" if count else "mixture",
        "Mixing the learned estimate with the classical control",
        [
            ("Real pairs, noise estimated blind. PSNR in dB.", heads, with_mean(list(captures(count)))),
            ("Set12 and Kodak, sigma 25, known. PSNR in dB.", heads, with_mean(list(photographs(count)))),
        ],
    )


if __name__ == "__main__":
    main()
