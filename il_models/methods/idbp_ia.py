"""Backward projections with a denoiser that has practised on the measurement itself."""

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from il_models.crops import counted, cut, random_corners
from il_models.data_steps import back_projected, noise_level
from il_models.degradations import Degradation, Downsample, Subsample
from il_models.draw import Draw
from il_models.from_start import denoised
from il_models.nets import Nets
from il_models.networks.denoiser import MULTIPLE, SharedDenoiser
from il_models.plug_and_play import LEAST, DenoiserInTurn, cleaned, looks
from il_models.problem import Problem
from il_models.views import turned

OWN, KEPT = "own.", "kept."  # lead the names of the weights that are adapted, and of those that are not
SALT = 0x1A
SMOOTH = 1e-6  # where |e| becomes round, in units of the noise: a loss that overflows with the numbers it is made of
BETTER = 0.995  # of the start's error on rows that the adaptation did not see: what the adapted one may have at most


class _Pair(nn.Module):
    """The shared denoiser twice: as it was learned, and as it is being adapted."""

    def __init__(self, method: "ImageAdaptedProjections") -> None:
        super().__init__()
        self.own, self.kept = SharedDenoiser(method.size), SharedDenoiser(method.size)

    def forward(self, y: Tensor, sigma: Tensor, correlation: Tensor) -> Tensor:
        """By the adapted one."""
        return self.own(y, sigma, correlation)


