"""Self2Self: a network with dropout learns to predict hidden pixels, and many of its predictions are averaged."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from il_models.crops import counted, crop_sides, random_crop
from il_models.draw import Draw
from il_models.method import Fitted
from il_models.nets import Nets
from il_models.networks.partial_unet import PartialUNet, kept_shapes
from il_models.problem import Problem
from il_models.schedules import cosine

BLOCK = 256  # pixels of a side that are predicted at once, besides what they see of their neighbours
MIDDLE = 0.5  # of the values, taken off before the network and added after it: where the paper's sigmoid begins
SALT = 0x52F  # the draws of the estimate are not those of the fit, and always the same


@dataclass(frozen=True, kw_only=True)
class Self2Self(Fitted):
    """Quan et al., "Self2Self with Dropout: Learning Self-Supervised Denoising from Single Image", CVPR 2020.

    A random 70 % of the pixels are given, the other 30 % are to be predicted (eq. 6); the estimate is the mean of 100
    predictions from random pixels with random dropout (eq. 8), which does what early stopping does elsewhere. Their
    standard deviation says where the network is unsure. One estimate costs 100 passes, and its risk as many again.

    The paper's 150,000 steps of a whole tile are for a GPU and were not run here. `fast` is a quarter of the network on
    crops, with next to no dropout, for in so few steps that only slows it down, and with the mean of the neighbours to
    start from. It loses much: on the 128 x 128 centre of Cameraman, sigma 25, it reaches 24.95 dB in 30 CPU-seconds,
    where zs_n2n has 25.78 in 23 and non-local means 26.98 (one picture, on which it was chosen). So it is for the
    spread, not for the picture; and with so little dropout that spread comes from the hidden pixels.
    """

    name: ClassVar[str] = "self2self"
    summary: ClassVar[str] = (
        "hidden pixels predicted under dropout, 100 predictions averaged; slow; says how sure it is"
    )
    source: ClassVar[str] = "Quan et al., CVPR 2020; shorter schedules: Ko and Lee's Self2Self+"
    assumes_white_noise: ClassVar[bool] = True
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "fast": {
            "steps": 1500,
            "rate": 2e-3,
            "squares": 0.95,
            "decay": "cosine",
            "dropout": 0.02,
            "width": 24,
            "decoder": 48,
            "head": (32, 16),
            "pools": 3,
            "passes": 20,
            "residual": True,
            "crop": 40,
        }
    }

    steps: int = 150_000  # paper: 150,000 (450,000 in an earlier version)
    rate: float = 1e-4  # paper: 1e-4 with Adam
    squares: float = 0.999  # Adam's memory of squared gradients
    decay: Literal["none", "cosine"] = "none"  # paper: none
    last_rate: float = 1e-5  # where the cosine ends
    own_rate: float = 1e-4  # for own steps from a start
    given: float = 0.7  # paper: 0.7; share of the values that the network sees
    dropout: float = 0.3  # paper: 0.3; share of the decoder's inputs that are left out
    width: int = 48  # paper: 48; of the encoder
    decoder: int = 96  # paper: 96
    head: tuple[int, int] = (64, 32)  # paper: 64 and 32
    pools: int = 5  # paper: 5
    passes: int = 100  # paper: 100
    residual: bool = False  # paper: False; whether the network predicts what the mean of the given neighbours lacks
    crop: int = 0  # side of the random crop of a step; 0: the whole tile, as in the paper

    @property
    def reach(self) -> int:
        """Three layers at the top, two per level of the decoder and one of the encoder, and the cells of the pools."""
        return 5 * 2**self.pools - 2

    def work(self, pixels: int, channels: int) -> float:
        """Forward and backward on the crop per step, and `passes` forward passes over the tile."""
        shapes = kept_shapes((1024, 1024), channels, **self._sizes)
        outputs = [self.decoder] * (2 * self.pools - 2) + [*self.head, channels]
        decoder = sum(inside * out * (side / 1024) ** 2 for (inside, side, _), out in zip(shapes, outputs, strict=True))
        encoder = channels * self.width + self.width**2 * sum(0.25**level for level in range(self.pools + 1))
        seen = min(pixels, self.crop**2) if self.crop else pixels
        return 9 * (decoder + encoder) * (3 * seen * self.steps + self.passes * pixels)

    def network(self, problem: Problem) -> nn.Module:
        """Seven partial convolutions down, eleven convolutions up."""
        return PartialUNet(problem.channels, **self._sizes, dropout=self.dropout)

    def optimiser(self, weights: list[Tensor]) -> torch.optim.Optimizer:
        """Adam."""
        return torch.optim.Adam(weights, lr=self.rate, betas=(0.9, self.squares))

    def rate_at(self, step: int) -> float:
        """Constant, or a cosine down to `last_rate`."""
        return self.rate if self.decay == "none" else cosine(step, self.steps, self.rate, self.last_rate)

    def prepare(self, problem: Problem, draw: Draw) -> dict[str, Tensor]:
        """How many pixels were measured above and left of each, to know it of any crop."""
        del draw
        return {"measured": counted(problem.mask)} if crop_sides(problem, self.crop) else {}

    def loss(self, nets: Nets, inputs: dict[str, Tensor], problem: Problem, draw: Draw, step: int) -> Tensor:
        """Mean squared error of the measured values that were hidden, eq. 6; of a randomly flipped crop."""
        del step
        sides = crop_sides(problem, self.crop)
        y, mask = random_crop(problem, inputs["measured"], draw, *sides) if sides else (problem.y, problem.mask)
        for axis in (-1, -2):
            flips = draw.keep(0.5, 1, 1, 1)
            y, mask = torch.where(flips, y.flip(axis), y), torch.where(flips, mask.flip(axis), mask)
        given = draw.keep(self.given, *y.shape[1:]) & mask
        hidden = mask & ~given
        error = torch.where(hidden, (self._prediction(nets, y, given, draw) - y) ** 2, 0)
        return error.flatten(1).sum(1) / hidden.flatten(1).sum(1).clamp(min=1)

    def estimate(self, nets: Nets, inputs: dict[str, Tensor], problem: Problem, draw: Draw) -> Tensor:
        """Mean of the predictions, eq. 8. Its draws depend on the tile alone, which makes it a function of y."""
        del inputs, draw
        return self._mean_and_std(nets, problem)[0]

    def spread(self, nets: Nets, inputs: dict[str, Tensor], problem: Problem, draw: Draw) -> Tensor | None:
        """Standard deviation of the predictions; None where there are fewer than two."""
        del inputs, draw
        return self._mean_and_std(nets, problem)[1] if self.passes > 1 else None

    def on_input(self) -> "Self2Self":
        """Random crops of it. Only the weights of this fit are wanted, so a single pass ends it."""
        return replace(self, crop=self.crop or 128, passes=1)

    def own_steps(self, steps: int) -> "Self2Self":
        """At a rate that does not undo the start."""
        return replace(self, steps=steps, rate=self.own_rate, last_rate=min(self.last_rate, self.own_rate))

    @property
    def _sizes(self) -> dict[str, Any]:
        return {"width": self.width, "decoder": self.decoder, "head": self.head, "pools": self.pools}

    def _prediction(self, nets: Nets, y: Tensor, given: Tensor, draw: Draw) -> Tensor:
        """The picture by one pass, from the given values and under dropout."""
        shapes = kept_shapes((y.shape[-2], y.shape[-1]), y.shape[1], **self._sizes)
        kept = [_kept(draw, 1 - self.dropout, shape)[:, None] for shape in shapes]
        x = nets((y - MIDDLE)[:, None], given[:, None], *kept)[:, 0] + MIDDLE
        return x + _neighbours(y - MIDDLE, given) if self.residual else x

    def _mean_and_std(self, nets: Nets, problem: Problem) -> tuple[Tensor, Tensor]:
        draw = Draw(problem.seeds ^ SALT)
        mean, squares = torch.zeros_like(problem.y), torch.zeros_like(problem.y)
        for count in range(1, self.passes + 1):
            apart = self._pass(nets, problem, draw) - mean
            mean = mean + apart / count
            squares = squares + apart**2 * (1 - 1 / count)
        return mean, (squares / self.passes).sqrt()

    def _pass(self, nets: Nets, problem: Problem, draw: Draw) -> Tensor:
        """One prediction of whole tiles, block by block."""
        cell, x = 2**self.pools, torch.empty_like(problem.y)
        for outer, inner, place in _blocks(problem.y.shape[-2], problem.y.shape[-1], -(-self.reach // cell) * cell):
            y, mask = problem.y[..., *outer], problem.mask[..., *outer]
            given = draw.keep(self.given, *y.shape[1:]) & mask
            x[..., *place] = self._prediction(nets, y, given, draw)[..., *inner]
        return x


Window = tuple[slice, slice]


def _blocks(height: int, width: int, halo: int) -> Iterator[tuple[Window, Window, Window]]:
    """What each block of a tile sees, what of it is kept, and where that goes."""
    for top in range(0, height, BLOCK):
        for left in range(0, width, BLOCK):
            high, wide = min(BLOCK, height - top), min(BLOCK, width - left)
            row, column = max(0, top - halo), max(0, left - halo)
            outer = (slice(row, top + high + halo), slice(column, left + wide + halo))
            inner = (slice(top - row, top - row + high), slice(left - column, left - column + wide))
            yield outer, inner, (slice(top, top + high), slice(left, left + wide))


def _neighbours(y: Tensor, given: Tensor) -> Tensor:
    """Mean of the given values in a window of 3x3; 0 where none is given."""
    known = given.to(y.dtype)
    share = avg_pool2d(known, 3, 1, 1)
    return avg_pool2d(y * known, 3, 1, 1) / share.clamp(min=0.01)


def _kept(draw: Draw, chance: float, shape: tuple[int, ...]) -> Tensor:
    """True with a chance of so many 256ths, (b, *shape). Three come of each random number, whose cost would show."""
    count, level = math.prod(shape), round(256 * chance)
    numbers = draw.integers(2**24, -(-count // 3))
    bits = torch.stack([(numbers >> shift & 255) < level for shift in (0, 8, 16)], -1)
    return bits.flatten(1)[:, :count].unflatten(1, shape)
