"""Recorrupted-to-Recorrupted: more noise, of the known level, makes two independent measurements of one."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from il_models.crops import counted
from il_models.draw import Draw
from il_models.fitting.residual import Outgrown
from il_models.metrics import mean
from il_models.nets import Nets
from il_models.networks.plain import PlainStack
from il_models.on_crops import OnCrops
from il_models.problem import Problem
from il_models.stopper import Stopper
from il_models.views import mean_over_views

NO_NOISE = 1e-5  # of the input's range: what is less noisy than this is left as it is
SMOOTH = 9  # side of the box whose mean the level is taken at: its noise must not depend on the pixel's own
SEEN = 37  # times that a fit must have seen each pixel before its residual can tell that it knows it by heart
LOOK = 100  # steps between two looks at the residual; of 8 views of 256 x 256 pixels one costs as much as 80 steps
ESTIMATE = 2**40  # place in the random streams from which estimates draw, whatever a fit drew before


@dataclass(frozen=True, kw_only=True)
class RecorruptedToRecorrupted(OnCrops):
    """Pang, Zheng, Quan, Ji, "Recorrupted-to-Recorrupted: Unsupervised Deep Learning for Image Denoising", CVPR 2021.

    With w standard normal, drawn afresh at every step, y + a sigma w and y - sigma w / a are Gaussian measurements of
    one scene whose noises are independent of each other: a pair for Noise2Noise, at full resolution.

    sigma is that of the problem's noise. Where it is not positive (NO_NOISE of the range) the measurement is returned;
    where it is too low noise is kept, where it is too high the image is blurred.

    A network of one input learns its noise by heart, if its fit is long: that of `fast` from 128 x 128 pixels in some
    800 steps, from 256 x 256 in thousands. Its residual tells, for it grows beyond the noise, and there the fit ends.
    Its rate does not fall, so that its way does not depend on how many steps are allowed; the mean of the weights along
    it makes the image.
    """

    name: ClassVar[str] = "r2r"
    summary: ClassVar[str] = "learned from pairs made by adding noise; as good as the noise level is known"
    source: ClassVar[str] = "Pang et al., CVPR 2021"
    assumes_white_noise: ClassVar[bool] = True
    needs_noise_level: ClassVar[bool] = True
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "fast": {"steps": 2500, "rate": 2e-3, "squares": 0.95, "decay": "none", "keep": 0.99, "beyond": 1.0,
                 "width": 32, "depth": 4, "crop": 32, "passes": 0, "views": 8}
    }  # fmt: skip

    steps: int = 4000  # paper: 50 rounds over its data
    rate: float = 1e-3  # paper: 1e-3
    crop: int = 40  # paper: 40
    width: int = 64  # paper: 64
    depth: int = 17  # paper: 17, with batch normalisation, which would let crops of one tile see each other
    strength: float = 0.5  # paper: 0.5; a
    mirrored: bool = True  # paper: False; w and -w in one step, whose first-order errors cancel: 0.2 dB
    keep: float = 0.0  # what the mean of the weights keeps of itself at each step; paper: 0, the last weights
    beyond: float = 0.0  # times the noise: a tile whose residual is larger ends; paper: 0, at its steps alone
    passes: int = 50  # paper: 50; fresh y + a sigma w whose images are averaged; 0: the image of y itself

    @property
    def reach(self) -> int:
        """One pixel for each 3x3 layer, and what the level of the noise of further passes is taken from."""
        return self.depth + (SMOOTH // 2 if self.passes else 0)

    @property
    def weight_average(self) -> float:
        """As `keep` says."""
        return self.keep

    @property
    def stopper(self) -> Stopper | None:
        """Where the residual has grown beyond the noise."""
        first, per_pixel = (0, SEEN / self.crop**2) if self.crop else (SEEN, 0.0)
        return Outgrown(self.beyond, LOOK, first, per_pixel) if self.beyond else None

    def work(self, pixels: int, channels: int) -> float:
        """Forward and backward on the crop per step; at each look one forward pass for each view of each pass."""
        weights = 9.0 * self.width * (channels + (self.depth - 1) * self.width) + self.width * channels
        draws, looks = 1 + self.mirrored, 1 + (self.steps // LOOK if self.beyond else 0)
        each = self.views * max(1, self.passes) * pixels
        return weights * (3 * draws * self.seen(pixels) * self.steps + looks * each)

    def network(self, problem: Problem) -> nn.Module:
        """Predicts the noise."""
        return PlainStack(problem.channels, self.width, self.depth)

    def prepare(self, problem: Problem, draw: Draw) -> dict[str, Tensor]:
        """Level of the noise at each pixel, and where was measured."""
        del draw
        smooth = nn.functional.avg_pool2d(problem.y, SMOOTH, 1, SMOOTH // 2, count_include_pad=False)
        return {"sigma": problem.noise.sigma(smooth), "measured": counted(problem.mask)}

    def loss(self, nets: Nets, inputs: dict[str, Tensor], problem: Problem, draw: Draw, step: int) -> Tensor:
        """Squared distance between the image of one and the other over the measured pixels."""
        del step
        y, mask, sigma = self.sample([problem.y, problem.mask, inputs["sigma"]], inputs, problem, draw)
        seen, target = recorrupted(y, sigma * draw.normal(*y.shape[1:]), self.strength, self.mirrored)
        return mean(((seen - nets(seen) - target) ** 2).mean(1), mask)

    def on_input(self) -> OnCrops:
        """Random crops, and no passes over the whole of it nor looks at it, for its tiles make their own."""
        return OnCrops.on_input(replace(self, passes=0, keep=0.0, beyond=0.0))

    def own_steps(self, steps: int) -> OnCrops:
        """As everywhere: a few steps with a rate that falls, of which the last counts."""
        return OnCrops.own_steps(replace(self, keep=0.0, beyond=0.0), steps)

    def estimate(self, nets: Nets, inputs: dict[str, Tensor], problem: Problem, draw: Draw) -> Tensor:
        """Mean of the images of `passes` further corruptions, or the image of y."""
        y, sigma, fresh = problem.y, inputs["sigma"], Draw(draw.seeds, ESTIMATE)

        def image(seen: Tensor) -> Tensor:
            return seen - mean_over_views(lambda x: nets(x[:, None])[:, 0], seen, self.views, self.depth)

        x = torch.zeros_like(y) if self.passes else image(y)
        for _ in range(self.passes):
            x = x + image(y + self.strength * sigma * fresh.normal(*y.shape[1:])) / self.passes
        return torch.where(sigma > NO_NOISE, x, y)


def recorrupted(
    y: Float[Tensor, "b c h w"], noise: Float[Tensor, "b c h w"], strength: float, mirrored: bool
) -> tuple[Float[Tensor, "b n c h w"], Float[Tensor, "b n c h w"]]:
    """y + a noise and y - noise / a; mirrored, n = 2: of the noise and of its negative."""
    both = torch.stack([noise, -noise] if mirrored else [noise], 1)
    return y[:, None] + strength * both, y[:, None] - both / strength
