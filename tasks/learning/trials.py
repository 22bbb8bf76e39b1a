"""Held-out measurements with fixed noise, by which a start is followed while it is learned, and judged at its end."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from il_models.degradations import Identity
from il_models.methods.nlm import NonLocalMeans
from il_models.noise import Noise
from il_models.problem import Problem
from tasks.learning.planes import Plane
from tasks.problems import seed_of
from tasks.registry.card import Evidence, Shown

LEVELS = (15.0, 25.0, 50.0)  # of 255, on clean planes whose range is 1
AS_MEASURED = 0.0  # stands for the level of the inputs themselves, where none is clean
SIDE = 256  # px of a trial, from the middle of a plane
MULTIPLE = 8  # px, of the network
LEAST_ERROR = 1e-9  # that an estimated error may have: noise of the target may take it below zero
Restored = Callable[[Tensor, float], Tensor]  # (1 1 h w) measurement and sigma -> image


class Judges(Protocol):
    """A measurement whose image is known: what a trial is to a curve and to the gate. level: that it is averaged by."""

    @property
    def image(self) -> str:
        """Name of the image."""

    @property
    def level(self) -> float:
        """Of noise, or of the kernel."""

    @property
    def plain(self) -> Tensor:
        """What there is without any restoration."""

    def by(self, restored: Any) -> Tensor:
        """What a restoration makes of it."""

    def error(self, x: Tensor) -> float:
        """Mean squared error of a restoration."""


@dataclass(frozen=True)
class Trial:
    """One measurement of a held-out plane. floor: mean squared error of the target itself, 0 where it is clean."""

    image: str
    level: float
    y: Float[Tensor, "1 1 h w"]
    target: Float[Tensor, "1 1 h w"]
    sigma: float
    floor: float = 0.0

    @property
    def plain(self) -> Float[Tensor, "1 1 h w"]:
        """What there is without any restoration."""
        return self.y

    def by(self, restored: Restored) -> Tensor:
        """What a restoration makes of it."""
        return restored(self.y, self.sigma)

    def error(self, x: Tensor) -> float:
        """Mean squared error of a restoration, estimated where the target has noise of its own."""
        return max(float(((x - self.target) ** 2).mean()) - self.floor, LEAST_ERROR)


def clean_trials(image: str, plane: Plane, place: str = "") -> list[Trial]:
    """Measurements of a clean plane, range [0, 1], with white noise of all levels. image, place: seed it."""
    clean = _middle(plane)
    return [
        Trial(image, level, clean + level / 255 * _noise(clean, image + place, level), clean, level / 255)
        for level in LEVELS
    ]


def noisy_trials(image: str, plane: Plane, sigma: float, place: str = "") -> list[Trial]:
    """A noisy plane, recorrupted with alpha = 1: a measurement and a target with independent noise of sqrt(2) sigma."""
    noisy = _middle(plane)
    z = sigma * _noise(noisy, image + place, AS_MEASURED)
    return [Trial(image, AS_MEASURED, noisy + z, noisy - z, 2**0.5 * sigma, 2 * sigma**2)]


def by_network(network: nn.Module) -> Restored:
    """Restoration by a shared denoiser that is told white noise."""
    device = next(network.parameters()).device

    def restored(y: Tensor, sigma: float) -> Tensor:
        with torch.no_grad():
            given = y.to(device)
            return network(given, torch.full_like(given, sigma), torch.zeros(1, 2, device=device)).cpu()

    return restored


def by_nlm(y: Tensor, sigma: float) -> Tensor:
    """Restoration by non-local means, the referee of a start without a parent."""
    one = torch.ones(1, 1)
    noise = Noise(0 * one, sigma**2 * one, torch.zeros(1, 2))
    problem = Problem(y, Identity(), noise, torch.ones_like(y, dtype=torch.bool), torch.zeros(1, dtype=torch.int64))
    return NonLocalMeans().estimate(problem)


def mean_psnr(trials: Sequence[Judges], restored: Any) -> dict[float, float]:
    """Mean PSNR in dB by level, for a range of 1."""
    found: dict[float, list[float]] = {}
    for trial in trials:
        found.setdefault(trial.level, []).append(-10 * np.log10(trial.error(trial.by(restored))))
    return {level: float(np.mean(values)) for level, values in found.items()}


def evidence(trials: Sequence[Judges], candidate: Any, referee: Any, name: str) -> Evidence:
    """All trials as the gate wants them. name: of the referee."""
    rows = [
        Shown(
            trial.image,
            trial.level,
            trial.error(trial.plain),
            trial.error(trial.by(referee)),
            trial.error(trial.by(candidate)),
        )
        for trial in trials
    ]
    return Evidence(name, tuple(rows))


def _middle(plane: Plane) -> Float[Tensor, "1 1 h w"]:
    height, width = (min(side, SIDE) // MULTIPLE * MULTIPLE for side in plane.shape)
    top, left = (plane.shape[0] - height) // 2, (plane.shape[1] - width) // 2
    return torch.from_numpy(plane[top : top + height, left : left + width].astype(np.float32))[None, None]


def _noise(like: Tensor, image: str, level: float) -> Tensor:
    random = torch.Generator().manual_seed(seed_of(0, "trials", image, str(level)))
    return torch.randn(like.shape, generator=random)
