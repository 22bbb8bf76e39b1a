"""Zero-shot super-resolution: a small network learns from the input's own shrunken copies how to undo the shrinking."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional

from il_models.degradations import Degradation, Downsample, Subsample
from il_models.draw import Draw
from il_models.method import Fitted
from il_models.metrics import mean
from il_models.nets import Nets
from il_models.networks.residual_stack import ResidualStack
from il_models.problem import Problem
from il_models.views import in_strips, turned, undone

SMOOTH = 1e-6  # where |e| becomes round, in units of y: a loss that overflows with the numbers that it is made of


@dataclass(frozen=True, kw_only=True)
class ZeroShotSuperResolution(Fitted):
    """Shocher, Cohen and Irani, "Zero-Shot Super-Resolution using Deep Internal Learning", CVPR 2018.

    The measurement is the truth: at each step a random crop of it (a "father"), turned, flipped or squeezed, is shrunk
    by the degradation itself (a "son"), enlarged by interpolation, and the network learns to give the father back.
    Applied to the interpolated measurement, its answers for eight turns and flips are joined by their median, and what
    the measurement misses is back-projected. Where the kernel is not symmetric (Subsample), crops are squeezed alone
    and there is one view.

    Other than in the paper the rate falls by ten at fixed parts of the fit, in place of its rule, and there is one jump
    to the factor, as in the code that its authors published. Noise in the measurement: fewer `projections` or none, and
    `grain`, which is added to sons.
    """

    name: ClassVar[str] = "zssr"
    summary: ClassVar[str] = (
        "225 k weights learned from the input's own shrunken copies; super-resolution, kernel known"
    )
    source: ClassVar[str] = "Shocher, Cohen and Irani, CVPR 2018, arXiv 1712.06087"
    serves: ClassVar[tuple[type[Degradation], ...]] = (Downsample, Subsample)
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "fast": {"steps": 600, "crop": 48, "rate": 1e-3},
        "noisy": {"projections": 0, "grain": 0.0125, "squeeze": 0.75},  # the paper's for real, noisy images
    }

    steps: int = 1500  # paper: 900 to 3000, by its rule
    rate: float = 1e-3  # paper: 1e-3
    width: int = 64  # paper: 64
    depth: int = 8  # paper: 8
    crop: int = 128  # paper: 128; side of a father, made a multiple of the factor
    squeeze: float = 0.5  # paper: 0.5; the smallest scale of half of the fathers, 1: none is squeezed
    views: int = 8  # paper: 8
    projections: int = 10  # paper: 10 of each view, and 10 of their median
    grain: float = (
        0.0  # paper: 0, and 0.0125 for noisy images; standard deviation of noise added to sons, in units of y
    )

    @property
    def reach(self) -> None:
        """The whole tile: back-projections carry far, although little."""
        return

    def work(self, pixels: int, channels: int) -> float:
        """Forward and backward on a father per step; at the end `views` passes over the image, for a factor of 2."""
        weights = 9 * self.width * (2 * channels + (self.depth - 2) * self.width)
        return weights * (3.0 * min(pixels, self.crop**2) * self.steps + 4.0 * self.views * pixels)

    def network(self, problem: Problem) -> nn.Module:
        """Eight convolutions, 224,640 weights for three channels."""
        return ResidualStack(problem.channels, self.width, self.depth)

    def rate_at(self, step: int) -> float:
        """A tenth after six tenths of the steps, a hundredth for the last tenth and a half."""
        done = step / max(1, self.steps)
        return self.rate * (1.0 if done < 0.6 else 0.1 if done < 0.85 else 0.01)

    def loss(self, nets: Nets, inputs: dict[str, Tensor], problem: Problem, draw: Draw, step: int) -> Tensor:
        """Mean absolute difference between the father and what the network makes of its son."""
        del inputs, step
        with torch.no_grad():
            father, measured = self._fathers(problem, draw)
            son = problem.A(father)
            if self.grain:
                son = son + self.grain * draw.normal(*son.shape[1:]).to(son)
            enlarged = problem.A.guess(son)
        off = nets(enlarged[:, None])[:, 0] - father
        return mean((off**2 + SMOOTH**2).sqrt(), measured)

    def estimate(self, nets: Nets, inputs: dict[str, Tensor], problem: Problem, draw: Draw) -> Tensor:
        """The median over the views, each back-projected, and back-projected again."""
        del inputs, draw
        views = self.views if problem.A.turns else 1
        seen = [undone(self._image(nets, _turned(problem, view)), view) for view in range(views)]
        ordered = torch.stack(seen).sort(0).values
        middle = (ordered[(views - 1) // 2] + ordered[views // 2]) / 2
        return _back_projected(middle, problem, self.projections if views > 1 else 0)

    def on_input(self) -> "ZeroShotSuperResolution":
        """Fathers are random crops anyway."""
        return self

    def own_steps(self, steps: int) -> "ZeroShotSuperResolution":
        """At a rate that does not undo the start."""
        return replace(self, steps=steps, rate=self.rate / 10)

    def _image(self, nets: Nets, problem: Problem) -> Tensor:
        """One view: the network on the interpolated measurement, back-projected."""
        x = in_strips(lambda x: nets(x[:, None])[:, 0], problem.A.guess(problem.y), self.depth)
        return _back_projected(x, problem, self.projections)

    def _fathers(self, problem: Problem, draw: Draw) -> tuple[Float[Tensor, "b c n m"], Bool[Tensor, "b 1 n m"]]:
        """A crop of each tile, and which of its pixels were measured."""
        y, mask = problem.y, problem.mask
        factor = problem.A.image_size((1, 1))[0]
        sides = [max(1, min(self.crop, side) // factor) * factor for side in y.shape[-2:]]
        grid = self._places(problem, draw, sides).to(y)
        father = functional.grid_sample(y, grid, "bicubic", "reflection", align_corners=False)
        known = functional.grid_sample(mask.to(y), grid, "bilinear", "reflection", align_corners=False)
        return father, known > 1 - 1e-3

    def _places(self, problem: Problem, draw: Draw, sides: list[int]) -> Float[Tensor, "b n m 2"]:
        """Where each pixel of a father lies in its tile, in the units of grid_sample.

        Half of the fathers are squeezed by a scale of `squeeze` to 1, another one along each axis, sheared and turned
        by any angle; the others are flipped and turned by right angles. Where A does not turn, they are neither turned
        nor sheared.
        """
        chance, scale = draw.uniform(2), draw.uniform(1)
        uneven, shear, angle = 0.25 * draw.normal(2), 0.1 * draw.normal(2), draw.uniform(1)
        flips, corner = draw.integers(8, 1), draw.uniform(2)
        squeezed = (chance[:, :1] < 0.5) & (self.squeeze < 1)
        size = (self.squeeze + (1 - self.squeeze) * scale) * torch.tensor([1.0, 1.0], device=scale.device)
        size = (size * (1 + uneven * size)).clamp(self.squeeze, 1)
        turn = 2 * torch.pi * angle if problem.A.turns else torch.zeros_like(angle)
        shear = shear if problem.A.turns else torch.zeros_like(shear)
        any_way = _matrix(turn, shear, 1 / size)
        upright = _flips(flips[:, 0]) if problem.A.turns else torch.eye(2, device=scale.device).expand_as(any_way)
        matrix = torch.where(squeezed[..., None], any_way, upright)
        rows, columns = (torch.arange(side, device=scale.device) - (side - 1) / 2 for side in sides)
        offset = torch.stack(torch.meshgrid(rows, columns, indexing="ij"), -1).reshape(-1, 2)
        placed = torch.stack([(offset * matrix[:, None, axis]).sum(-1) for axis in (0, 1)], -1)
        half = placed.abs().amax(1)
        whole = torch.tensor(problem.y.shape[-2:], device=scale.device)
        room = (whole - 1 - 2 * half).clamp(min=0)
        middle = torch.where(room > 0, half + (corner * (room + 1)).floor().clamp(max=room), (whole - 1) / 2)
        place = placed + middle[:, None]
        unit = (2 * place + 1) / whole - 1
        return unit.flip(-1).reshape(len(unit), *sides, 2)


def _matrix(turn: Tensor, shear: Tensor, size: Tensor) -> Float[Tensor, "b 2 2"]:
    cos, sin = torch.cos(turn[:, 0]), torch.sin(turn[:, 0])
    turned_by = torch.stack([cos, -sin, sin, cos], -1).reshape(-1, 2, 2)
    one = torch.ones_like(cos)
    sheared = torch.stack([one, shear[:, 0], shear[:, 1], one], -1).reshape(-1, 2, 2)
    return (turned_by[..., None] * sheared[:, None]).sum(2) * size[:, None]


def _flips(which: Tensor) -> Float[Tensor, "b 2 2"]:
    """The eight flips and right-angle turns."""
    sign = 1.0 - 2 * torch.stack([which & 1, (which >> 1) & 1], -1)
    swapped = (which & 4 > 0)[:, None, None]
    plain = torch.diag_embed(sign)
    return torch.where(swapped, plain.flip(-1), plain)


def _turned(problem: Problem, view: int) -> Problem:
    return replace(problem, y=turned(problem.y, view), mask=turned(problem.mask, view))


def _back_projected(x: Float[Tensor, "b c v u"], problem: Problem, times: int) -> Float[Tensor, "b c v u"]:
    """What the measurement misses in x, enlarged and added, so many times."""
    for _ in range(times):
        off = problem.y - problem.A(x)
        x = x + problem.A.guess(off.masked_fill(~problem.mask, 0.0))
    return x
