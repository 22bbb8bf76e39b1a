"""What methods share whose prior is a network's structure: they make the image from random codes and see y in the loss.

Ulyanov, Vedaldi and Lempitsky, "Deep Image Prior", CVPR 2018, arXiv 1711.10925, and its followers.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from il_models.average import Average
from il_models.draw import Draw
from il_models.method import Fitted
from il_models.metrics import mean, mse
from il_models.nets import Nets
from il_models.networks.hourglass import Hourglass, multiplications, scales_of
from il_models.problem import Problem

SMALL: Mapping[str, Any] = {"widths": (32, 32, 32, 32), "code": 16, "jitter": 0.003}  # of presets: 120,000 weights
CODE = 0.1  # a code's numbers are uniform between 0 and this
ROOM = 0.5  # head-room of the output below and above the measured range, as a share of it


def image_sides(problem: Problem) -> tuple[int, ...]:
    """Height and width of the image, which a degradation may have made larger or smaller than y."""
    return problem.A.image_size(tuple(problem.y.shape[2:]))


def misfit(problem: Problem, x: Float[Tensor, "b c *s"]) -> Float[Tensor, " b"]:
    """Mean of (A x - y)^2 over the measured pixels."""
    return mse(problem.A(x), problem.y, problem.mask)


def total_variation(problem: Problem, x: Float[Tensor, "b c h w"]) -> Float[Tensor, " b"]:
    """Mean |step| to the pixel below plus mean |step| to the pixel on the right, between measured pixels (anisotropic).

    Where image and measurement differ in size no pixel of the image is unmeasured by itself, and all count.
    """
    mask = problem.mask
    if mask.shape[2:] != x.shape[2:]:
        mask = torch.ones_like(x[:, :1], dtype=torch.bool)
    down = mean((x[..., 1:, :] - x[..., :-1, :]).abs(), mask[..., 1:, :] & mask[..., :-1, :])
    across = mean((x[..., 1:] - x[..., :-1]).abs(), mask[..., 1:] & mask[..., :-1])
    return down + across


def measured_range(problem: Problem) -> dict[str, Tensor]:
    """Where the values of an image may lie: between those measured in its tile, with ROOM; shapes (b, 1, 1, 1)."""
    high = torch.where(problem.mask, problem.y, torch.full_like(problem.y, -torch.inf)).flatten(1).amax(1)
    low = torch.where(problem.mask, problem.y, torch.full_like(problem.y, torch.inf)).flatten(1).amin(1)
    some = problem.mask.flatten(1).any(1)
    low, high = torch.where(some, low, torch.zeros_like(low)), torch.where(some, high, torch.ones_like(high))
    room = ROOM * (high - low)
    return {"low": (low - room).reshape(-1, 1, 1, 1), "wide": (high - low + 2 * room).reshape(-1, 1, 1, 1)}


def in_range(x: Float[Tensor, "b c *s"], inputs: dict[str, Tensor]) -> Float[Tensor, "b c *s"]:
    """A network's unbounded output as an image within `measured_range`, by a sigmoid."""
    return inputs["low"] + inputs["wide"] * torch.sigmoid(x)


def averaging(every: int = 10, keep: float = 0.99) -> Average:
    """The papers' exponential average of the outputs, weight `keep` per step, from every so many of them."""
    return Average(every=every, keep=keep**every)


@dataclass(frozen=True, kw_only=True)
class HourglassPrior(Fitted):
    """An hourglass that makes the image from a fixed random code, shaken at every step.

    The image is as wide as the measured values and half as much again on either side (the papers: a sigmoid, 0 to 1,
    which would cut off what is brighter than usual).
    """

    multiple: ClassVar[int] = 32
    reads_measurement: ClassVar[bool] = False

    widths: tuple[int, ...] = (128, 128, 128, 128, 128)  # of the scales, finest first; tiny tiles get fewer scales
    skip: int = 4
    code: int = 32  # channels of the code
    jitter: float = 1 / 30  # standard deviation of the noise added to the code at each step; papers: 1/20 for sigma 50

    @property
    def reach(self) -> None:
        """The whole tile: the normalisations see all of it."""
        return

    def work(self, pixels: int, channels: int) -> float:
        """Forward and backward on the whole tile per step."""
        return 3.0 * multiplications(self.code, channels, self.widths, self.skip) * pixels * max(1, self.steps)

    def network(self, problem: Problem) -> nn.Module:
        """The hourglass with as many scales as the tile bears."""
        scales = scales_of(image_sides(problem), len(self.widths))
        return Hourglass(self.code, problem.channels, self.widths[:scales], self.skip)

    def prepare(self, problem: Problem, draw: Draw) -> dict[str, Tensor]:
        """The code, shape (b, 1, code, h, w), and the range of the output."""
        code = CODE * draw.uniform(1, self.code, *image_sides(problem)).to(problem.y)
        return {"code": code, **measured_range(problem)}

    def shaken(self, nets: Nets, inputs: dict[str, Tensor], draw: Draw) -> Float[Tensor, "b c *s"]:
        """The image of the code with this step's noise."""
        return in_range(nets(self.jittered(inputs["code"], draw))[:, 0], inputs)

    def jittered(self, code: Float[Tensor, "b 1 c *s"], draw: Draw) -> Float[Tensor, "b 1 c *s"]:
        """The code with this step's noise."""
        return code + self.jitter * draw.normal(*code.shape[1:]).to(code) if self.jitter else code

    def estimate(self, nets: Nets, inputs: dict[str, Tensor], problem: Problem, draw: Draw) -> Tensor:
        """The image of the code without noise."""
        del problem, draw
        return in_range(nets(inputs["code"])[:, 0], inputs)
