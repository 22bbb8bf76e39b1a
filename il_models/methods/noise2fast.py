"""Noise2Fast: the two colours of a checkerboard make a pair of half-size images."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from jaxtyping import Shaped
from torch import Tensor, nn

from il_models.average import Average
from il_models.draw import Draw
from il_models.fitting.closest import Closest
from il_models.metrics import mean
from il_models.nets import Nets
from il_models.networks.plain import PlainStack
from il_models.on_crops import Decay, OnCrops
from il_models.problem import Problem
from il_models.stopper import Stopper
from il_models.views import mean_over_views


@dataclass(frozen=True, kw_only=True)
class Noise2Fast(OnCrops):
    """Lequyer, Philip, Sharma, Hsu, Pelletier, "A fast blind zero-shot denoiser", Nature Machine Intelligence 2022.

    The pixels of either colour of a checkerboard, pushed together along rows or along columns, are two images of half
    the size with independent noise and nearly the same scene; the network learns one from the other, in turn.

    The fit ends when its image of the whole tile came no closer to the measurement for `patience` steps, and the image
    is the mean of about the last `patience` ones (an exponential mean of the same age). The paper scales to 0 ... 1 by
    minimum and maximum and takes the binary cross-entropy of a sigmoid; values here are scaled by quantiles and lie
    outside too, so that the loss is the squared error, which was as good (25.54 and 25.50 dB).

    Looking at the whole tile costs half as much as a step. `fast` does without the rule and the mean: it takes all its
    steps, on crops, at a rate that falls, and its image is the last one, of eight views. Its network is smaller: six
    layers of 48 channels gain 0.5 dB on grey pictures, but lost 5 dB on a colour one, at half the rate too.
    """

    name: ClassVar[str] = "noise2fast"
    summary: ClassVar[str] = "learned from the two colours of a checkerboard, ends by itself; needs no noise level"
    source: ClassVar[str] = "Lequyer et al., Nature Machine Intelligence 2022, arXiv 2108.10209"
    assumes_white_noise: ClassVar[bool] = True
    multiple: ClassVar[int] = 2
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "fast": {"steps": 2500, "rate": 2e-3, "squares": 0.95, "decay": "cosine", "width": 32, "depth": 4, "crop": 32,
                 "patience": 0, "views": 8}
    }  # fmt: skip

    steps: int = 3000  # paper: until it stops
    rate: float = 1e-3  # paper: 1e-3
    decay: Decay = "none"  # paper: none
    width: int = 64  # paper: 64
    depth: int = 8  # paper: 8
    patience: int = 100  # paper: 100; 0: neither stops nor averages
    interval: int = 1  # paper: 1; steps between two looks at the whole tile

    @property
    def reach(self) -> int:
        """One pixel for each 3x3 layer."""
        return self.depth

    def work(self, pixels: int, channels: int) -> float:
        """Forward and backward on half a crop per step, and `views` passes at each look and at the end."""
        weights = 9 * channels * self.width + 9 * (self.depth - 1) * self.width**2 + self.width * channels
        looks = 1 + (self.steps / self.interval if self.patience else 0)
        return weights * (1.5 * self.seen(pixels) * self.steps + self.views * pixels * looks)

    @property
    def stopper(self) -> Stopper | None:
        """The paper's own."""
        return Closest(self.patience, self.interval) if self.patience else None

    @property
    def average(self) -> Average | None:
        """Exponential, as old in the mean as the last `patience` images are."""
        age = max(0.0, self.patience / self.interval - 1) / 2
        return Average(self.interval, keep=age / (age + 1)) if self.patience else None

    def network(self, problem: Problem) -> nn.Module:
        """Makes the image itself; 259,201 weights for one channel."""
        return PlainStack(problem.channels, self.width, self.depth)

    def loss(self, nets: Nets, inputs: dict[str, Tensor], problem: Problem, draw: Draw, step: int) -> Tensor:
        """Squared error of one colour from the other, over the pairs of which both were measured."""
        y, mask = self.sample([problem.y, problem.mask], inputs, problem, draw)
        along = -1 - step % 2
        even, odd = colours(y, along)
        measured = torch.logical_and(*colours(mask, along))
        swap = draw.integers(2, 1, 1, 1) == 1
        seen, target = torch.where(swap, odd, even), torch.where(swap, even, odd)
        return mean((nets(seen[:, None])[:, 0] - target) ** 2, measured)

    def on_input(self) -> OnCrops:
        """All its steps: a look at a whole input would cost more than hundreds of them."""
        return OnCrops.on_input(replace(self, patience=0))

    def own_steps(self, steps: int) -> OnCrops:
        """All of them, for they are few."""
        return OnCrops.own_steps(replace(self, patience=0), steps)

    def estimate(self, nets: Nets, inputs: dict[str, Tensor], problem: Problem, draw: Draw) -> Tensor:
        """The image of y, the mean over `views` flips and turns."""
        del inputs, draw
        return mean_over_views(lambda y: nets(y[:, None])[:, 0], problem.y, self.views, self.reach)


def colours(x: Shaped[Tensor, "b c h w"], along: int) -> tuple[Tensor, Tensor]:
    """The even and the odd squares of a checkerboard, pushed together along axis -1 or -2, which they halve."""
    if along == -2:
        even, odd = colours(x.transpose(-1, -2), -1)
        return even.transpose(-1, -2), odd.transpose(-1, -2)
    cells = x.unflatten(-2, (-1, 2)).unflatten(-1, (-1, 2))  # (b, c, h/2, 2, w/2, 2)
    upper, lower = cells[..., 0, :, :], cells[..., 1, :, :]
    even = torch.stack([upper[..., 0], lower[..., 1]], -2).flatten(-3, -2)
    odd = torch.stack([upper[..., 1], lower[..., 0]], -2).flatten(-3, -2)
    return even, odd
