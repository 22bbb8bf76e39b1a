"""Neighbor2Neighbor: two neighbours of each 2x2 cell, drawn afresh at every step, make a pair of half-size images."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor, nn

from il_models.draw import Draw
from il_models.metrics import mean
from il_models.nets import Nets
from il_models.networks.pooled_unet import PooledUNet
from il_models.on_crops import Decay, OnCrops
from il_models.problem import Problem
from il_models.views import mean_over_views

PAIRS = ((0, 1), (0, 2), (1, 3), (2, 3), (1, 0), (2, 0), (3, 1), (3, 2))  # neighbours in a cell of 0 1 above 2 3
LOCAL = 3  # deepest network whose reach is worth a halo


@dataclass(frozen=True, kw_only=True)
class Neighbor2Neighbor(OnCrops):
    """Huang et al., "Neighbor2Neighbor: Self-Supervised Denoising from Single Noisy Images", CVPR 2021.

    Of each 2x2 cell two neighbouring pixels are drawn, one for each of two half-size images g1(y) and g2(y), with
    independent noise and nearly the same scene. With f the image that the network makes, the loss is
    |f(g1 y) - g2 y|^2 + weight |f(g1 y) - g2 y - (g1 f(y) - g2 f(y))|^2, where f(y) has no gradient: what the two
    differ by in the estimate itself is no error. The weight grows along the fit.

    The paper trains on a set of images. Here one input is all there is, and the network predicts the noise instead of
    the image, which a short fit needs. The paper's network takes some two CPU-seconds for a step on 256 x 256; `fast`
    has 45 thousand weights instead of a million, two levels instead of five, small crops, and a lighter regulariser: a
    weight of 2 costs it 0.2 to 0.7 dB at sigma 25.
    """

    name: ClassVar[str] = "neighbor2neighbor"
    summary: ClassVar[str] = "U-Net learned from randomly drawn pairs of neighbouring pixels; needs no noise level"
    source: ClassVar[str] = "Huang et al., CVPR 2021, arXiv 2101.02824"
    assumes_white_noise: ClassVar[bool] = True
    multiple: ClassVar[int] = 2
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "fast": {"steps": 1500, "rate": 2e-3, "squares": 0.95, "decay": "cosine", "width": 16, "depth": 2, "crop": 48,
                 "growth": 0.5, "views": 8}
    }  # fmt: skip

    steps: int = 5000  # paper: 100 rounds over its data
    rate: float = 3e-4  # paper: 3e-4
    decay: Decay = "halving"
    crop: int = 256  # paper: 256
    growth: float = 2.0  # paper: 2, and 1 for less noise; the regulariser's weight at the end of the fit
    width: int = 48  # paper: 48; channels of the encoder, the decoder has twice as many
    depth: int = 5  # paper: 5; how often the network halves its planes

    @property
    def reach(self) -> int | None:
        """That of the network; None beyond what a halo can serve."""
        return PooledUNet.radius(self.depth) if self.depth <= LOCAL else None

    def work(self, pixels: int, channels: int) -> float:
        """Per step one pass at full size, forward and backward at a quarter; at the end `views` passes."""
        weights = PooledUNet.multiplications(channels, self.width, self.depth)
        return weights * (1.75 * self.seen(pixels) * self.steps + self.views * pixels)

    def network(self, problem: Problem) -> nn.Module:
        """The paper's U-Net, 1,090,273 weights for one channel."""
        return PooledUNet(problem.channels, self.width, self.depth)

    def weight_at(self, step: int) -> float:
        """Weight of the regulariser: from 0 linearly to `growth`."""
        return self.growth * step / max(1, self.steps)

    def loss(self, nets: Nets, inputs: dict[str, Tensor], problem: Problem, draw: Draw, step: int) -> Tensor:
        """Pair loss and regulariser over the cells both of whose drawn pixels were measured."""
        y, mask = self.sample([problem.y, problem.mask], inputs, problem, draw)
        choice = draw.integers(len(PAIRS), 1, y.shape[-2] // 2, y.shape[-1] // 2)
        first, second = neighbours(y, choice)
        measured = torch.logical_and(*neighbours(mask, choice))
        with torch.no_grad():
            one, other = neighbours(_image(nets, y), choice)
        error = _image(nets, first) - second
        return mean(error**2 + self.weight_at(step) * (error - (one - other)) ** 2, measured)

    def estimate(self, nets: Nets, inputs: dict[str, Tensor], problem: Problem, draw: Draw) -> Tensor:
        """f(y), the mean over `views` flips and turns."""
        del inputs, draw
        halo = PooledUNet.radius(self.depth)
        return mean_over_views(lambda y: _image(nets, y), problem.y, self.views, halo, 2**self.depth)


def neighbours(
    x: Shaped[Tensor, "b c h w"], choice: Int[Tensor, "b 1 h2 w2"]
) -> tuple[Shaped[Tensor, "b c h2 w2"], Shaped[Tensor, "b c h2 w2"]]:
    """The pixels of each 2x2 cell that its choice among PAIRS names, as two half-size images."""
    cells = torch.stack([x[..., row::2, column::2] for row in (0, 1) for column in (0, 1)])
    places = torch.tensor(PAIRS, device=x.device)[choice].expand(*cells.shape[1:], 2).unbind(-1)
    first, second = (cells.gather(0, place[None])[0] for place in places)
    return first, second


def _image(nets: Nets, y: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
    """y minus the noise that the networks see in it."""
    return y - nets(y[:, None])[:, 0]
