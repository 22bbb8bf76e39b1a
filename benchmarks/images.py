"""The pictures of the benchmarks, and the problems made of them."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tifffile
import torch
from PIL import Image
from torch import Tensor

from il_models.degradations import Identity
from il_models.noise import Noise, StabilisedNoise, estimate_noise, stabilised
from il_models.problem import Problem

DATA = Path(os.environ.get("SELFMEND_DATA") or Path(__file__).parents[2] / "shared" / "data")


@dataclass(frozen=True)
class Pair:
    """A real noisy capture (h, w) in its own units, and a cleaner one of the same field.

    affine: the two do not share an intensity scale, so gain and offset are fitted before they are compared.
    peak: of the PSNR, 255 for pairs of one scale, otherwise the 0.1 to 99.9 % range of the reference.
    """

    name: str
    noisy: Tensor
    clean: Tensor
    affine: bool
    peak: float


def picture(path: Path) -> Tensor:
    """Channels first, float32, in the units of the file."""
    values = tifffile.imread(path) if path.suffix == ".tif" else np.asarray(Image.open(path))
    image = torch.from_numpy(values.astype(np.float32)).squeeze()
    return image[None] if image.ndim == 2 else image.movedim(-1, 0)


def classic(folder: str, count: int | None = None) -> dict[str, Tensor]:
    """Clean pictures (c, h, w) of 0 to 1 by name, from classic/<folder>."""
    return {path.stem: picture(path) / 255 for path in sorted((DATA / "classic" / folder).glob("*.png"))[:count]}


def pairs() -> Iterator[Pair]:
    """The real microscopy pairs: FMD, W2S, GigaDB and a 16-bit one. (flim2p's references contain the captures.)"""
    folder = DATA / "micro_pairs"
    named = [(path, "_gt.png", "_raw1.png", False) for path in sorted(folder.glob("fmd/*_gt.png"))]
    named += [(path, "_avg400.tif", "_avg1.tif", True) for path in sorted(folder.glob("w2s/*_avg400.tif"))]
    named += [(path, "_high.png", "_low.png", True) for path in sorted(folder.glob("gigadb/*_high.png"))]
    named += [(folder / "nuclei16/nuclei_high_snr.tif", "_high_snr.tif", "_low_snr.tif", True)]
    for path, clean, noisy, affine in named:
        reference = picture(path)[0]
        low, high = np.quantile(reference.numpy(), (0.001, 0.999))
        capture = picture(path.with_name(path.name.replace(clean, noisy)))[0]
        name = f"{path.parent.name}/{path.name.removesuffix(clean)}"
        yield Pair(name, capture, reference, affine, float(high - low) if affine else 255.0)


def noisy(x: Tensor, sigma: float, seed: int = 0) -> Tensor:
    """x of 0 to 1 plus Gaussian noise of sigma / 255, neither clipped nor rounded, from a seed of the picture's own."""
    return x + sigma / 255 * torch.randn(x.shape, generator=torch.Generator().manual_seed(seed))


def gaussian_problem(y: Tensor, sigma: float, seed: int = 0) -> Problem:
    """Denoising of (b, c, h, w) of 0 to 1 with known sigma, in units of 1 / 255."""
    b, c = y.shape[:2]
    noise = Noise(torch.zeros(b, c), torch.full((b, c), (sigma / 255) ** 2), torch.zeros(b, 2))
    return Problem(y, Identity(), noise, torch.ones(b, 1, *y.shape[2:], dtype=torch.bool), torch.arange(b) + seed)


@dataclass(frozen=True)
class Stabilised:
    """A real capture made ready: blind noise in its units, and the problem, stabilised and scaled to 0 to 1."""

    noise: Noise
    problem: Problem
    offset: float
    scale: float


def stabilised_problem(y: Tensor, seed: int = 0) -> Stabilised:
    """Problem of one capture (h, w), whose noise is estimated from itself and stabilised to unit variance."""
    found = estimate_noise(y[None], torch.ones(1, *y.shape, dtype=torch.bool))
    correlation = torch.tensor([found.correlation])
    variance = found.variance if found.gain > 0 else max(found.variance, 1e-9)
    noise = Noise(torch.tensor([[found.gain]]), torch.tensor([[variance]]), correlation)
    d = stabilised(y[None, None], noise)
    low, high = (float(value) for value in np.quantile(d.numpy(), (0.001, 0.999)))
    scale = high - low
    one = torch.ones(1, 1)
    unit = StabilisedNoise(0 * one, scale**-2 * one, correlation, noise, low * one, scale * one)
    problem = Problem((d - low) / scale, Identity(), unit, torch.ones_like(d, dtype=torch.bool), torch.tensor([seed]))
    return Stabilised(noise, problem, low, scale)
