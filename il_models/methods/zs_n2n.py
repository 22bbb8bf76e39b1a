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

STRIP = 2**19  # pixels that go through the network at once when it is applied, which bounds memory on whole inputs
CANDIDATES = 4  # places among which a crop goes where most was measured


@dataclass(frozen=True, kw_only=True)
class ZeroShotNoise2Noise(Fitted):
    """Mansour and Heckel, "Zero-Shot Noise2Noise: Efficient Image Denoising without any Data", CVPR 2023.

    Two fixed 2x2 kernels average the diagonals of each cell into two half-size images with independent noise and nearly
    the same scene (eq. 5); the network predicts the noise; residual loss (eq. 7) plus consistency loss (eq. 8).

    The paper fits whole tiles (crop 0, rate 1e-3, squares 0.999, halving). Small crops, a higher rate and an Adam whose
    mean of squares forgets fast reach its quality in a tenth of the arithmetic (benchmarks/results/denoising.md).
    """

    name: ClassVar[str] = "zs_n2n"
    summary: ClassVar[str] = "21 k weights, learned from the input's own half-resolution pairs; needs no noise level"
    source: ClassVar[str] = "Mansour and Heckel, CVPR 2023, arXiv 2303.11253"
    assumes_white_noise: ClassVar[bool] = True
    multiple: ClassVar[int] = 2

    steps: int = 3000  # paper: 2000; tiles of 128 x 128 over-fit beyond 1000 (see views), whole inputs bear 8000
    rate: float = 3e-3  # paper: 1e-3 with Adam
    squares: float = 0.95  # paper: 0.999; Adam's memory of squared gradients. Short, it gains 0.4 dB in the same time
    decay: Literal["cosine", "halving"] = "cosine"  # paper: halved every 1500 steps
    last_rate: float = 1e-5  # where the cosine ends; without decay the mean drifts by grey levels
    width: int = 48  # paper: 48
    crop: int = 32  # side of the random crop of a step, even; 0: the whole tile, as in the paper
    own_rate: float = 1e-3  # for own steps from a start
    views: Literal[1, 8] = 1  # flips and turns averaged in the estimate: 0.1 to 0.7 dB for a tile's own network
    precision: Literal["float32", "bfloat16"] = "float32"  # of the convolutions while fitting

    @property
    def reach(self) -> int:
        """Two 3x3 layers and one 1x1 layer."""
        return 2

    def work(self, pixels: int, channels: int) -> float:
        """Forward and backward on the crop per step, at full and twice at quarter size; at the end one forward pass."""
        weights = 9 * channels * self.width + 9 * self.width**2 + self.width * channels
        seen = min(pixels, self.crop**2) if self.crop else pixels
        return weights * (4.5 * seen * self.steps + self.views * pixels)

    def network(self, problem: Problem) -> nn.Module:
        """Three convolutions, 21,313 weights for one channel."""
        return ThreeLayers(problem.channels, self.width)

    def optimiser(self, weights: list[Tensor]) -> torch.optim.Optimizer:
        """Adam."""
        return torch.optim.Adam(weights, lr=self.rate, betas=(0.9, self.squares))

    def rate_at(self, step: int) -> float:
        """Halved every 1500 steps, or a cosine down to `last_rate`."""
        if self.decay == "halving":
            return self.rate * 0.5 ** (step // 1500)
        done = step / max(1, self.steps - 1)
        return self.last_rate + (self.rate - self.last_rate) * (1 + math.cos(math.pi * done)) / 2

    def prepare(self, problem: Problem, draw: Draw) -> dict[str, Tensor]:
        """How many pixels were measured above and left of each, to know it of any crop."""
        del draw
        if self._sides(problem) is None:
            return {}
        sums = problem.mask[:, 0].int().cumsum(1, dtype=torch.int32).cumsum(2, dtype=torch.int32)
        return {"measured": nn.functional.pad(sums, (1, 0, 1, 0))}

    def loss(self, nets: Nets, inputs: dict[str, Tensor], problem: Problem, draw: Draw, step: int) -> Tensor:
        """Residual and consistency loss, eq. 7 and 8, over the cells that were measured wholly."""
        del step
        sides = self._sides(problem)
        y, mask = _cropped(problem, inputs["measured"], draw, *sides) if sides else (problem.y, problem.mask)
        pair = _diagonals(y)  # (b, 2, c, h/2, w/2)
        cells = _diagonals(mask.float()).amin(1) == 1  # (b, 1, h/2, w/2)
        with torch.autocast(y.device.type, torch.bfloat16, enabled=self.precision == "bfloat16"):
            noise, whole_noise = nets(pair), nets(y[:, None])[:, 0]
        clean, whole = pair - noise.to(y.dtype), y - whole_noise.to(y.dtype)
        residual = (clean - pair.flip(1)) ** 2
        consistency = (clean - _diagonals(whole)) ** 2
        return 0.5 * _mean_over((residual + consistency).sum(1), cells)

    def estimate(self, nets: Nets, inputs: dict[str, Tensor], problem: Problem, draw: Draw) -> Tensor:
        """y minus the predicted noise, which is the mean over `views` flips and turns of the tile."""
        del inputs, draw
        seen = (_undone(_in_strips(nets, _turned(problem.y, view), self.reach), view) for view in range(self.views))
        return problem.y - sum(seen, torch.zeros_like(problem.y)) / self.views

    def on_input(self) -> "ZeroShotNoise2Noise":
        """Random crops of it, and a cosine: an undecayed rate leaves the mean off by grey levels."""
        return replace(self, decay="cosine", crop=self.crop or 64)

    def own_steps(self, steps: int) -> "ZeroShotNoise2Noise":
        """Cosine from a rate that does not undo the start."""
        return replace(self, steps=steps, rate=self.own_rate, decay="cosine")

    def _sides(self, problem: Problem) -> tuple[int, int] | None:
        """Height and width of a crop; None where the tile is not larger."""
        height, width = problem.y.shape[-2:]
        return (min(self.crop, height), min(self.crop, width)) if 0 < self.crop < max(height, width) else None


def _diagonals(x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b 2 c h2 w2"]:
    """The means of the two diagonals of each 2x2 cell: two half-size images whose noise is independent (eq. 5)."""
    main = (x[..., 0::2, 0::2] + x[..., 1::2, 1::2]) / 2
    anti = (x[..., 0::2, 1::2] + x[..., 1::2, 0::2]) / 2
    return torch.stack([main, anti], 1)


def _mean_over(x: Float[Tensor, "b c h w"], cells: Bool[Tensor, "b 1 h w"]) -> Float[Tensor, " b"]:
    kept = cells.expand_as(x)
    return (x * kept).flatten(1).sum(1) / kept.flatten(1).sum(1).clamp(min=1)


def _turned(x: Float[Tensor, "b c h w"], view: int) -> Float[Tensor, "b c v u"]:
    """One of the eight flips and turns of a plane; view 0 is the plane."""
    x = x.flip(-1) if view & 1 else x
    x = x.flip(-2) if view & 2 else x
    return x.transpose(-1, -2).contiguous() if view & 4 else x


def _undone(x: Float[Tensor, "b c v u"], view: int) -> Float[Tensor, "b c h w"]:
    """The inverse of `_turned`."""
    x = x.transpose(-1, -2) if view & 4 else x
    x = x.flip(-2) if view & 2 else x
    return x.flip(-1) if view & 1 else x


def _in_strips(nets: Nets, y: Float[Tensor, "b c h w"], halo: int) -> Float[Tensor, "b c h w"]:
    """The networks' output, computed in strips of rows with so many rows of their neighbours."""
    height, width = y.shape[-2:]
    rows = max(1, STRIP // width)
    pieces = []
    for top in range(0, height, rows):
        first = max(0, top - halo)
        piece = nets(y[:, None, :, first : top + rows + halo])[:, 0]
        pieces.append(piece[..., top - first : top - first + rows, :])
    return pieces[0] if len(pieces) == 1 else torch.cat(pieces, -2)


def _cropped(problem: Problem, measured: Tensor, draw: Draw, high: int, wide: int) -> tuple[Tensor, Tensor]:
    """A random crop of each tile at even places: of a few, the one of which most was measured."""
    height, width = problem.y.shape[-2:]
    rows = 2 * draw.integers((height - high) // 2 + 1, CANDIDATES)
    columns = 2 * draw.integers((width - wide) // 2 + 1, CANDIDATES)
    tile = torch.arange(problem.b, device=rows.device)
    at = (tile[:, None], rows, columns)
    count = measured[at] + measured[at[0], rows + high, columns + wide]
    count = count - measured[at[0], rows + high, columns] - measured[at[0], rows, columns + wide]
    best = count.argmax(1)
    down = (rows[tile, best][:, None] + torch.arange(high, device=rows.device))[:, :, None]
    across = (columns[tile, best][:, None] + torch.arange(wide, device=rows.device))[:, None, :]
    place = (tile[:, None, None], down, across)
    return problem.y.movedim(1, -1)[place].movedim(-1, 1), problem.mask[:, 0][place][:, None]
