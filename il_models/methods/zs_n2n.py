"""Zero-Shot Noise2Noise: a tiny network learns to map one half-resolution copy of a tile to the other."""

import math
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from il_models.draw import Draw
from il_models.method import Fitted
from il_models.nets import Nets
from il_models.networks.three_layers import ThreeLayers
from il_models.problem import Problem


@dataclass(frozen=True, kw_only=True)
class ZeroShotNoise2Noise(Fitted):
    """Mansour and Heckel, "Zero-Shot Noise2Noise: Efficient Image Denoising without any Data", CVPR 2023, arXiv 2303.11253.

    Two fixed 2x2 kernels average the diagonals of each cell into two half-size images with independent noise and nearly the
    same scene (eq. 5); the network predicts the noise; residual loss (eq. 7) plus consistency loss (eq. 8).
    """

    name: ClassVar[str] = "zs_n2n"
    summary: ClassVar[str] = "21 k weights, learned from the input's own half-resolution pairs; needs no noise level"
    source: ClassVar[str] = "Mansour and Heckel, CVPR 2023, arXiv 2303.11253"
    assumes_white_noise: ClassVar[bool] = True
    multiple: ClassVar[int] = 2

    steps: int = 2000  # paper: 2000
    rate: float = 1e-3  # paper: 1e-3 with Adam
    decay: Literal["halving", "cosine"] = "halving"  # paper: halved every 1500 steps
    last_rate: float = 1e-5  # where the cosine ends; without decay the mean drifts by grey levels
    width: int = 48  # paper: 48
    crop: int = 0  # side of the random crop of a step, even; 0: the whole tile, as in the paper
    own_rate: float = 3e-4  # for own steps from a start; 1e-3 first undoes the start

    @property
    def reach(self) -> int:
        """Two 3x3 layers and one 1x1 layer."""
        return 2

    def work(self, pixels: int, channels: int) -> float:
        """Forward and backward on the crop, at full and twice at quarter size, per step; one forward pass at the end."""
        weights = 9 * channels * self.width + 9 * self.width**2 + self.width * channels
        seen = min(pixels, self.crop**2) if self.crop else pixels
        return weights * (4.5 * seen * self.steps + pixels)

    def network(self, problem: Problem) -> nn.Module:
        """Three convolutions, 21,313 weights for one channel."""
        return ThreeLayers(problem.channels, self.width)

    def rate_at(self, step: int) -> float:
        """Halved every 1500 steps, or a cosine down to `last_rate`."""
        if self.decay == "halving":
            return self.rate * 0.5 ** (step // 1500)
        done = step / max(1, self.steps - 1)
        return self.last_rate + (self.rate - self.last_rate) * (1 + math.cos(math.pi * done)) / 2

    def loss(self, nets: Nets, inputs: dict[str, Tensor], problem: Problem, draw: Draw, step: int) -> Tensor:
        """Residual and consistency loss, eq. 7 and 8, over the cells that were measured wholly."""
        del inputs, step
        y, mask = _cropped(problem, draw, self.crop)
        pair = _diagonals(y)  # (b, 2, c, h/2, w/2)
        cells = _diagonals(mask.float()).amin(1) == 1  # (b, 1, h/2, w/2)
        clean = pair - nets(pair)
        whole = y - nets(y[:, None])[:, 0]
        residual = (clean - pair.flip(1)) ** 2
        consistency = (clean - _diagonals(whole)) ** 2
        return 0.5 * _mean_over((residual + consistency).sum(1), cells)

    def estimate(self, nets: Nets, inputs: dict[str, Tensor], problem: Problem, draw: Draw) -> Tensor:
        """y minus the predicted noise."""
        del inputs, draw
        return problem.y - nets(problem.y[:, None])[:, 0]

    def own_steps(self, steps: int) -> "ZeroShotNoise2Noise":
        """Whole tile, cosine from a rate that does not undo the start."""
        return replace(self, steps=steps, rate=self.own_rate, decay="cosine", crop=0)


def _diagonals(x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b 2 c h2 w2"]:
    """The means of the two diagonals of each 2x2 cell: two half-size images whose noise is independent (eq. 5)."""
    main = (x[..., 0::2, 0::2] + x[..., 1::2, 1::2]) / 2
    anti = (x[..., 0::2, 1::2] + x[..., 1::2, 0::2]) / 2
    return torch.stack([main, anti], 1)


def _mean_over(x: Float[Tensor, "b c h w"], cells: Bool[Tensor, "b 1 h w"]) -> Float[Tensor, " b"]:
    kept = cells.expand_as(x)
    return (x * kept).flatten(1).sum(1) / kept.flatten(1).sum(1).clamp(min=1)


def _cropped(problem: Problem, draw: Draw, side: int) -> tuple[Tensor, Tensor]:
    """A random crop of each tile, at even places; the whole tile for side 0 or a tile that is not larger."""
    b, _, height, width = problem.y.shape
    if side == 0 or (height <= side and width <= side):
        return problem.y, problem.mask
    rows = _places(draw, b, height, side)[:, :, None]
    columns = _places(draw, b, width, side)[:, None, :]
    tile = torch.arange(b, device=problem.y.device)[:, None, None]
    return problem.y.movedim(1, -1)[tile, rows, columns].movedim(-1, 1), problem.mask[:, 0][tile, rows, columns][:, None]


def _places(draw: Draw, b: int, length: int, side: int) -> Tensor:
    side = min(side, length)
    first = 2 * draw.integers((length - side) // 2 + 1, 1)
    return first + torch.arange(side, device=first.device)
