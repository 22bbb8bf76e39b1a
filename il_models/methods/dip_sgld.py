"""Deep Image Prior as a posterior: noise on the weights lets the fit wander, and the mean of where it was is kept."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from il_models.average import Average
from il_models.draw import Draw
from il_models.metrics import mean
from il_models.nets import Nets
from il_models.priors import SMALL, HourglassPrior, misfit
from il_models.problem import Problem

SHORE = 0.1  # of the level: above and below it the fit slows down


@dataclass(frozen=True, kw_only=True)
class DeepImagePriorSgld(HourglassPrior):
    """Cheng, Gadelha, Maji and Sheldon, "A Bayesian Perspective on the Deep Image Prior", CVPR 2019.

    Minimises |A f(code) - y|^2 over the measured pixels with Adam, and after every step adds N(0, (`noise` rate)^2) to
    every weight of a convolution. The image is the mean of every `every`-th estimate after the first `burn_in` of the
    steps; their standard deviation is that of the posterior as this sampler sees it (Adam is no exact Langevin one).

    `fast` has a small hourglass, a twentieth of the steps and a seventh of the noise, in which it would else drown:
    its samples hang together, and their spread is about two thirds of the error.
    """

    name: ClassVar[str] = "dip_sgld"
    summary: ClassVar[str] = "an untrained hourglass whose weights are shaken; mean and spread of what it makes"
    source: ClassVar[str] = "Cheng, Gadelha, Maji and Sheldon, CVPR 2019, arXiv 1904.07457"
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "fast": {**SMALL, "noise": 0.3, "steps": 900, "every": 10},
    }

    steps: int = 20_000
    rate: float = 0.01
    noise: float = 2.0  # standard deviation of what is added to the weights, in units of the rate
    decay: float = 5e-8  # of the weights
    flood: float = 1.0  # times sigma^2: level below which the misfit is climbed; paper: 0
    burn_in: float = 0.35  # share of the steps; 7000 of 20,000
    every: int = 50  # steps between two samples
    withheld: float = 0.02  # paper: 0; share of the pixels kept from the fit, by which its risk is known

    @property
    def average(self) -> Average:
        """All samples alike, and their spread."""
        return Average(every=self.every, first=round(self.burn_in * self.steps), spread=True)

    def optimiser(self, weights: list[Tensor]) -> torch.optim.Optimizer:
        """Adam with weight decay."""
        return torch.optim.Adam(weights, lr=self.rate, weight_decay=self.decay)

    def loss(self, nets: Nets, inputs: dict[str, Tensor], problem: Problem, draw: Draw, step: int) -> Tensor:
        """Mean squared misfit; its gradient by a factor between 1 and -1 that turns round at the level of the flood."""
        del step
        found = misfit(problem, self.shaken(nets, inputs, draw))
        level = self.flood * mean(problem.noise.nominal(problem.y) ** 2, problem.mask)
        height = found.detach() / level.clamp(min=torch.finfo(level.dtype).tiny) - 1
        return found.detach() + (height / SHORE).clamp(-1, 1) * (found - found.detach())

    def after_step(self, nets: Nets, draw: Draw, step: int) -> None:
        """Noise on the weights of the convolutions, not on offsets and normalisations."""
        for weight in nets.weights.values():
            if weight.ndim == 5:  # four axes of a convolution, behind the tile's
                weight += self.noise * self.rate_at(step) * draw.normal(*weight.shape[1:]).to(weight)
