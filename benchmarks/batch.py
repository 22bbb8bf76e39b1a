"""How many tiles at once, how many workers, how many threads? And does the plan pick the best?

    python -m benchmarks.batch [--quick]

zs_n2n on 128 x 128 tiles of a noisy picture: step-tiles per second for b = 1 ... 64 networks in one batch on one core,
as a loop and as one grouped convolution, and for workers x threads of a whole machine.
"""

import argparse
import multiprocessing
import os
import time
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import skimage.data
import torch
from torch.func import functional_call, vmap

from benchmarks.table import write_table
from il_models.degradations import Identity
from il_models.fitting import fit
from il_models.methods.zs_n2n import ZeroShotNoise2Noise
from il_models.nets import Nets
from il_models.noise import Noise
from il_models.problem import Problem
from tasks.forecast import CPU_BATCH
from tasks.workers import crew_for

SIDE = 128
CROP = ZeroShotNoise2Noise().crop


def main() -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    steps, sizes = (3, (1, 4)) if quick else (10, (1, 2, 4, 8, 16, 32, 64))
    many = 6 * steps  # crops are that much cheaper
    looped = [(_rate(b, steps), _rate(b, many, crop=CROP)) for b in sizes]
    Nets.__call__ = _grouped  # type: ignore[method-assign, assignment]
    grouped = [(_rate(b, steps), _rate(b, many, crop=CROP)) for b in sizes]
    batches = [[b, *one, *other] for b, one, other in zip(sizes, looped, grouped, strict=True)]
    cores = len(os.sched_getaffinity(0))
    crews = sorted({(1, 1), (1, cores), (cores, 1), (cores, cores)})
    plan = crew_for("local")
    chosen = [
        [w, t, _machine(w, t, steps), "<- the plan" if (w, t) == (plan.workers, plan.threads) else ""] for w, t in crews
    ]
    write_table(
        "" if quick else "batch",
        "Tiles at once, workers and threads",
        [
            (
                "Step-tiles per second on one core, b networks at once (zs_n2n): whole 128 x 128 tiles, and crops of "
                f"{CROP} x {CROP}. On a CPU the plan takes at most {CPU_BATCH} one after the other, fewer where a step "
                "is large.",
                ["b", "whole, one after the other", "crops", "whole, grouped convolution", "crops"],
                batches,
            ),
            (
                "Step-tiles per second of the whole machine, b = 1.",
                ["workers", "threads each", "step-tiles/s", ""],
                chosen,
            ),
        ],
    )


def _problem(b: int) -> Problem:
    picture = torch.from_numpy(skimage.data.camera()).float() / 255
    corners = torch.arange(b) * 5 % 380
    clean = torch.stack([picture[c : c + SIDE, c : c + SIDE] for c in corners.tolist()])[:, None]
    y = clean + 0.1 * torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    noise = Noise(torch.zeros(b, 1), torch.full((b, 1), 0.01), torch.zeros(b, 2))
    return Problem(y, Identity(), noise, torch.ones_like(y, dtype=torch.bool), torch.arange(b))


def _rate(b: int, steps: int, threads: int = 1, crop: int = 0) -> float:
    """Step-tiles per second: from fits of two lengths, so that set-up drops out."""
    torch.set_num_threads(threads)
    problem = _problem(b)
    fit(problem.take(torch.tensor([0])), ZeroShotNoise2Noise(steps=2, crop=crop))  # the first call builds kernels
    seconds = []
    for count in (1, 1 + steps):
        began = time.perf_counter()
        fit(problem, ZeroShotNoise2Noise(steps=count, crop=crop))
        seconds.append(time.perf_counter() - began)
    return b * steps / max(1e-6, seconds[1] - seconds[0])


def _machine(workers: int, threads: int, steps: int) -> float:
    """Of several processes at once."""
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        list(pool.map(_rate, [1] * workers, [1] * workers))  # imports
        return sum(pool.map(_rate, [1] * workers, [8 * steps] * workers, [threads] * workers))


def _grouped(nets: Nets, x: torch.Tensor, *more: torch.Tensor) -> torch.Tensor:
    """What a GPU would run."""
    run: Any = vmap(lambda weights, *inputs: functional_call(nets.module, weights, inputs), randomness="error")
    result: torch.Tensor = run(nets.weights, x, *more)
    return result


if __name__ == "__main__":
    main()
