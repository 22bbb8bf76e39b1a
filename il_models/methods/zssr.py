"""Zero-shot super-resolution: a small network learns from the input's own shrunken copies how to undo the shrinking."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from il_models.degradations import Degradation, Downsample, Subsample
from il_models.draw import Draw
from il_models.fathers import places, sampled
from il_models.method import Fitted
from il_models.metrics import mean
from il_models.nets import Nets
from il_models.networks.residual_stack import ResidualStack
from il_models.problem import Problem
from il_models.resampling import resized
from il_models.views import in_strips, turned, undone

RAISED = "raised"  # leads the names of images of intermediate scales
ADAPTED = {"steps": 10, "crop": 256, "squeeze": 1.0, "views": 1}  # Soh et al., CVPR 2020: one pair
LEAST_STEPS = 100  # for a scale
SMOOTH = 1e-6  # where |e| becomes round, in units of y: a loss that overflows with the numbers that it is made of


@dataclass(frozen=True, kw_only=True)
class ZeroShotSuperResolution(Fitted):
    """Shocher, Cohen and Irani, "Zero-Shot Super-Resolution using Deep Internal Learning", CVPR 2018.

    The measurement is the truth: at each step a random crop of it (a "father"), turned, flipped or squeezed, is shrunk
    by the degradation itself (a "son"), enlarged by interpolation, and the network learns to give the father back.
    Applied to the interpolated measurement, its answers for eight turns and flips are joined by their median, and what
    the measurement misses is back-projected. Where the kernel is not symmetric (Subsample), crops are squeezed alone
    and there is one view.

    With `scales` it climbs: the network's own image of an intermediate scale joins the fathers of the next; for factors
    above 2 that is worth decibels, as sons of sons hardly show anything (benchmarks/results/zooming.md). Other than
    in the paper the rate falls by ten at fixed parts of the fit, in place of its rule, and scales grow along both axes.
    Noise in the measurement: fewer `projections` or none, and `grain`, which is added to sons.
    """

    name: ClassVar[str] = "zssr"
    summary: ClassVar[str] = (
        "225 k weights learned from the input's own shrunken copies; super-resolution, kernel known"
    )
    source: ClassVar[str] = "Shocher, Cohen and Irani, CVPR 2018, arXiv 1712.06087"
    serves: ClassVar[tuple[type[Degradation], ...]] = (Downsample, Subsample)
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "fast": {"steps": 600, "crop": 48, "rate": 1e-3},
        "gradual": {"steps": 3000, "scales": (1.5,)},
        "noisy": {"projections": 0, "grain": 0.0125, "squeeze": 0.75},  # the paper's for real, noisy images
        "mzsr": ADAPTED,
        "mlsr": ADAPTED,
    }
    preset_starts: ClassVar[Mapping[str, str]] = {"mzsr": "mzsr", "mlsr": "mlsr"}

    steps: int = 1500  # paper: 900 to 3000, by its rule
    rate: float = 1e-3  # paper: 1e-3
    width: int = 64  # paper: 64
    depth: int = 8  # paper: 8
    crop: int = 128  # paper: 128; side of a father, made a multiple of the factor
    squeeze: float = 0.5  # paper: 0.5; the smallest scale of half of the fathers, 1: none is squeezed
    views: int = 8  # paper: 8
    scales: tuple[float, ...] = ()  # paper: 1.5 before 2, and more between; each takes its share of the steps. What is
    # left beyond the last: one jump up to a factor of 2, otherwise scales about sqrt(2) apart (`enlarging`)
    projections: int = 10  # paper: 10 of each view, and 10 of their median
    grain: float = (
        0.0  # paper: 0, and 0.0125 for noisy images; standard deviation of noise added to sons, in units of y
    )

    @property
    def reach(self) -> None:
        """The whole tile: back-projections carry far, although little."""
        return

    @property
    def start_network(self) -> Mapping[str, str | int]:
        """A start is of this width and depth, and for a factor, which its card tells."""
        return {"kind": ResidualStack.__name__, "width": self.width, "depth": self.depth}

    def from_scratch(self) -> "ZeroShotSuperResolution":
        """What does without a start: the fast preset."""
        return ZeroShotSuperResolution(**{**self.presets["fast"], "width": self.width, "depth": self.depth})

    def work(self, pixels: int, channels: int) -> float:
        """Forward and backward on a father per step; at the end `views` passes over the image, for a factor of 2."""
        weights = 9 * self.width * (2 * channels + (self.depth - 2) * self.width)
        return weights * (3.0 * min(pixels, self.crop**2) * self.steps + 4.0 * self.views * pixels)

    def network(self, problem: Problem) -> nn.Module:
        """Eight convolutions, 224,640 weights for three channels."""
        return ResidualStack(problem.channels, self.width, self.depth)

    def enlarging(self, factor: int) -> "ZeroShotSuperResolution":
        """With more scales where a factor above 2 is left beyond the last one, if the steps suffice for all of them."""
        last = max(self.scales, default=1.0)
        jumps = round(2 * math.log2(max(1.0, factor / last)))
        if factor <= 2 * last or self.steps < LEAST_STEPS * (len(self.scales) + jumps):
            return self
        between = (round(last * (factor / last) ** (jump / jumps), 2) for jump in range(1, jumps))
        return replace(self, scales=(*self.scales, *between))

    def rate_at(self, step: int) -> float:
        """A tenth after six tenths of the steps for a scale, a hundredth for the last tenth and a half."""
        done = step / max(1, self.steps) * (len(self.scales) + 1) % 1
        return self.rate * (1.0 if done < 0.6 else 0.1 if done < 0.85 else 0.01)

    def loss(self, nets: Nets, inputs: dict[str, Tensor], problem: Problem, draw: Draw, step: int) -> Tensor:
        """Mean absolute difference between the father and what the network makes of its son."""
        scales = [*self._climb(problem), float(problem.A.image_size((1, 1))[0])]
        stage = min(step * len(scales) // max(1, self.steps), len(scales) - 1)
        with torch.no_grad():
            if stage and f"{RAISED}{stage}" not in inputs:  # kept with the tile, so that it leaves with it
                inputs[f"{RAISED}{stage}"] = self._raised(nets, problem, scales[stage - 1])
            father, enlarged, measured = self._pair(inputs, problem, draw, scales[stage])
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
        """Fathers are random crops anyway; what comes of the whole input by its network is looked at by nobody."""
        return replace(self, views=1, projections=0)

    def own_steps(self, steps: int) -> "ZeroShotSuperResolution":
        """At a rate that does not undo the start."""
        return replace(self, steps=steps, rate=self.rate / 10, scales=())

    def _climb(self, problem: Problem) -> list[float]:
        """The intermediate scales; none where A is no plain shrinking, for a kernel says nothing of other factors."""
        factor = problem.A.image_size((1, 1))[0]
        return [scale for scale in self.scales if scale < factor] if problem.A.turns else []

    def _image(self, nets: Nets, problem: Problem) -> Tensor:
        """One view: the network on the interpolated measurement, back-projected."""
        x = in_strips(lambda x: nets(x[:, None])[:, 0], problem.A.guess(problem.y), self.depth)
        return _back_projected(x, problem, self.projections)

    def _pair(
        self, inputs: dict[str, Tensor], problem: Problem, draw: Draw, scale: float
    ) -> tuple[Float[Tensor, "b c n m"], Float[Tensor, "b c n m"], Bool[Tensor, "b 1 n m"]]:
        """A father of each tile, its enlarged son, and which of the father's pixels were measured.

        Once there is an image of an intermediate scale, half of the fathers are crops of it.
        """
        factor = problem.A.image_size((1, 1))[0]
        height, width = (max(1, min(self.crop, side) // factor) * factor for side in problem.y.shape[-2:])
        sources = [problem.y, *(inputs[name] for name in sorted(inputs) if name.startswith(RAISED))][-2:]
        crops = []
        for source in (sources[0], sources[-1]) if len(sources) > 1 else sources:
            whole = (source.shape[-2], source.shape[-1])
            grid = places(whole, draw, (height, width), self.squeeze, problem.A.turns).to(source)
            crops.append(sampled(source, problem.mask, grid))
        father, measured = crops[0]
        if len(crops) > 1:
            first = draw.keep(0.5, 1, 1, 1)
            father = torch.where(first, father, crops[1][0])
            measured = torch.where(first, measured, crops[1][1])
        son = problem.A(father) if scale == factor else resized(father, _coarse(height, width, scale), 1 / scale)
        if self.grain:
            son = son + self.grain * draw.normal(*son.shape[1:]).to(son)
        return father, problem.A.guess(son) if scale == factor else resized(son, (height, width), scale), measured

    def _raised(self, nets: Nets, problem: Problem, scale: float) -> Float[Tensor, "b c v u"]:
        """The image of an intermediate scale: one view, back-projected by interpolation as the paper does it."""
        y = problem.y
        height, width = (math.ceil(side * scale) for side in y.shape[-2:])
        x = in_strips(lambda x: nets(x[:, None])[:, 0], resized(y, (height, width), scale), self.depth)
        for _ in range(self.projections):
            off = (y - resized(x, (y.shape[-2], y.shape[-1]), 1 / scale)).masked_fill(~problem.mask, 0.0)
            x = x + resized(off, (height, width), scale)
        return x


def _coarse(height: int, width: int, scale: float) -> tuple[int, int]:
    return math.ceil(height / scale), math.ceil(width / scale)


def _turned(problem: Problem, view: int) -> Problem:
    return replace(problem, y=turned(problem.y, view), mask=turned(problem.mask, view))


def _back_projected(x: Float[Tensor, "b c v u"], problem: Problem, times: int) -> Float[Tensor, "b c v u"]:
    """What the measurement misses in x, enlarged and added, so many times."""
    for _ in range(times):
        off = problem.y - problem.A(x)
        x = x + problem.A.guess(off.masked_fill(~problem.mask, 0.0))
    return x