@dataclass(frozen=True, kw_only=True)
class ImageAdaptedProjections(DenoiserInTurn):
    """Tirer and Giryes, "Super-resolution via image-adapted denoising CNNs: incorporating external and internal
    learning", IEEE Signal Processing Letters 2019.

    As `idbp`, z_k = x_k-1 + A+ (y - A x_k-1) and x_k = D(z_k; sigma_k), with the paper's sigma_k, which fall from 12
    to 1 times the factor of enlargement (in units of 0 to 255). First the denoiser practises on the measurement: the
    small image has the structure of the large one, so crops of it, turned and with fresh noise, teach what belongs to
    this picture. The learned start does the early steps, where sigma_k is large, and the adapted one those below
    `below` times the factor. Left out of the paper: it adapts a second time for the last level, and squeezes crops.

    A quarter of the rows takes no part in the practice; where the adapted denoiser is no better there than the start,
    the start does all steps. For measurements of little noise, which the practice would take for structure.
    """

    name: ClassVar[str] = "idbp_ia"
    summary: ClassVar[str] = "enlarges by back-projection and a denoiser that first practises on the measurement"
    source: ClassVar[str] = "Tirer and Giryes, IEEE SPL 2019, arXiv 1811.12866; Terris et al., CVPR 2024 (turns)"
    serves: ClassVar[tuple[type[Degradation], ...]] = (Downsample, Subsample)
    judges_itself: ClassVar[bool] = True

    steps: int = 120  # paper: 320
    rate: float = 3e-4  # paper: 3e-4
    crop: int = 48  # paper: 34 to 50
    crops: int = 6  # of each tile per step; paper: 32
    iterations: int = 30  # paper: 30
    first: float = 12 / 255  # paper: 12 / 255; times the factor
    last: float = 1 / 255  # paper: 1 / 255; times the factor, and the noise of the measurement on top
    below: float = 2.5 / 255  # paper: some 1 / 255; times the factor
    damp: float = 4e-3

    def work(self, pixels: int, channels: int) -> float:
        """Forward and backward on the crops per step, then what an iteration with the denoiser takes."""
        if not self.steps:
            return super().work(pixels, channels)
        still = replace(self, steps=0).work(pixels, channels)
        return still + self.crops * 3 * self.steps * still / self.iterations * min(1, self.crop**2 / pixels)

    def network(self, problem: Problem) -> nn.Module:
        """The shared denoiser twice."""
        del problem
        return _Pair(self)

    def opened(self, nets: Nets, seeds: Int64[Tensor, " b"]) -> Nets:
        """The same networks twice; pairs stay as they are."""
        del seeds
        if any(name.startswith(OWN) for name in nets.weights):
            return nets
        both = {lead + name: weight for lead in (OWN, KEPT) for name, weight in nets.weights.items()}
        return Nets(_Pair(self).to("meta"), {}).replaced(both)

    def closed(self, nets: Nets) -> Nets:
        """The adapted ones."""
        return self._part(nets, OWN)

    def is_tuned(self, name: str) -> bool:
        """All but the level of the adapted ones."""
        return name.startswith(OWN) and not name.endswith("level")

    def prepare(self, problem: Problem, draw: Draw) -> dict[str, Tensor]:
        """How many pixels were measured above and left of each, among the rows that are practised on."""
        del draw
        return {"measured": counted(problem.mask[..., : problem.mask.shape[-2] - _held(problem), :])}

    def loss(self, nets: Nets, inputs: dict[str, Tensor], problem: Problem, draw: Draw, step: int) -> Tensor:
        """Mean absolute error of the adapted denoiser on crops, in units of the noise that they were given."""
        height, width = problem.y.shape[-2] - _held(problem), problem.y.shape[-1]
        sides = (min(self.crop, height), min(self.crop, width))
        parts, masks = [], []
        for _ in range(self.crops):
            corners = random_corners(inputs["measured"], draw, *sides)
            parts.append(turned(cut(problem.y, *corners, *sides), step % 8))
            masks.append(turned(cut(problem.mask, *corners, *sides), step % 8).expand_as(parts[-1]))
        return self._error(self._part(nets, OWN), problem, torch.cat(parts, 1), torch.cat(masks, 1), draw)

    def estimate(self, nets: Nets, inputs: dict[str, Tensor], problem: Problem, draw: Draw) -> Tensor:
        """z after the last iteration."""
        del inputs, draw
        kept = self._part(nets, KEPT)
        late = self._better(self._part(nets, OWN), kept, problem)
        sigma, factor = noise_level(problem).clamp(min=LEAST), _factor(problem)
        damp = self.damp * (255 * sigma) ** 2
        noise = torch.where(sigma > LEAST * 2, sigma, torch.zeros_like(sigma))
        x = problem.A.guess(problem.y)
        for step, look in zip(range(self.iterations), looks(), strict=False):
            level = factor * self.first * (self.last / self.first) ** (step / max(1, self.iterations - 1))
            z = back_projected(problem, x, damp)
            x = cleaned(late if level < factor * self.below else kept, z, level + noise, look)
        return back_projected(problem, x, damp)

    def _part(self, nets: Nets, lead: str) -> Nets:
        """One network of each pair, its weights the very ones of the pair."""
        weights = {name.removeprefix(lead): value for name, value in nets.weights.items() if name.startswith(lead)}
        with torch.device("meta"):
            return Nets(SharedDenoiser(self.size), weights)

    def _error(
        self, nets: Nets, problem: Problem, x: Float[Tensor, "b n h w"], mask: Bool[Tensor, "b n h w"], draw: Draw
    ) -> Float[Tensor, " b"]:
        """Mean |D(x + noise) - x| over the measured pixels of planes, over the noise."""
        level = (_factor(problem) + 1) * self.last
        z = x / level
        seen = z + draw.normal(*z.shape[1:]).to(z)
        off = (denoised(nets, seen, torch.zeros_like(problem.noise.correlation)) - z).square()
        off = (off + SMOOTH**2).sqrt()
        return torch.where(mask, off, torch.zeros_like(off)).flatten(1).sum(1) / mask.flatten(1).sum(1).clamp(min=1)

    def _better(self, own: Nets, kept: Nets, problem: Problem) -> Nets:
        """For each tile the adapted network if it is better on the rows that were held back, otherwise the start's."""
        if not (rows := _held(problem)):
            return kept
        x, mask = problem.y[..., -rows:, :], problem.mask[..., -rows:, :].expand_as(problem.y[..., -rows:, :])
        errors = [self._error(nets, problem, x, mask, Draw(problem.seeds ^ SALT)) for nets in (own, kept)]
        better = errors[0] < BETTER * errors[1]
        weights = {
            name: torch.where(better.reshape(-1, *[1] * (value.ndim - 1)), value, kept.weights[name])
            for name, value in own.weights.items()
        }
        return Nets(kept.module, weights)


def _held(problem: Problem) -> int:
    """Rows at the lower end that take no part in the practice; none of tiles too low to spare some."""
    return problem.y.shape[-2] // 4 // MULTIPLE * MULTIPLE


def _factor(problem: Problem) -> int:
    return problem.A.image_size((1, 1))[0]
