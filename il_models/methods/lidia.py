"""LIDIA: a learned start adapts to a tile by what it has made of that tile itself, with new noise on it."""

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from il_models.crops import crop_sides, cut, random_corners
from il_models.draw import Draw
from il_models.from_start import REACH, FromStart, denoised
from il_models.metrics import mean
from il_models.nets import Nets
from il_models.networks.denoiser import MULTIPLE
from il_models.noise import coloured
from il_models.planes import planes_of
from il_models.problem import Problem
from il_models.views import in_strips

KEPT = "restored"  # among a tile's inputs: what its network made of it when it was last asked


@dataclass(frozen=True, kw_only=True)
class InternalAdaptation(FromStart):
    """Vaksman, Elad and Milanfar, "LIDIA: Lightweight learned image denoising with instance adaptation", section 3.

    The tile is restored; the network learns to restore that from fresh noise on it, turned and mirrored; and it
    restores the measurement again. What the first pass has erased cannot come back: it helps where a tile repeats
    itself. Published: 5 epochs over blocks of 64 px by Adam at 1e-3, for a network of 62 thousand weights, from one
    first pass. Ours has six times as many weights, for which that rate forgets more than it learns; the pass is made
    anew while the fit goes on, by which a lattice gains 0.6 dB more.
    """

    name: ClassVar[str] = "lidia"
    summary: ClassVar[str] = "a learned start all of whose weights learn from its own result with new noise on it"
    source: ClassVar[str] = "Vaksman, Elad and Milanfar, CVPR workshops 2020, arXiv 1911.07167"

    fits_measurement: ClassVar[bool] = False

    steps: int = 60
    rate: float = 2e-4
    crop: int = 64
    renew: int = 20  # steps after which the tile is restored again; 0: only once, as published

    def __post_init__(self) -> None:
        """Refuse a pass that is never made."""
        super().__post_init__()
        if self.renew < 0:
            raise ValueError(f"renew = {self.renew} steps: it must be 1 or more, or 0 for one first pass alone.")

    def work(self, pixels: int, channels: int) -> float:
        """That of the steps, and a forward pass each time that the tile is restored again."""
        passes = -(-self.steps // self.renew) if self.renew else 1
        once = replace(self, steps=0)
        return super().work(pixels, channels) + (passes * once.work(pixels, channels) if self.steps else 0.0)

    def loss(self, nets: Nets, inputs: dict[str, Tensor], problem: Problem, draw: Draw, step: int) -> Tensor:
        """Squared error of a crop of the restored tile from noise of the tile's kind, in units of its variance."""
        noise, mask = problem.noise, problem.mask
        if step == 0 or (self.renew and step % self.renew == 0):
            inputs[KEPT] = _restored(nets, problem)
        clean = inputs[KEPT]
        if sides := crop_sides(problem, self.crop):
            corners = random_corners(inputs["measured"], draw, *sides)
            clean, mask = cut(clean, *corners, *sides), cut(mask, *corners, *sides)
        turns = draw.keep(0.5, 3)
        clean, mask = _turned(clean, turns), _turned(mask, turns)
        seen = clean + coloured(draw.normal(*clean.shape[1:]).to(clean), noise)
        return mean((denoised(nets, seen, noise.correlation) - clean) ** 2, mask)

    def is_tuned(self, name: str) -> bool:
        """All but the factor on the noise level."""
        return name != "level"


def _restored(nets: Nets, problem: Problem) -> Float[Tensor, "b c h w"]:
    """The planes of each tile as its network restores them now."""
    with torch.no_grad():
        z = planes_of(problem).z
        return in_strips(lambda x: denoised(nets, x, problem.noise.correlation), z, REACH, MULTIPLE)


def _turned(x: Shaped[Tensor, "b c h w"], turns: Shaped[Tensor, "b 3"]) -> Shaped[Tensor, "b c h w"]:
    """Each tile mirrored, upside down and, where it is square, transposed as its turns say."""
    flips = [lambda t: t.flip(-1), lambda t: t.flip(-2), *([lambda t: t.mT] if x.shape[-1] == x.shape[-2] else [])]
    for i, flip in enumerate(flips):
        x = torch.where(turns[:, i, None, None, None], flip(x), x)
    return x
