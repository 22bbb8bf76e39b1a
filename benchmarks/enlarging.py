"""Enlarging: what do the methods of the recipes gain over interpolation, with and without noise, and in what time?

    python -m benchmarks.enlarging --keep FOLDER      measures, and keeps every row as it comes: FOLDER/enlarging.jsonl
    python -m benchmarks.enlarging --write FILE ...   the table of such rows, anywhere

Centres of 192 x 192 px of pictures in colour, 0 to 1. Ideal: imresize (bicubic, a = -0.5). g2.0 and g0.2 direct: a
Gaussian of variance 2.0 or 0.2 px^2, every second pixel from the first. Without noise the small picture is rounded to 8
bits; noise is white, of the given standard deviation in grey levels, and told to the methods. PSNR of the luminance as
in zooming.md. One seed, one thread. pnp 8: eight steps, as for deblurring; pnp zoom: 24. zssr fast: 600 steps for each
picture. Misfit: root mean square of A x - y over the noise (of rounding, where there is no other).
"""

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.table import processor, write_table
from benchmarks.zooming import cut, degradation, pictures, rounded, score
from il_models.degradations import Degradation
from il_models.fitting import fit
from il_models.method import Fitted, Method
from il_models.methods.bicubic import Bicubic
from il_models.methods.idbp import BackwardProjections
from il_models.methods.pnp import PlugAndPlay
from il_models.methods.zssr import ZeroShotSuperResolution
from il_models.noise import Noise
from il_models.problem import Problem
from tasks.adaptation import begun_at
from tasks.registry.suited import BUNDLED, start_for

SIDE = 192
ROUNDING = 1 / 12**0.5  # grey levels
CASES = (
    ("ideal", 2, 0.0),
    ("ideal", 2, 10.0),
    ("ideal", 3, 0.0),
    ("ideal", 4, 0.0),
    ("g2.0 direct", 2, 0.0),
    ("g0.2 direct", 2, 0.0),
)
NAMES = ("butterfly", "woman", "pepper", "baboon")
METHODS: dict[str, Method] = {
    "bicubic": Bicubic(),
    "bicubic, 5 projections": Bicubic(projections=5),
    "pnp 8": PlugAndPlay(),
    "pnp zoom": PlugAndPlay(**PlugAndPlay.presets["zoom"]),
    "idbp": BackwardProjections(),
    "zssr fast": ZeroShotSuperResolution(**ZeroShotSuperResolution.presets["fast"]),
}
SLOW = ("zssr fast",)  # on the first two pictures and cases only
HEADS = ("picture", "degradation", "noise", *METHODS)


def problem_of(y: Tensor, A: Degradation, sigma: float) -> Problem:
    """A measurement with white noise of so many grey levels."""
    b, c = y.shape[:2]
    variance = (max(sigma, ROUNDING) / 255) ** 2
    noise = Noise(torch.zeros(b, c), torch.full((b, c), variance), torch.zeros(b, 2))
    return Problem(y.float(), A, noise, torch.ones(b, 1, *y.shape[2:], dtype=torch.bool), torch.arange(b))


def asked(names: Sequence[str]) -> Iterator[tuple[str, int, float, str, str]]:
    """What is measured, in order: what is quick first."""
    for slow in (False, True):
        for task, factor, sigma in CASES[:2] if slow else CASES:
            for name in names[:2] if slow else names:
                yield from ((task, factor, sigma, name, label) for label in METHODS if (label in SLOW) == slow)


def measured(x: Tensor, task: str, factor: int, sigma: float, method: Method) -> dict[str, Any]:
    """One picture."""
    A = degradation(task, factor)
    y = A(x)
    draw = torch.Generator().manual_seed(0)
    y = y + sigma / 255 * torch.randn(y.shape, generator=draw, dtype=y.dtype) if sigma else rounded(y)
    problem = problem_of(y, A, sigma)
    start = None
    if isinstance(method, Fitted) and method.needs_start:
        start = begun_at(start_for(method, BUNDLED), method, problem)
    began = time.perf_counter()
    made = fit(problem, method, start=start).x.double()
    return {
        "psnr": score(made, x, factor),
        "misfit": float((255 * (A(made) - y)).square().mean().sqrt()) / max(sigma, ROUNDING),
        "seconds": time.perf_counter() - began,
    }


def measure(keep: Path) -> None:
    """All rows; each is kept as it comes."""
    torch.set_num_threads(1)
    found = pictures(SIDE)
    with (keep / "enlarging.jsonl").open("a") as file:
        for task, factor, sigma, name, label in asked(NAMES):
            row = measured(cut(found[name], factor), task, factor, sigma, METHODS[label])
            row |= {"name": name, "task": task, "factor": factor, "sigma": sigma, "method": label}
            print(row, flush=True)
            file.write(json.dumps(row | {"machine": processor()}) + "\n")
            file.flush()


def write(files: Sequence[Path]) -> None:
    """The tables; of what was measured twice the last one counts."""
    rows = [json.loads(line) for file in files for line in file.read_text().splitlines()]
    known = {(r["name"], r["task"], r["factor"], r["sigma"], r["method"]): r for r in rows}
    said = (__doc__ or "").split("\n\n")[2].replace("\n", " ").strip()
    quality = []
    for task, factor, sigma in CASES:
        for name in NAMES:
            cells = [known.get((name, task, factor, sigma, label)) for label in METHODS]
            quality.append([name, f"{task} x{factor}", sigma or "", *(cell["psnr"] if cell else "" for cell in cells)])
    costs = []
    for label in METHODS:
        own = [row for key, row in known.items() if key[-1] == label]
        if own:
            seconds, misfit = (sorted(row[key] for row in own)[len(own) // 2] for key in ("seconds", "misfit"))
            costs.append([label, len(own), f"{seconds:.1f}", misfit])
    machine = ", ".join(sorted({row["machine"] for row in rows}))
    write_table(
        "enlarging",
        "Enlarging by the methods of the recipes",
        [
            (f"{said} PSNR in dB.", HEADS, quality),
            (f"Medians over what was measured, on {machine}.", ("method", "pictures", "seconds", "misfit"), costs),
        ],
    )


def main() -> None:
    """Measure, or write."""
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("--keep", type=Path, default=Path())
    ask.add_argument("--write", type=Path, nargs="*", default=None)
    given = ask.parse_args()
    if given.write is not None:
        write(given.write)
    else:
        measure(given.keep)


if __name__ == "__main__":
    main()
