"""Small problems that every contract runs on."""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from il_models.degradations import Blur, Degradation, Downsample, Guided, Identity, Mask, gaussian_psf
from il_models.draw import Draw
from il_models.method import Fitted, Method
from il_models.noise import Noise
from il_models.problem import Problem
from il_models.scale_below import kept_back

SIGMA = 0.1
NARROW = {
    "dip": {"widths": (16, 16, 16), "code": 16},
    "dip_sgld": {"widths": (16, 16, 16), "code": 16},
    "dip_sure": {"narrow": 8, "wide": 12},
    "drp": {"widths": (24,)},
    "bp_dip": {"widths": (8, 8), "code": 4},
    "gsure": {"widths": (8, 8)},
    "deep_red": {"widths": (8, 8), "code": 4, "inner": 1, "look": 2},
    "pnp_dip": {"widths": (8, 8), "code": 4},
    "zssr": {"width": 8, "crop": 24},
    "guided_sr": {"width": 8, "depth": 3, "crop": 24},
    "idbp_ia": {"iterations": 2, "crops": 1, "crop": 16, "size": "lite"},
    "pixel2pixel": {"radius": 8},
    "self2self": {"passes": 12},
}  # what is too wide for a contract


def scenes(b: int, channels: int = 1, side: int = 32) -> Tensor:
    """Smooth scenes with an edge, another one per tile, values of about 0 to 1, (b, channels, side, side)."""
    place = torch.linspace(0, 1, side)
    y, x = torch.meshgrid(place, place, indexing="ij")
    tiles = [
        0.5 + 0.3 * torch.sin(4 * x + 3 * i + c) * torch.cos(5 * y - i) + 0.2 * (x + 0.3 * y > 0.4 + 0.1 * i)
        for i in range(b)
        for c in range(channels)
    ]
    return torch.stack(tiles).reshape(b, channels, side, side)


def toy(b: int = 3, channels: int = 1, side: int = 32, sigma: float = SIGMA, seed: int = 7) -> tuple[Tensor, Problem]:
    """b scenes, and the problem of denoising them."""
    clean = scenes(b, channels, side)
    seeds = torch.arange(b) * 1000 + seed
    y = clean + sigma * Draw(seeds).normal(channels, side, side)
    noise = Noise(torch.zeros(b, channels), torch.full((b, channels), sigma**2), torch.zeros(b, 2))
    return clean, Problem(y, Identity(), noise, torch.ones(b, 1, side, side, dtype=torch.bool), seeds)


def blurred(b: int = 2, side: int = 32, width: float = 3.0, sigma: float = 0.02) -> tuple[Tensor, Problem]:
    """b scenes with fine stripes, and the problem of sharpening them; the scenes reach beyond the measurement."""
    A = Blur(gaussian_psf(width))
    whole = A.image_size((side, side))[0]
    clean = scenes(b, 1, whole) + 0.2 * torch.sign(torch.sin(torch.arange(whole) * 2.0 / 3))
    seeds = torch.arange(b) + 3
    y = A(clean) + sigma * Draw(seeds).normal(1, side, side)
    noise = Noise(torch.zeros(b, 1), torch.full((b, 1), sigma**2), torch.zeros(b, 2))
    return clean, Problem(y, A, noise, torch.ones(b, 1, side, side, dtype=torch.bool), seeds)


def gapped(b: int = 2, side: int = 48, sigma: float = 0.02, width: int = 4) -> tuple[Tensor, Problem]:
    """b scenes, and the problem of denoising them and filling their gaps, in which the value above was repeated."""
    clean, problem = toy(b, side=side, sigma=sigma)
    mask, y = problem.mask.clone(), problem.y.clone()
    for top in range(10, side - width, 16):
        mask[..., top : top + width, :] = False
        y[..., top : top + width, :] = y[..., top - 1 : top, :]
    return clean, replace(problem, y=y, mask=mask, A=Mask(mask))


def shrunk(b: int = 2, side: int = 24, A: Degradation | None = None, sigma: float = 0.002) -> tuple[Tensor, Problem]:
    """b scenes with rings that get finer towards the middle, and the problem of enlarging them."""
    A = A or Downsample(2)
    whole = A.image_size((side, side))[0]
    place = torch.arange(whole) - whole / 2
    distance = (place[:, None] ** 2 + 0.7 * place**2).sqrt()
    clean = scenes(b, 1, whole) + 0.2 * torch.sign(torch.sin(12 * (distance / whole + 0.05).log()))
    seeds = torch.arange(b) + 3
    y = A(clean) + sigma * Draw(seeds).normal(1, side, side)
    noise = Noise(torch.zeros(b, 1), torch.full((b, 1), sigma**2), torch.zeros(b, 2))
    return clean, Problem(y, A, noise, torch.ones(b, 1, side, side, dtype=torch.bool), seeds)


def banded(b: int = 2, side: int = 32, A: Degradation | None = None, sigma: float = 0.002) -> tuple[Tensor, Problem]:
    """b scenes of three bands with stripes, and the problem of enlarging them by two finer bands that mix theirs."""
    A = A or Downsample(2, "average")
    whole = A.image_size((side, side))[0]
    place = torch.arange(whole)
    stripes = torch.sign(torch.sin(0.02 * place[:, None] * place)) * torch.tensor([0.1, 0.2, 0.3])[:, None, None]
    clean = scenes(b, 3, whole) + stripes
    guide = torch.einsum("gc,bcij->bgij", torch.tensor([[0.2, 0.5, 0.3], [0.7, 0.2, 0.0]]), clean)
    seeds = torch.arange(b) + 3
    y = A(clean) + sigma * Draw(seeds).normal(3, side, side)
    noise = Noise(torch.zeros(b, 3), torch.full((b, 3), sigma**2), torch.zeros(b, 2))
    kept = kept_back(0, 0, side, side).expand(b, 1, -1, -1)
    known = torch.ones(b, 1, whole, whole, dtype=torch.bool)
    mask = torch.ones(b, 1, side, side, dtype=torch.bool)
    return clean, Problem(y, Guided(A, guide, known, kept), noise, mask, seeds)


def doubled(problem: Problem) -> Problem:
    """The problem in float64."""
    noise = Noise(problem.noise.gain.double(), problem.noise.variance.double(), problem.noise.correlation.double())
    return replace(problem, y=problem.y.double(), noise=noise)


def small(kind: type[Method], **choices: Any) -> Method:
    """A method with its default hyper-parameters but, for a fitted one, those of its fast preset and few steps."""
    if issubclass(kind, Fitted):
        choices = {**kind.presets.get("fast", {}), **NARROW.get(kind.name, {}), "steps": 6, **choices}
    return kind(**choices)
