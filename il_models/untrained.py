"""What the deep priors for y = A x + noise share: an hourglass held to the measurement through A, stopped in time.

They differ in how they hold it (`fidelity`), and in what they do between the steps.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from il_models.average import Average
from il_models.draw import Draw
from il_models.fitting.residual import Discrepancy
from il_models.metrics import mean
from il_models.nets import Nets
from il_models.priors import HourglassPrior, averaging, misfit, total_variation
from il_models.problem import Problem
from il_models.stopper import Stopper

BEYOND = 2.0  # times the steps in which the residual reaches the noise: on nine paths of ten within 0.1 dB of the best
LOOK = 5  # steps between two estimates that are compared; each costs a third of a step


@dataclass(frozen=True, kw_only=True)
class Untrained(HourglassPrior, ABC):
    """Minimises `fidelity` over the measured pixels, plus `tv` sigma times the total variation of the image.

    tv: weight of the total variation in units of the noise's sigma (Liu et al., ICASSP 2019, arXiv 1810.12864), and of
    the `grip` of the fidelity, so that it means the same behind a blur.
    withheld: papers: 0; share of the pixels kept from the fit, by which its risk is known.
    """

    tv: float = 0.0
    withheld: float = 0.02

    @abstractmethod
    def fidelity(self, problem: Problem, x: Float[Tensor, "b c *s"]) -> Float[Tensor, " b"]:
        """How far x is from what was measured; pixels that were not measured take no part."""

    def grip(self, problem: Problem) -> Float[Tensor, " b"]:
        """The fidelity of an image that is wrong by white noise of variance 1, and of nothing else."""
        return torch.ones_like(problem.y[:, 0, 0, 0])

    @property
    def average(self) -> Average:
        """Exponential, 0.99 per step, as in the paper of Deep Image Prior."""
        return averaging()

    @property
    def stopper(self) -> Stopper:
        """Where the residual reaches the noise; the papers stop after so many steps, which fits one of their images.

        With total variation the residual is as large as the noise long before the image is good, and the image is best
        after about twice the steps that this took (benchmarks/results/stopping.md). ES-EMV, whose variance is lowest
        there or never, did not fire on half of the tiles.
        """
        return Discrepancy(interval=LOOK, times=BEYOND if self.tv else 1.0)

    def prepare(self, problem: Problem, draw: Draw) -> dict[str, Tensor]:
        """The code, and what a step of the image costs."""
        sigma = mean(problem.noise.nominal(problem.y), problem.mask)
        return {**super().prepare(problem, draw), "cost": self.tv * sigma * self.grip(problem)}

    def loss(self, nets: Nets, inputs: dict[str, Tensor], problem: Problem, draw: Draw, step: int) -> Tensor:
        """The fidelity of this step's image, plus total variation."""
        del step
        return self.judged(problem, inputs, self.shaken(nets, inputs, draw))

    def judged(self, problem: Problem, inputs: dict[str, Tensor], x: Float[Tensor, "b c *s"]) -> Float[Tensor, " b"]:
        """The fidelity of an image, plus total variation."""
        found = self.fidelity(problem, x)
        return found + inputs["cost"] * total_variation(problem, x) if self.tv else found


@dataclass(frozen=True, kw_only=True)
class Split(Untrained, ABC):
    """The image of the network, T, beside a second one, x, that a prior makes; ADMM brings them together.

    Minimises |A T - y|^2 + `pull` |T - (x - u)|^2 by the steps of the fit, and moves x and the dual variable u between
    them. Until x is made for the first time nothing pulls, so that what was not measured takes no part.
    """

    @abstractmethod
    def pull(self, step: int) -> float:
        """Weight of the distance to x - u beside the misfit; `step` counts from 0."""

    @abstractmethod
    def is_due(self, step: int) -> bool:
        """Whether x and u move after this step."""

    @abstractmethod
    def moved(
        self, inputs: dict[str, Tensor], made: Float[Tensor, "b c *s"], problem: Problem, step: int
    ) -> dict[str, Tensor]:
        """What changes of the inputs, `x` and `dual` among them, now that the network has made this image."""

    def fidelity(self, problem: Problem, x: Float[Tensor, "b c *s"]) -> Float[Tensor, " b"]:
        """Mean squared misfit."""
        return misfit(problem, x)

    def prepare(self, problem: Problem, draw: Draw) -> dict[str, Tensor]:
        """The code, and no x yet."""
        none = torch.zeros_like(problem.fallback())
        return {**super().prepare(problem, draw), "x": none, "dual": none.clone(), "begun": none[:, :1, :1, :1].clone()}

    def loss(self, nets: Nets, inputs: dict[str, Tensor], problem: Problem, draw: Draw, step: int) -> Tensor:
        """The misfit of this step's image, and its distance to x - u."""
        made = self.shaken(nets, inputs, draw)
        apart = inputs["begun"] * (made - inputs["x"] + inputs["dual"]) ** 2
        return self.judged(problem, inputs, made) + self.pull(step) * apart.flatten(1).mean(1)

    def carried_on(
        self, nets: Nets, inputs: dict[str, Tensor], problem: Problem, draw: Draw, step: int
    ) -> dict[str, Tensor]:
        """With x and u moved, when they are due."""
        if not self.is_due(step):
            return inputs
        made = self.estimate(nets, inputs, problem, draw)
        changed = self.moved(inputs, made, problem, step)
        return {**inputs, **changed, "begun": torch.ones_like(inputs["begun"])}
