"""Non-local means of our own beside scikit-image's: quality and time, and what calibration costs.

    python -m benchmarks.nonlocal_means

Set12 and BSD68, Gaussian noise of known level, one thread, each way in turn on the same picture; on a GPU, where there
is one, also the seconds of a batch of tiles.
"""

import time
from collections.abc import Callable

import numpy as np
import torch
from skimage.restoration import denoise_nl_means
from torch import Tensor

from benchmarks.images import classic, gaussian_problem, noisy
from benchmarks.table import write_table
from il_models.methods.nlm import NonLocalMeans
from il_models.metrics import psnr
from il_models.nonlocal_means import patch_means
from il_models.problem import Problem

THEIRS = 0.7  # h in units of sigma, as it was while theirs was the control; chosen on three of Set12
TILE, TILES = 128, 256


def of_scikit_image(problem: Problem) -> Tensor:
    """The fast form, told the level."""
    sigma = float(problem.noise.sigma(problem.y).mean())
    settings = {"patch_size": 5, "patch_distance": 6, "fast_mode": True, "preserve_range": True}
    found = denoise_nl_means(problem.y[0, 0].numpy(), h=THEIRS * sigma, sigma=sigma, **settings)
    return torch.from_numpy(np.asarray(found, np.float32))[None, None]


WAYS: dict[str, Callable[[Problem], Tensor]] = {
    "scikit-image": of_scikit_image,
    "ours": NonLocalMeans().estimate,
    "ours, calibrated": NonLocalMeans(h="calibrated").estimate,
}


def rows_of(group: str, images: dict[str, Tensor], sigma: float) -> list[list[object]]:
    """A row per way: mean PSNR and CPU-seconds."""
    scores: dict[str, list[tuple[float, float]]] = {way: [] for way in WAYS}
    for seed, clean in enumerate(images.values()):
        problem = gaussian_problem(noisy(clean, sigma, seed)[None], sigma, seed)
        for way, run in WAYS.items():
            began = time.process_time()
            x = run(problem)
            seconds = time.process_time() - began
            scores[way].append((float(psnr(x.clamp(0, 1), clean[None], 1.0, problem.mask)), seconds))
    means = {way: np.mean(found, 0) for way, found in scores.items()}
    return [[f"{group}, sigma {sigma:g}", way, float(level), float(spent)] for way, (level, spent) in means.items()]


def on_a_gpu() -> list[list[object]]:
    """Tiles per second of one batch, there and back."""
    if not torch.cuda.is_available():
        return []
    y = torch.randn(TILES, 1, TILE, TILE, generator=torch.Generator().manual_seed(0))
    for _ in range(2):  # the first one starts the device
        began = time.perf_counter()
        patch_means(y.cuda(), h=0.9, scale=1.0, patch_size=5, patch_distance=6).cpu()
        seconds = time.perf_counter() - began
    return [[torch.cuda.get_device_name(), TILES, seconds, TILES / seconds]]


def main() -> None:
    """Write benchmarks/results/nonlocal_means.md."""
    torch.set_num_threads(1)
    rows = []
    for sigma in (15.0, 25.0, 50.0):
        rows += rows_of("Set12 (7)", classic("set12"), sigma)
        rows += rows_of("BSD68 (18)", classic("bsd68"), sigma)
    tables = [("Means over whole pictures.", ("pictures", "way", "dB", "CPU-s"), rows)]
    if batch := on_a_gpu():
        tables.append((f"A batch of {TILE} x {TILE} px.", ("device", "tiles", "s", "tiles per s"), batch))
    write_table("nonlocal_means", "Non-local means", tables)


if __name__ == "__main__":
    main()
