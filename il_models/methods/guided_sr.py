"""Guided super-resolution: a network learns one scale lower how fine bands sharpen the coarse ones of their scene."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from il_models.crops import counted, cut, random_corners
from il_models.degradations import Degradation, Guided, guided
from il_models.detail import back_projected, detail_of
from il_models.draw import Draw
from il_models.method import Fitted
from il_models.metrics import mean
from il_models.nets import Nets
from il_models.networks.guided_stack import GuidedStack
from il_models.problem import Problem
from il_models.scale_below import Below, below
from il_models.schedules import cosine
from il_models.views import in_strips

SMOOTH = 1e-6  # where |e| becomes round, in units of y: a loss that overflows with the numbers that it is made of


@dataclass(frozen=True, kw_only=True)
class GuidedSuperResolution(Fitted):
    """Lanaras et al., ISPRS J. 2018 (DSen2), learned as Shocher, Cohen and Irani, CVPR 2018, from the scene alone.

    Measurement and guide are both made coarser once more, so that the measurement itself is what should come out, and a
    network learns it on random crops, from the interpolated bands and the guide's detail. Then it does the same for
    measurement and guide as they are, and what the measurement misses is back-projected.
    """

    name: ClassVar[str] = "guided_sr"
    summary: ClassVar[str] = "a network that learns from the scene, made coarser, how its fine bands sharpen the others"
    source: ClassVar[str] = "Lanaras et al., ISPRS J. 146 (2018), arXiv 1803.04271; Shocher et al., CVPR 2018"
    serves: ClassVar[tuple[type[Degradation], ...]] = (Guided,)
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {"fast": {"steps": 300, "crop": 32}}

    steps: int = 600
    rate: float = 2e-3
    width: int = 48
    depth: int = 4
    crop: int = 48  # side of what a step sees, on the grid of the measurement
    projections: int = 5

    @property
    def reach(self) -> None:
        """The whole tile: back-projections carry far, although little."""
        return

    def work(self, pixels: int, channels: int) -> float:
        """Forward and backward on a crop per step; at the end a pass over an image of twice the sides."""
        weights = 9 * self.width * (2 * channels + 4 + (self.depth - 2) * self.width)
        return weights * (3.0 * min(pixels, self.crop**2) * self.steps + 4.0 * pixels)

    def network(self, problem: Problem) -> nn.Module:
        """A few convolutions; 49 thousand weights for six bands and four guides."""
        guides = guided(problem.A, problem.y).guide.shape[1]
        return GuidedStack(problem.channels, problem.channels + guides, self.width, self.depth)

    def rate_at(self, step: int) -> float:
        """A cosine down to a hundredth."""
        return cosine(step, self.steps, self.rate, self.rate / 100)

    def prepare(self, problem: Problem, draw: Draw) -> dict[str, Tensor]:
        """What the network sees one scale lower, and what it should make of it."""
        del draw
        lower = below(problem)
        return {
            "told": _told(lower.problem),
            "truth": lower.truth,
            "learned": lower.learned,
            "measured": counted(lower.learned),
        }

    def loss(self, nets: Nets, inputs: dict[str, Tensor], problem: Problem, draw: Draw, step: int) -> Tensor:
        """Mean absolute difference from the measurement, on a random crop.

        It is neither flipped nor turned: bands of one instrument may lie a little beside each other, always on the same
        side, and clouds do; what a network knows of that is worth up to 2 dB.
        """
        del problem, step
        planes = [inputs[name] for name in ("told", "truth", "learned")]
        height, width = (min(self.crop, side) for side in planes[0].shape[-2:])
        if (height, width) != planes[0].shape[-2:]:
            corners = random_corners(inputs["measured"], draw, height, width)
            planes = [cut(plane, *corners, height, width) for plane in planes]
        told, truth, counts = planes
        off = nets(told[:, None])[:, 0] - truth
        return mean((off**2 + SMOOTH**2).sqrt(), counts)

    def estimate(self, nets: Nets, inputs: dict[str, Tensor], problem: Problem, draw: Draw) -> Float[Tensor, "b c v u"]:
        """The network on measurement and guide as they are, back-projected."""
        del inputs, draw
        return self._sharpened(nets, problem)

    def rehearsed(self, problem: Problem, lower: Below, nets: Nets | None) -> Float[Tensor, "b c v u"]:
        """The same one scale lower, where the networks learned."""
        del problem
        assert nets is not None
        with torch.no_grad():
            return self._sharpened(nets, lower.problem)

    def on_input(self) -> "GuidedSuperResolution":
        """Crops are random anyway; what comes of the whole input by its network is looked at by nobody."""
        return replace(self, projections=0)

    def own_steps(self, steps: int) -> "GuidedSuperResolution":
        """At a rate that does not undo the start."""
        return replace(self, steps=steps, rate=self.rate / 10)

    def _sharpened(self, nets: Nets, problem: Problem) -> Float[Tensor, "b c v u"]:
        """By the networks, where the guide was measured; interpolated elsewhere."""
        A, told = guided(problem.A, problem.y), _told(problem)
        x = in_strips(lambda x: nets(x[:, None])[:, 0], told, self.depth)
        x = torch.where(A.known, x, told[:, : problem.channels])
        return back_projected(x, problem.y, A, problem.mask, self.projections)


def _told(problem: Problem) -> Float[Tensor, "b d v u"]:
    """What the network sees: the interpolated bands, and the guide's detail. Its brightness would tell it too much."""
    A = guided(problem.A, problem.y)
    return torch.cat([A.guess(problem.y), detail_of(A)], 1)
