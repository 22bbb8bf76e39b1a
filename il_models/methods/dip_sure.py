"""Deep Image Prior by unbiased risk: the network sees the measurement and minimises an estimate of its own error."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from il_models.average import Average
from il_models.draw import Draw
from il_models.fitting.held_out import HeldOut
from il_models.fitting.zero_crossing import ZeroCrossing
from il_models.method import Fitted
from il_models.metrics import mean
from il_models.nets import Nets
from il_models.networks.hourglass import scales_of
from il_models.networks.softplus import SoftplusEncoderDecoder, multiplications
from il_models.priors import averaging, in_range, measured_range
from il_models.problem import Problem
from il_models.stopper import Stopper

SCALES = 5
LOOK = 5  # steps between two looks at the withheld pixels
LEAST = 1e-3  # smallest step of the difference before `epsilon`, in problem units; without noise there is no sigma


@dataclass(frozen=True, kw_only=True)
class DeepImagePriorSure(Fitted):
    """Jo, Chun and Choi, "Rethinking Deep Image Prior for Denoising", ICCV 2021, with their extended SURE.

    u = y + noise of up to `extra` sigma; minimises |f(u) - y|^2 / n - sigma^2 + (2 / n) sum sigma_i^2 df_i/du_i over
    the measured pixels, an unbiased estimate of the squared error of f(u) for Gaussian noise. The divergence is a
    difference along one fresh random sign per pixel (the paper: an exact product with the Jacobian).

    Sigma comes from the problem, per channel and pixel: signal-dependent noise is stabilised before the method and
    turned back after it, which stands in for the paper's separate loss for photons. Left out of the authors' programme:
    the average is never reset by a comparison with the truth, and no image is rounded.

    A network fitted to one tile also learns to please its probes and over-fits, and its loss, which the paper stops at
    0, falls that low late: pixels that were kept from the fit end it. `fast` has a third of the channels or fewer: it
    ends sooner and blurrier.
    """

    name: ClassVar[str] = "dip_sure"
    summary: ClassVar[str] = "an encoder-decoder of the measurement, fitted to its own estimated error; needs sigma"
    source: ClassVar[str] = "Jo, Chun and Choi, ICCV 2021, arXiv 2108.12841; Metzler et al., arXiv 1805.10531"
    assumes_white_noise: ClassVar[bool] = True
    needs_noise_level: ClassVar[bool] = True
    multiple: ClassVar[int] = 32
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "fast": {"narrow": 16, "wide": 24, "steps": 400, "rate": 0.03, "patience": 60},
    }

    steps: int = 3000
    rate: float = 0.1
    narrow: int = 48
    wide: int = 96
    extra: float = 0.3  # paper: 0.3 for grey, 0.5 for colour; most noise that is added to the input, in sigmas
    epsilon: float = 0.05  # step of the difference, in sigmas
    patience: int = 300  # steps without a new minimum of the error at withheld pixels that end a tile
    withheld: float = 0.02  # paper: 0; share of the pixels kept from the fit, by which it is stopped and its risk known

    @property
    def reach(self) -> None:
        """The whole tile: the normalisations see all of it."""
        return

    @property
    def average(self) -> Average:
        """Exponential, 0.95 per step (paper: 0.99, in which a fit that stops after 100 steps would drown)."""
        return averaging(every=5, keep=0.95)

    @property
    def stopper(self) -> Stopper:
        """Where withheld pixels are foretold best; where none are withheld the loss falls below 0, as in the paper."""
        if self.withheld:
            return HeldOut(patience=self.patience, interval=LOOK, share=self.withheld)
        return ZeroCrossing()

    def work(self, pixels: int, channels: int) -> float:
        """Two passes forward and backward on the whole tile per step."""
        return 6.0 * multiplications(channels, self.narrow, self.wide, SCALES) * pixels * max(1, self.steps)

    def network(self, problem: Problem) -> nn.Module:
        """The encoder-decoder with as many scales as the tile bears."""
        scales = scales_of(problem.y.shape[2:], SCALES)
        return SoftplusEncoderDecoder(problem.channels, self.narrow, self.wide, scales)

    def optimiser(self, weights: list[Tensor]) -> torch.optim.Optimizer:
        """RAdam."""
        return torch.optim.RAdam(weights, lr=self.rate)

    def rate_at(self, step: int) -> float:
        """Down by a tenth every 300 of 3000 steps, and as often in a shorter fit."""
        return self.rate * 0.9 ** (step * 10 // max(1, self.steps))

    def prepare(self, problem: Problem, draw: Draw) -> dict[str, Tensor]:
        """The range of the output."""
        del draw
        return measured_range(problem)

    def loss(self, nets: Nets, inputs: dict[str, Tensor], problem: Problem, draw: Draw, step: int) -> Tensor:
        """Extended SURE with one probe."""
        del step
        shape = problem.y.shape[1:]
        level = self.extra * draw.uniform(1, 1, 1).to(problem.y)
        sigma = problem.noise.nominal(problem.y)
        u = problem.y + level * sigma * draw.normal(*shape).to(problem.y)
        signs = draw.signs(*shape).to(problem.y) * problem.mask
        x = self.estimate(nets, inputs, replace(problem, y=u), draw)
        h = self.epsilon * sigma.clamp(min=LEAST)
        moved = self.estimate(nets, inputs, replace(problem, y=u + h * signs), draw)
        variance = problem.noise.sigma(x.detach()) ** 2
        slope = variance * signs * (moved - x) / h
        return mean((x - problem.y) ** 2 - variance + 2 * slope, problem.mask)

    def estimate(self, nets: Nets, inputs: dict[str, Tensor], problem: Problem, draw: Draw) -> Tensor:
        """f(y), without extra noise."""
        del draw
        return in_range(nets(problem.y[:, None])[:, 0], inputs)
